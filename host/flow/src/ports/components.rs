//! The components that a node may run, by action and by digest.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use semver::VersionReq;
use serde::{Deserialize, Serialize};

use crate::component::{ActionMetadata, Component, Effect, Origin, Verified};
use crate::id::{ActionId, Digest, TenantId};

/// The components this node may run.
#[async_trait]
pub trait Components: Send + Sync + 'static {
    /// The newest version of an action within the range.
    async fn resolve(
        &self,
        tenant: &TenantId,
        action: &ActionId,
        range: &VersionReq,
    ) -> Result<ResolvedAction, ResolveError>;

    /// A component by its digest: one that is installed, or one that a deployed
    /// version pinned.
    async fn component(
        &self,
        tenant: &TenantId,
        digest: Digest,
    ) -> Result<Verified<Component>, ResolveError>;

    /// Every action that the tenant may use, by id.
    async fn actions(
        &self,
        tenant: &TenantId,
    ) -> Result<BTreeMap<ActionId, ResolvedAction>, ResolveError>;
}

/// An action and the component that has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResolvedAction {
    /// Of the component.
    pub digest: Digest,
    /// Of the component.
    pub effect: Effect,
    /// Of the action.
    pub metadata: Arc<ActionMetadata>,
    /// Where the component comes from.
    pub origin: Origin,
}

/// Why an action or a component cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ResolveError {
    /// No component here has it.
    #[error("no action `{action}` is installed")]
    UnknownAction {
        /// As it was asked for.
        action: ActionId,
        /// The installed action whose name is nearest.
        similar: Option<ActionId>,
    },
    /// It is installed, in no version of the range.
    #[error("action `{action}` is installed in version {installed}, and {range} was asked for")]
    NoVersion {
        /// Which action.
        action: ActionId,
        /// As it was asked for.
        range: VersionReq,
        /// What is there.
        installed: semver::Version,
    },
    /// No such component here.
    #[error("component {0} is not on this node")]
    UnknownComponent(Digest),
    /// The store is in trouble; trying again may help.
    #[error("components are not available: {0}")]
    Unavailable(String),
    /// What the store holds is not the component that it should be.
    #[error("the components are damaged: {0}")]
    Damaged(String),
}
