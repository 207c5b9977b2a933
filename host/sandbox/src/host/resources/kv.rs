//! Small values by key.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::Resource;

use crate::bindings::nebula::action::resources::{self, Entry, Keys, ResourceError};
use crate::charge::TEXT_BYTE;
use crate::resources::{Kv, SetValue};
use crate::state::State;

/// Values that a guest has open.
#[expect(unreachable_pub, reason = "the generated bindings name it anew")]
pub struct Values(Arc<dyn Kv>);

impl State {
    /// The values, and a key without the call's secrets.
    fn key(
        &mut self,
        values: &Resource<Values>,
        key: String,
    ) -> wasmtime::Result<(Arc<dyn Kv>, String)> {
        self.charge_each(TEXT_BYTE, key.len());
        let values = Arc::clone(&self.table.get(values)?.0);
        Ok((values, self.covered(key)))
    }
}

impl resources::HostKv for State {
    fn open(&mut self, name: String) -> wasmtime::Result<Result<Resource<Values>, ResourceError>> {
        let values = self.held("kv", &name, |held, user, name| held.kv(user, name));
        Ok(match values {
            Ok(values) => Ok(self.table.push(Values(values))?),
            Err(error) => Err(error.into()),
        })
    }

    async fn get(
        &mut self,
        values: Resource<Values>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Entry>, ResourceError>> {
        let (values, key) = self.key(&values, key)?;
        let within = self.left();
        let waiting = self.waits();
        let found = values.get(key, within).await;
        drop(waiting);
        if let Ok(Some(entry)) = &found {
            self.charge_each(TEXT_BYTE, entry.value.len());
        }
        let entry = |found: crate::resources::Entry| Entry {
            value: found.value,
            version: found.version,
        };
        Ok(found.map(|found| found.map(entry)).map_err(Into::into))
    }

    async fn set(
        &mut self,
        values: Resource<Values>,
        key: String,
        mut value: Vec<u8>,
        ttl_ms: Option<u64>,
        expected: Option<u64>,
    ) -> wasmtime::Result<Result<Option<u64>, ResourceError>> {
        let (values, key) = self.key(&values, key)?;
        self.charge_each(TEXT_BYTE, value.len());
        self.redactor.cover(&mut value);
        let ttl = ttl_ms.map(Duration::from_millis);
        let set = SetValue {
            key,
            value,
            ttl,
            expected,
        };
        let within = self.left();
        let _waiting = self.waits();
        Ok(values.set(set, within).await.map_err(Into::into))
    }

    async fn delete(
        &mut self,
        values: Resource<Values>,
        key: String,
        expected: Option<u64>,
    ) -> wasmtime::Result<Result<bool, ResourceError>> {
        let (values, key) = self.key(&values, key)?;
        let within = self.left();
        let _waiting = self.waits();
        let deleted = values.delete(key, expected, within).await;
        Ok(deleted.map_err(Into::into))
    }

    async fn increment(
        &mut self,
        values: Resource<Values>,
        key: String,
        by: i64,
        ttl_ms: Option<u64>,
    ) -> wasmtime::Result<Result<i64, ResourceError>> {
        let (values, key) = self.key(&values, key)?;
        let ttl = ttl_ms.map(Duration::from_millis);
        let within = self.left();
        let _waiting = self.waits();
        let sum = values.increment(key, by, ttl, within).await;
        Ok(sum.map_err(Into::into))
    }

    async fn list(
        &mut self,
        values: Resource<Values>,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<Keys, ResourceError>> {
        let (values, prefix) = self.key(&values, prefix)?;
        self.charge_each(TEXT_BYTE, after.as_ref().map_or(0, String::len));
        let within = self.left();
        let waiting = self.waits();
        let found = values.list(prefix, after, limit, within).await;
        drop(waiting);
        if let Ok(found) = &found {
            let bytes = found.keys.iter().map(String::len).sum();
            self.charge_each(TEXT_BYTE, bytes);
        }
        let keys = |found: crate::resources::Keys| Keys {
            keys: found.keys,
            next: found.next,
        };
        Ok(found.map(keys).map_err(Into::into))
    }

    fn drop(&mut self, values: Resource<Values>) -> wasmtime::Result<()> {
        self.table.delete(values)?;
        Ok(())
    }
}
