//! Actions that are called again, as an author writes them.

#![no_std]

use core::time::Duration;

use nebula_sdk::prelude::*;

/// Whom to ask.
#[data]
pub struct Ask {
    /// For example `Ada`.
    who: String,
    /// How long an answer may take, milliseconds.
    within_ms: u64,
}

/// What became of the question.
#[data]
pub struct Answer {
    /// Who was asked.
    asked: String,
    /// What was said; nothing if that took too long.
    says: Option<String>,
}

/// Asks someone, and waits for the signal `answer`.
#[derive(Action)]
#[action(id = "again.ask")]
pub struct AskAction;

impl ProcessAction for AskAction {
    type Input = Ask;
    type Output = Answer;

    async fn execute(&self, input: Ask, ctx: &ActionContext) -> Result<ProcessResult<Answer>> {
        let Some(resumed) = ctx.resumed::<String>()? else {
            ctx.log().info(format!("asking {}", input.who));
            let time = Duration::from_millis(input.within_ms);
            return ProcessResult::wait(Wake::signal_within("answer", time), &input.who);
        };
        let says = match resumed.woken {
            Woken::Signal(says) => Some(says.decode()?),
            _ => None,
        };
        Ok(ProcessResult::Success(Answer { asked: resumed.state, says }))
    }
}

/// How far to count.
#[data]
pub struct CountTo {
    /// The last number.
    end: u32,
    /// Between two numbers, milliseconds; with 0 it does not wait.
    every_ms: u64,
}

/// Counts, one number in each call.
#[derive(Action)]
#[action(id = "again.count")]
pub struct CountAction;

impl ProcessAction for CountAction {
    type Input = CountTo;
    type Output = Vec<u32>;

    async fn execute(&self, input: CountTo, ctx: &ActionContext) -> Result<ProcessResult<Vec<u32>>> {
        let mut counted: Vec<u32> = ctx.resumed()?.map(|r| r.state).unwrap_or_default();
        let next = counted.len() as u32 + 1;
        counted.push(next);
        match (next < input.end, input.every_ms) {
            (false, _) => Ok(ProcessResult::Success(counted)),
            (true, 0) => ProcessResult::continue_with(&counted),
            (true, ms) => ProcessResult::wait(Wake::after(Duration::from_millis(ms)), &counted),
        }
    }
}

nebula_sdk::export!(AskAction, CountAction);

#[cfg(test)]
mod tests {
    use super::*;
    use nebula_sdk::action::Encoded;

    #[test]
    fn asks_and_takes_the_answer() {
        let input = json!({ "who": "Ada", "within_ms": 60_000 });
        let ctx = ActionContext::for_test();
        let wake = Wake::signal_within("answer", Duration::from_secs(60));
        let waits = ProcessResult::wait(wake, "Ada").expect("encodes");
        assert_eq!(ctx.run::<AskAction>(&input).expect("waits"), waits);

        let says = Encoded::of("yes").expect("encodes");
        let ctx = ActionContext::for_test().resumed_with(&"Ada", Woken::Signal(says));
        let answer = ProcessResult::Success(json!({ "asked": "Ada", "says": "yes" }));
        assert_eq!(ctx.run::<AskAction>(&input).expect("answers"), answer);
    }
}
