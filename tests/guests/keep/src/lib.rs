//! Actions that keep something: a state from one execution to the next, and large
//! values as blobs.

#![no_std]

use nebula_sdk::prelude::*;

/// What to count.
#[data]
pub struct Count {
    /// Under which key; the node's own count if absent.
    key: Option<String>,
}

/// Counts its calls, over all executions of the workflow.
#[derive(Action)]
#[action(id = "keep.count")]
pub struct CountAction;

impl SimpleAction for CountAction {
    type Input = Count;
    type Output = u64;

    async fn execute_simple(&self, input: Count, ctx: &ActionContext) -> Result<u64> {
        let state = match &input.key {
            Some(key) => ctx.state_of(key),
            None => ctx.state(),
        };
        state.update(|count: Option<u64>| count.unwrap_or(0) + 1).await
    }
}

/// Counts, and fails.
#[derive(Action)]
#[action(id = "keep.fail")]
pub struct FailAction;

impl SimpleAction for FailAction {
    type Input = Count;
    type Output = u64;

    async fn execute_simple(&self, input: Count, ctx: &ActionContext) -> Result<u64> {
        CountAction.execute_simple(input, ctx).await?;
        Err(ActionError::permanent("on purpose"))
    }
}

/// What to write.
#[data]
pub struct Fill {
    /// How many bytes.
    size: u64,
}

/// Writes a blob of numbers.
#[derive(Action)]
#[action(id = "keep.write")]
pub struct WriteAction;

impl SimpleAction for WriteAction {
    type Input = Fill;
    type Output = Blob;

    async fn execute_simple(&self, input: Fill, ctx: &ActionContext) -> Result<Blob> {
        let mut writer = ctx.blobs().writer();
        let (mut at, part) = (0, 300_000);
        while at < input.size {
            let end = input.size.min(at + part);
            let bytes: Vec<u8> = (at..end).map(|n| (n % 251) as u8).collect();
            writer.write(&bytes).await?;
            at = end;
        }
        ctx.log().with("bytes", input.size).with("of", "a blob").info("written");
        ctx.metric("bytes", input.size as f64);
        writer.finish().await
    }
}

/// Which part to read.
#[data]
pub struct Part {
    /// Of which blob.
    blob: Blob,
    /// From where on.
    offset: u64,
    /// How many bytes.
    len: u32,
}

/// Reads a part of a blob: how many bytes it has and their sum.
#[derive(Action)]
#[action(id = "keep.read")]
pub struct ReadAction;

impl SimpleAction for ReadAction {
    type Input = Part;
    type Output = (u64, u64);

    async fn execute_simple(&self, input: Part, ctx: &ActionContext) -> Result<(u64, u64)> {
        let bytes = ctx.blobs().read(&input.blob, input.offset, input.len).await?;
        Ok((bytes.len() as u64, bytes.iter().map(|b| u64::from(*b)).sum()))
    }
}

nebula_sdk::export!(CountAction, FailAction, WriteAction, ReadAction);

#[cfg(test)]
mod tests {
    use super::*;

    fn output(ctx: &ActionContext, input: Value) -> Value {
        match ctx.run::<CountAction>(&input).expect("counts") {
            ProcessResult::Success(output) => output,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn counts_on_from_what_is_kept() {
        let ctx = ActionContext::for_test().with_state(&41_u64);
        assert_eq!(output(&ctx, json!({})), 42);
        assert_eq!(output(&ctx, json!({})), 43);
        assert_eq!(output(&ctx, json!({ "key": "other" })), 1);
    }

    #[test]
    fn a_blob_that_was_written_is_read() {
        let ctx = ActionContext::for_test();
        let Ok(ProcessResult::Success(blob)) = ctx.run::<WriteAction>(&json!({ "size": 700_000 })) else {
            panic!("it is written");
        };
        let part = json!({ "blob": blob, "offset": 699_999, "len": 10 });
        let read = ctx.run::<ReadAction>(&part).expect("it is read");
        assert_eq!(read, ProcessResult::Success(json!([1, 699_999 % 251])));
    }
}
