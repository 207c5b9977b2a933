//! What follows the end of an execution.

use bytes::Bytes;
use nebula_flow::event::Event;
use nebula_flow::ports::Outgoing;
use nebula_flow::trigger::on_end::{self, NotFollowed};
use nebula_flow::{Payload, Value};

use super::Task;
use crate::config::Core;
use crate::values;

impl Task {
    /// Sends the starts of what follows the end, which is not on disk yet.
    pub(super) async fn follow(&mut self) {
        let core = self.core.clone();
        let name = self.execution.plan().definition().name.clone();
        let Some(followers) = core.followers.of(&name).await else {
            return;
        };
        let status = self.execution.status().0;
        let mut event = None;
        for follower in followers.iter().filter(|f| f.follows(status)) {
            let event = match &event {
                Some(event) => event,
                None => {
                    let output = output(&core, self.execution.final_event()).await;
                    event.insert(on_end::event(&self.execution, output))
                }
            };
            let input = follower.input(&self.execution, event.clone());
            let started = match kept(&core, input).await {
                Ok(input) => {
                    let execution = follower.execution(&self.execution);
                    let message = follower.start(&self.execution, input);
                    self.journal.send(Outgoing { execution, message });
                    Ok(execution)
                }
                Err(why) => Err(format!("the end of {}: {why}", self.id)),
            };
            let at = self.execution.updated_at();
            core.followers.note(follower, at, started);
        }
    }
}

async fn kept(core: &Core, input: Result<Bytes, NotFollowed>) -> Result<Payload, String> {
    let input = input.map_err(|error| error.to_string())?;
    let kept = values::payload(core, input).await;
    kept.map_err(|error| error.to_string())
}

/// The output of an execution that succeeded.
async fn output(core: &Core, end: Option<&Event>) -> Option<Value> {
    let Some(Event::Succeeded { output }) = end else {
        return None;
    };
    let bytes = values::bytes(core, output).await.ok()?;
    values::decode(&bytes).ok()
}
