//! Real components in this process, in the real sandbox under its limits.
//!
//! - `cell`: the one sandbox of the process.
//! - `requests`: what answers what components ask.
//! - `call`: one call, of an [`ActionTestHarness`](crate::ActionTestHarness).

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::Arc;

use async_trait::async_trait;
use nebula_action::http::Request;
use nebula_flow::event::Failure;
use nebula_flow::grant::Capabilities;
use nebula_flow::ports::{
    Call, Components, Prepared, Report, ResolveError, ResolvedAction, Runner,
};
use nebula_flow::{ActionId, Component, Digest, TenantId, Verified};
use nebula_hub::{Catalog, HubError};
use nebula_storage::Memory;
use semver::VersionReq;

use crate::component::{Built, BuiltComponent};
use crate::registry::World;
use crate::runner::Beyond;

mod call;
mod cell;
mod requests;

pub(crate) use call::{Called, Given, call};

use cell::Cell;
use requests::Requests;

/// The components of a harness, ready to be called.
pub(crate) struct Embedded {
    cell: &'static Cell,
    catalog: Catalog,
    actions: BTreeMap<ActionId, ResolvedAction>,
    tenant: TenantId,
    requests: Requests,
    /// What runs all other components.
    next: Option<Beyond>,
}

impl Embedded {
    /// Reads, checks and compiles the components of a harness. The world answers what
    /// they ask.
    ///
    /// # Errors
    /// Why one of them cannot be used, in words.
    pub(crate) async fn open(
        built: &Built,
        world: &World,
        next: Option<Beyond>,
    ) -> Result<Self, String> {
        let cell = Cell::of_this_process()?;
        let (components, tenant) = (built.components.clone(), built.tenant.0.clone());
        let (http, resources) = (world.http.clone(), world.resources.clone());
        let opening = cell.here(async move {
            let mut named: Vec<(String, Verified<Component>)> = Vec::new();
            for built in &components {
                let component = verified(built)?;
                // The same one twice is one.
                if named
                    .iter()
                    .all(|(_, other)| other.digest() != component.digest())
                {
                    named.push((built.to_string(), component));
                }
            }
            let catalog = Catalog::of(&cell.sandbox, Arc::new(Memory::new()), named).await?;
            Ok::<_, HubError>((catalog, Requests::start(http, resources).await))
        });
        let opened = opening.await.ok_or("it was cut off")?;
        let (catalog, requests) = opened.map_err(|e| e.to_string())?;
        let actions = catalog.actions(&tenant).await;
        Ok(Self {
            cell,
            actions: actions.map_err(|e| e.to_string())?,
            catalog,
            tenant,
            requests: requests?,
            next,
        })
    }

    /// An action of its components.
    fn action(&self, id: &ActionId) -> Option<&ResolvedAction> {
        self.actions.get(id)
    }

    fn has(&self, digest: Digest) -> bool {
        let mut all = self.actions.values();
        all.any(|action| action.digest == digest)
    }

    /// What was asked so far, in order.
    fn heard(&self) -> Vec<Request> {
        self.requests.heard()
    }

    /// The same as the ports of an engine.
    pub(crate) fn beyond(self) -> Beyond {
        let ports = Arc::new(self);
        Beyond {
            components: ports.clone(),
            runner: ports,
        }
    }

    /// Runs a call of its components.
    async fn call(&self, mut call: Call) -> Result<Report, Box<dyn Any + Send>> {
        if let Some(action) = self.action(&call.action) {
            let mut capabilities = Capabilities::clone(&call.capabilities);
            capabilities.hosts = self.requests.grants(&action.metadata);
            let hosts = capabilities.hosts.iter();
            let hosts: Vec<String> = hosts.map(|grant| grant.host.clone()).collect();
            for bound in capabilities.credentials.values_mut() {
                bound.hosts.clone_from(&hosts);
            }
            call.capabilities = Arc::new(capabilities);
        }
        call.tenant = self.tenant.clone();
        let report = self.cell.run(call).await;
        match self.requests.panic() {
            Some(panic) => Err(panic),
            None => Ok(report),
        }
    }
}

/// Checks what an author built.
fn verified(component: &BuiltComponent) -> Result<Verified<Component>, HubError> {
    match component {
        BuiltComponent::File(path) => nebula_hub::local(path),
        BuiltComponent::Bytes(bytes) => nebula_hub::built(&component.to_string(), bytes.clone()),
    }
}

#[async_trait]
impl Components for Embedded {
    async fn resolve(
        &self,
        tenant: &TenantId,
        action: &ActionId,
        range: &VersionReq,
    ) -> Result<ResolvedAction, ResolveError> {
        match (
            self.catalog.resolve(tenant, action, range).await,
            &self.next,
        ) {
            (Err(ResolveError::UnknownAction { .. }), Some(next)) => {
                next.components.resolve(tenant, action, range).await
            }
            (found, _) => found,
        }
    }

    async fn component(
        &self,
        tenant: &TenantId,
        digest: Digest,
    ) -> Result<Verified<Component>, ResolveError> {
        match &self.next {
            Some(next) if !self.has(digest) => next.components.component(tenant, digest).await,
            _ => self.catalog.component(tenant, digest).await,
        }
    }

    async fn actions(
        &self,
        tenant: &TenantId,
    ) -> Result<BTreeMap<ActionId, ResolvedAction>, ResolveError> {
        let mut all = match &self.next {
            Some(next) => next.components.actions(tenant).await?,
            None => BTreeMap::new(),
        };
        all.extend(self.actions.clone());
        Ok(all)
    }
}

#[async_trait]
impl Runner for Embedded {
    async fn prepare(&self, component: &Verified<Component>) -> Result<Prepared, Failure> {
        match &self.next {
            Some(next) if !self.has(component.digest()) => next.runner.prepare(component).await,
            _ => self.cell.prepare(component.clone()).await,
        }
    }

    /// # Panics
    /// As a route or a stand-in does that answers its requests.
    async fn run(&self, call: Call) -> Report {
        match &self.next {
            Some(next) if !self.has(call.component.digest()) => next.runner.run(call).await,
            _ => self
                .call(call)
                .await
                .unwrap_or_else(|panic| resume_unwind(panic)),
        }
    }
}
