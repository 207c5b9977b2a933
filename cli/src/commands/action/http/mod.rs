//! Who answers the requests of a call that no node makes.
//!
//! - `server`: a server on loopback. Granted hosts lead to it, so that requests take
//!   their real way through the egress.
//! - `mock`: `--mock-http`: one that answers as a file says.
//! - `record`: `--record`: one that asks the network, and remembers.

use nebula_sandbox::nebula_flow::ActionMetadata;
use nebula_sandbox::nebula_flow::grant::Grant;
use serde_json::Value;

mod mock;
mod record;
mod server;

pub(super) use mock::Mock;
pub(super) use record::Recorder;

/// Who answers.
pub(super) enum Http {
    /// Whoever was allowed, over the network.
    Network,
    /// A file.
    Mock(Mock),
    /// Whoever was allowed, and it is recorded.
    Recorder(Recorder),
}

/// What was asked, and what went wrong that the action may hide.
pub(super) struct Heard {
    pub(super) http: Value,
    pub(super) failure: Option<Value>,
}

impl Http {
    /// What is granted in place of what was allowed on the command line.
    pub(super) fn grants(&self, action: &ActionMetadata, allowed: Vec<Grant>) -> Vec<Grant> {
        match self {
            Self::Network => allowed,
            Self::Mock(mock) => {
                let more = mock.grants(action, &allowed);
                allowed.into_iter().chain(more).collect()
            }
            Self::Recorder(recorder) => recorder.grants(allowed),
        }
    }

    /// What was asked and nothing answers.
    pub(super) fn trouble(&self) -> Option<String> {
        match self {
            Self::Mock(mock) => mock.trouble(),
            Self::Network | Self::Recorder(_) => None,
        }
    }

    /// What was asked so far.
    pub(super) fn heard(&self) -> Option<Heard> {
        match self {
            Self::Network => None,
            Self::Mock(mock) => Some(mock.heard()),
            Self::Recorder(recorder) => Some(recorder.heard()),
        }
    }
}
