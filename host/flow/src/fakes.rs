//! Ports in memory, for the tests of the use cases.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use bytes::Bytes;
use semver::{Version, VersionReq};
use serde_json::{Value, json};

use crate::component::Origin;
use crate::ports::*;
use crate::{ActionId, ActionMetadata, Component, Digest, Effect, TenantId, Verified};

mod log;

pub(crate) use log::Inbox;

/// Runs a future that never waits.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the fakes never wait"),
    }
}

/// Records. `before_next_head` runs before the next head is put, so that a
/// test can be the one who is faster.
#[derive(Default)]
pub(crate) struct Store {
    pub(crate) records: Mutex<BTreeMap<(&'static str, String), Record>>,
    pub(crate) blobs: Mutex<HashMap<Digest, Bytes>>,
    pub(crate) rival: Mutex<Option<Bytes>>,
    /// The n-th write from now on fails, before or after it was made.
    failing: Mutex<Option<(usize, bool)>>,
}

impl Store {
    /// Lets the n-th write from now on, from 0, fail, after it was made or
    /// before. Gives whether that is still to come.
    pub(crate) fn fail(&self, nth: usize, after: bool) -> impl Fn() -> bool + '_ {
        *self.failing.lock().unwrap() = Some((nth, after));
        || self.failing.lock().unwrap().is_some()
    }

    /// Whether this write fails, and whether it is made all the same.
    fn fails(&self) -> Option<bool> {
        let mut failing = self.failing.lock().unwrap();
        match failing.as_mut() {
            Some((0, after)) => {
                let after = *after;
                *failing = None;
                Some(after)
            }
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        }
    }
}

#[async_trait]
impl Records for Store {
    async fn get(
        &self,
        kind: Kind,
        _: &TenantId,
        key: &str,
    ) -> Result<Option<Record>, RecordError> {
        Ok(self
            .records
            .lock()
            .unwrap()
            .get(&(kind.name(), key.to_owned()))
            .cloned())
    }

    async fn put(
        &self,
        kind: Kind,
        _: &TenantId,
        key: &str,
        value: Bytes,
        expect: Expect,
    ) -> Result<u64, RecordError> {
        let fails = self.fails();
        let broken = || RecordError::Unavailable("told to fail".to_owned());
        if fails == Some(false) {
            return Err(broken());
        }
        let mut records = self.records.lock().unwrap();
        let place = (kind.name(), key.to_owned());
        if kind == Kind::Workflow
            && let Some(value) = self.rival.lock().unwrap().take()
        {
            let version = records.get(&place).map_or(0, |r| r.version) + 1;
            records.insert(place.clone(), Record { version, value });
        }
        let version = records.get(&place).map_or(0, |record| record.version);
        let holds = match expect {
            Expect::Any => true,
            Expect::Absent => version == 0,
            Expect::Version(expected) => version == expected,
        };
        if !holds {
            return Err(RecordError::Conflict {
                kind: kind.name(),
                key: key.to_owned(),
            });
        }
        records.insert(
            place,
            Record {
                version: version + 1,
                value,
            },
        );
        fails.map_or(Ok(version + 1), |_| Err(broken()))
    }

    async fn remove(&self, kind: Kind, _: &TenantId, key: &str) -> Result<bool, RecordError> {
        Ok(self
            .records
            .lock()
            .unwrap()
            .remove(&(kind.name(), key.to_owned()))
            .is_some())
    }

    async fn list(
        &self,
        kind: Kind,
        _: &TenantId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, RecordError> {
        let records = self.records.lock().unwrap();
        let of_kind = records.iter().filter(|((k, _), _)| *k == kind.name());
        let found = of_kind.filter(|((_, key), _)| {
            key.starts_with(prefix) && after.is_none_or(|a| key.as_str() > a)
        });
        Ok(found
            .take(limit)
            .map(|((_, key), record)| (key.clone(), record.clone()))
            .collect())
    }

    async fn put_blob(&self, bytes: Bytes) -> Result<Digest, RecordError> {
        let digest = Digest::of(&bytes);
        self.blobs.lock().unwrap().insert(digest, bytes);
        Ok(digest)
    }

    async fn pin_blob(&self, digest: Digest) -> Result<bool, RecordError> {
        Ok(self.blobs.lock().unwrap().contains_key(&digest))
    }

    async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, RecordError> {
        Ok(self.blobs.lock().unwrap().get(&digest).cloned())
    }
}

/// Components, one for each action.
pub(crate) struct Shelf(pub(crate) Mutex<BTreeMap<ActionId, ResolvedAction>>);

pub(crate) fn metadata(id: &str, input: Value, output: Value) -> ActionMetadata {
    ActionMetadata {
        id: id.parse().unwrap(),
        name: id.to_owned(),
        version: Version::new(1, 2, 0),
        description: String::new(),
        category: String::new(),
        input_schema: input,
        output_schema: output,
        credentials: Vec::new(),
        hosts: Vec::new(),
    }
}

impl Shelf {
    pub(crate) fn new(actions: impl IntoIterator<Item = ActionMetadata>) -> Self {
        let shelf = Self(Mutex::default());
        actions
            .into_iter()
            .for_each(|action| shelf.install(action, "1"));
        shelf
    }

    pub(crate) fn install(&self, metadata: ActionMetadata, build: &str) {
        let id = metadata.id.clone();
        let digest = Digest::of(bytes(&id, build).as_bytes());
        let resolved = ResolvedAction {
            digest,
            effect: Effect::Pure,
            metadata: Arc::new(metadata),
            origin: Origin::Embedded,
        };
        self.0.lock().unwrap().insert(id, resolved);
    }

    /// The actions of the workflow that everyone knows, and `transform.jq`.
    pub(crate) fn weather() -> Self {
        let city = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
        let weather = json!({
            "type": "object",
            "properties": {"temp": {"type": "number"}, "wind": {"$ref": "#/$defs/wind"}},
            "additionalProperties": false,
            "$defs": {"wind": {"type": "object", "properties": {"speed": {"type": "number"}}}}
        });
        let mut fetch = metadata("weather.fetch", city, weather);
        fetch.credentials.push("weather_api".to_owned());
        fetch.hosts.push("api.weather.example".to_owned());
        let any = |id| metadata(id, json!(true), json!(true));
        Self::new([
            fetch,
            any("condition.check"),
            any("notification.send"),
            any("transform.jq"),
        ])
    }
}

fn bytes(id: &ActionId, build: &str) -> String {
    format!("component of {id}, build {build}")
}

#[async_trait]
impl Components for Shelf {
    async fn resolve(
        &self,
        _: &TenantId,
        action: &ActionId,
        range: &VersionReq,
    ) -> Result<ResolvedAction, ResolveError> {
        let shelf = self.0.lock().unwrap();
        let Some(found) = shelf.get(action) else {
            let similar = shelf
                .keys()
                .find(|id| id.as_str()[..4] == action.as_str()[..4])
                .cloned();
            return Err(ResolveError::UnknownAction {
                action: action.clone(),
                similar,
            });
        };
        if !range.matches(&found.metadata.version) {
            let installed = found.metadata.version.clone();
            return Err(ResolveError::NoVersion {
                action: action.clone(),
                range: range.clone(),
                installed,
            });
        }
        Ok(found.clone())
    }

    async fn component(
        &self,
        _: &TenantId,
        digest: Digest,
    ) -> Result<Verified<Component>, ResolveError> {
        let shelf = self.0.lock().unwrap();
        let (id, _) = shelf
            .iter()
            .find(|(_, a)| a.digest == digest)
            .ok_or(ResolveError::UnknownComponent(digest))?;
        let all = ["1", "2"].map(|build| Component::new(bytes(id, build)));
        let component = all.into_iter().find(|c| c.digest() == digest).unwrap();
        Ok(vouched(component))
    }

    async fn actions(
        &self,
        _: &TenantId,
    ) -> Result<BTreeMap<ActionId, ResolvedAction>, ResolveError> {
        Ok(self.0.lock().unwrap().clone())
    }
}

#[expect(clippy::disallowed_methods, reason = "a fake vouches for its fakes")]
fn vouched(component: Component) -> Verified<Component> {
    Verified::vouch(component, Origin::Embedded)
}
