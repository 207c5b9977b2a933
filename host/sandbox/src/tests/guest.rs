//! Small components, written as text: a core module with the imports that its
//! code names, lifted by the same encoder that Rust guests go through.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nebula_flow::component::{Component, Origin, Verified};
use nebula_flow::id::{ActionId, ExecutionId, NodeId, StepKey, TenantId, WorkflowName};
use nebula_flow::ports::{Call, Identity, Limits, Outcome, Report};
use nebula_flow::{Timestamp, Value};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Interfaces that the tests call and that `wit/deps` does not have.
const MORE_WIT: [(&str, &str); 5] = [
    (
        "random.wit",
        "package wasi:random@0.2.6;
         interface random { get-random-bytes: func(len: u64) -> list<u8>; get-random-u64: func() -> u64; }
         interface insecure-seed { insecure-seed: func() -> tuple<u64, u64>; }",
    ),
    (
        "cli.wit",
        "package wasi:cli@0.2.6;
         interface exit { exit: func(status: result); }
         interface environment { get-environment: func() -> list<tuple<string, string>>; }
         interface stdout { use wasi:io/streams@0.2.6.{output-stream}; get-stdout: func() -> output-stream; }
         interface stderr { use wasi:io/streams@0.2.6.{output-stream}; get-stderr: func() -> output-stream; }",
    ),
    (
        "sockets.wit",
        "package wasi:sockets@0.2.6; interface instance-network { instance-network: func() -> u32; }",
    ),
    (
        "other.wit",
        "package other:host@1.0.0; interface secrets { all: func() -> u32; }",
    ),
    (
        "filesystem.wit",
        "package wasi:filesystem@0.2.6; interface preopens { get-directories: func() -> u32; }",
    ),
];

const WORLD: &str = "package nebula:test;
    world guest {
        import nebula:action/context@0.1.0;
        import nebula:action/log@0.1.0;
        import nebula:action/credentials@0.1.0;
        import nebula:action/resources@0.1.0;
        import wasi:http/outgoing-handler@0.2.6;
        import wasi:io/poll@0.2.6;
        import wasi:io/streams@0.2.6;
        import wasi:clocks/monotonic-clock@0.2.6;
        import wasi:clocks/wall-clock@0.2.6;
        import wasi:random/random@0.2.6;
        import wasi:random/insecure-seed@0.2.6;
        import wasi:cli/exit@0.2.6;
        import wasi:cli/stdout@0.2.6;
        import wasi:cli/stderr@0.2.6;
        import wasi:cli/environment@0.2.6;
        import wasi:filesystem/preopens@0.2.6;
        import wasi:sockets/instance-network@0.2.6;
        import other:host/secrets@1.0.0;
        export nebula:action/actions@0.1.0;
    }";

/// Functions that a guest's code may call; only those it names are imported.
const IMPORTS: [(&str, &str, &str, &str); 50] = [
    (
        "$identity",
        "nebula:action/context@0.1.0",
        "identity",
        "(param i32)",
    ),
    (
        "$idempotency_key",
        "nebula:action/context@0.1.0",
        "idempotency-key",
        "(param i32 i32 i32)",
    ),
    (
        "$deadline",
        "nebula:action/context@0.1.0",
        "deadline",
        "(param i32)",
    ),
    (
        "$cancelled",
        "nebula:action/context@0.1.0",
        "cancelled",
        "(result i32)",
    ),
    ("$beat", "nebula:action/context@0.1.0", "heartbeat", ""),
    (
        "$resumed",
        "nebula:action/context@0.1.0",
        "resumed",
        "(param i32)",
    ),
    (
        "$log",
        "nebula:action/log@0.1.0",
        "write",
        "(param i32 i32 i32)",
    ),
    (
        "$measure",
        "nebula:action/log@0.1.0",
        "measure",
        "(param i32 i32 f64)",
    ),
    (
        "$credential",
        "nebula:action/credentials@0.1.0",
        "get",
        "(param i32 i32 i32)",
    ),
    (
        "$sql_open",
        "nebula:action/resources@0.1.0",
        "[static]sql.open",
        "(param i32 i32 i32)",
    ),
    (
        "$sql_query",
        "nebula:action/resources@0.1.0",
        "[method]sql.query",
        "(param i32 i32 i32 i32 i32 i32)",
    ),
    (
        "$smtp_open",
        "nebula:action/resources@0.1.0",
        "[static]smtp.open",
        "(param i32 i32 i32)",
    ),
    (
        "$kv_open",
        "nebula:action/resources@0.1.0",
        "[static]kv.open",
        "(param i32 i32 i32)",
    ),
    ("$poll", "wasi:io/poll@0.2.6", "poll", "(param i32 i32 i32)"),
    (
        "$block",
        "wasi:io/poll@0.2.6",
        "[method]pollable.block",
        "(param i32)",
    ),
    (
        "$ready",
        "wasi:io/poll@0.2.6",
        "[method]pollable.ready",
        "(param i32) (result i32)",
    ),
    (
        "$mono_now",
        "wasi:clocks/monotonic-clock@0.2.6",
        "now",
        "(result i64)",
    ),
    (
        "$timer",
        "wasi:clocks/monotonic-clock@0.2.6",
        "subscribe-duration",
        "(param i64) (result i32)",
    ),
    (
        "$wall_now",
        "wasi:clocks/wall-clock@0.2.6",
        "now",
        "(param i32)",
    ),
    (
        "$random",
        "wasi:random/random@0.2.6",
        "get-random-u64",
        "(result i64)",
    ),
    (
        "$random_bytes",
        "wasi:random/random@0.2.6",
        "get-random-bytes",
        "(param i64 i32)",
    ),
    (
        "$insecure_seed",
        "wasi:random/insecure-seed@0.2.6",
        "insecure-seed",
        "(param i32)",
    ),
    ("$exit", "wasi:cli/exit@0.2.6", "exit", "(param i32)"),
    (
        "$stdout",
        "wasi:cli/stdout@0.2.6",
        "get-stdout",
        "(result i32)",
    ),
    (
        "$stderr",
        "wasi:cli/stderr@0.2.6",
        "get-stderr",
        "(result i32)",
    ),
    (
        "$print",
        "wasi:io/streams@0.2.6",
        "[method]output-stream.blocking-write-and-flush",
        "(param i32 i32 i32 i32)",
    ),
    (
        "$directories",
        "wasi:filesystem/preopens@0.2.6",
        "get-directories",
        "(result i32)",
    ),
    (
        "$fields",
        "wasi:http/types@0.2.6",
        "[constructor]fields",
        "(result i32)",
    ),
    (
        "$append",
        "wasi:http/types@0.2.6",
        "[method]fields.append",
        "(param i32 i32 i32 i32 i32 i32)",
    ),
    (
        "$request",
        "wasi:http/types@0.2.6",
        "[constructor]outgoing-request",
        "(param i32) (result i32)",
    ),
    (
        "$set_scheme",
        "wasi:http/types@0.2.6",
        "[method]outgoing-request.set-scheme",
        "(param i32 i32 i32 i32 i32) (result i32)",
    ),
    (
        "$set_authority",
        "wasi:http/types@0.2.6",
        "[method]outgoing-request.set-authority",
        "(param i32 i32 i32 i32) (result i32)",
    ),
    (
        "$set_path",
        "wasi:http/types@0.2.6",
        "[method]outgoing-request.set-path-with-query",
        "(param i32 i32 i32 i32) (result i32)",
    ),
    (
        "$handle",
        "wasi:http/outgoing-handler@0.2.6",
        "handle",
        "(param i32 i32 i32 i32)",
    ),
    (
        "$subscribe_response",
        "wasi:http/types@0.2.6",
        "[method]future-incoming-response.subscribe",
        "(param i32) (result i32)",
    ),
    (
        "$response",
        "wasi:http/types@0.2.6",
        "[method]future-incoming-response.get",
        "(param i32 i32)",
    ),
    (
        "$status",
        "wasi:http/types@0.2.6",
        "[method]incoming-response.status",
        "(param i32) (result i32)",
    ),
    (
        "$drop_request",
        "wasi:http/types@0.2.6",
        "[resource-drop]outgoing-request",
        "(param i32)",
    ),
    (
        "$environment",
        "wasi:cli/environment@0.2.6",
        "get-environment",
        "(param i32)",
    ),
    (
        "$network",
        "wasi:sockets/instance-network@0.2.6",
        "instance-network",
        "(result i32)",
    ),
    (
        "$secrets",
        "other:host/secrets@1.0.0",
        "all",
        "(result i32)",
    ),
    (
        "$check_write",
        "wasi:io/streams@0.2.6",
        "[method]output-stream.check-write",
        "(param i32 i32)",
    ),
    (
        "$write",
        "wasi:io/streams@0.2.6",
        "[method]output-stream.write",
        "(param i32 i32 i32 i32)",
    ),
    (
        "$skip",
        "wasi:io/streams@0.2.6",
        "[method]input-stream.blocking-skip",
        "(param i32 i64 i32)",
    ),
    (
        "$request_body",
        "wasi:http/types@0.2.6",
        "[method]outgoing-request.body",
        "(param i32 i32)",
    ),
    (
        "$body_writer",
        "wasi:http/types@0.2.6",
        "[method]outgoing-body.write",
        "(param i32 i32)",
    ),
    (
        "$consume",
        "wasi:http/types@0.2.6",
        "[method]incoming-response.consume",
        "(param i32 i32)",
    ),
    (
        "$body_stream",
        "wasi:http/types@0.2.6",
        "[method]incoming-body.stream",
        "(param i32 i32)",
    ),
    (
        "$set_method",
        "wasi:http/types@0.2.6",
        "[method]outgoing-request.set-method",
        "(param i32 i32 i32 i32) (result i32)",
    ),
    (
        "$drop_poll",
        "wasi:io/poll@0.2.6",
        "[resource-drop]pollable",
        "(param i32)",
    ),
];

/// The contract's folder; two rooms build guests from this file.
fn wit() -> PathBuf {
    let room = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = room
        .ancestors()
        .find(|a| a.join("wit/action.wit").is_file());
    root.expect("the rooms stand below the root").join("wit")
}

/// Where the description lies in the guest's memory.
const DESCRIPTION: u32 = 8_192;

/// A guest to be built.
#[derive(Clone)]
pub(crate) struct Guest {
    /// Of `execute`: `$action`, `$action_len`, `$input`, `$input_len` are its
    /// parameters, the result is where its answer lies.
    pub(crate) execute: String,
    /// Further fields of the module.
    pub(crate) module: String,
    /// Runs before `describe` answers.
    pub(crate) describe: String,
    /// Pages that the memory begins with.
    pub(crate) pages: u32,
    pub(crate) credentials: Vec<&'static str>,
    /// Of the input.
    pub(crate) schema: &'static str,
}

impl Guest {
    /// A guest whose action does this.
    pub(crate) fn new(execute: impl Into<String>) -> Self {
        Self {
            execute: execute.into(),
            module: String::new(),
            describe: String::new(),
            pages: 1,
            credentials: vec!["key"],
            schema: "true",
        }
    }

    /// A guest that answers with the number its code leaves on the stack.
    pub(crate) fn number(code: &str) -> Self {
        Self::new(format!("(call $number {code})"))
    }

    /// The same with further fields in its module.
    pub(crate) fn with(mut self, module: &str) -> Self {
        self.module.push_str(module);
        self
    }

    /// The component of the action `test.run`.
    pub(crate) fn build(&self) -> Verified<Component> {
        Verified::vouch(Component::new(self.bytes()), Origin::Local)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut module = wat::parse_str(self.text()).expect("the guest's text parses");
        let mut resolve = Resolve::default();
        resolve.push_dir(wit()).expect("wit/ parses");
        for (name, text) in MORE_WIT {
            resolve.push_str(name, text).expect("the interfaces parse");
        }
        let package = resolve
            .push_str("test.wit", WORLD)
            .expect("the world parses");
        let world = resolve
            .select_world(&[package], Some("guest"))
            .expect("the world is there");
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
            .expect("embeds");
        let mut encoder = ComponentEncoder::default()
            .validate(true)
            .module(&module)
            .expect("a module of the world");
        encoder.encode().expect("encodes")
    }

    fn text(&self) -> String {
        let code = format!("{} {} {}", self.execute, self.module, self.describe);
        let mut imports = String::new();
        for (name, module, function, ty) in IMPORTS {
            if code
                .split(|c: char| c != '$' && c != '_' && !c.is_ascii_alphanumeric())
                .any(|word| word == name)
            {
                writeln!(
                    imports,
                    "(import {module:?} {function:?} (func {name} {ty}))"
                )
                .expect("writes");
            }
        }
        let (list, data) = describe_as(&self.credentials, self.schema);
        let Self {
            execute,
            module,
            describe,
            pages,
            ..
        } = self;
        format!(
            r#"(module
            {imports}
            (memory (export "memory") {pages})
            (data (i32.const {DESCRIPTION}) "{data}")
            (data (i32.const 512) "key authorization api.test / hello\n")
            (global $heap (mut i32) (i32.const 32768))
            (global $calls (mut i64) (i64.const 0))
            {HELPERS}
            (func (export "nebula:action/actions@0.1.0#describe") (result i32) {describe} (i32.const {list}))
            (func (export "nebula:action/actions@0.1.0#execute")
                (param $action i32) (param $action_len i32) (param $input i32) (param $input_len i32) (result i32)
                (local $a i32) (local $b i32) (local $n i64)
                {execute})
            {module})"#
        )
    }
}

/// What every guest has: an allocator that never frees, and answers.
const HELPERS: &str = r#"
(func $realloc (export "cabi_realloc") (param $old i32) (param $old_len i32) (param $align i32) (param $len i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
    (global.set $heap (i32.add (local.get $at) (local.get $len)))
    (block $fits
        (br_if $fits (i32.le_u (global.get $heap) (i32.shl (memory.size) (i32.const 16))))
        (br_if $fits (i32.ne (i32.const -1) (memory.grow
            (i32.sub (i32.add (i32.shr_u (global.get $heap) (i32.const 16)) (i32.const 1)) (memory.size)))))
        unreachable)
    (local.get $at))
;; Success with these bytes.
(func $bytes (param $at i32) (param $len i32) (result i32)
    (i64.store (i32.const 2048) (i64.const 0))
    (i64.store (i32.const 2056) (i64.const 0))
    (i32.store (i32.const 2064) (local.get $at))
    (i32.store (i32.const 2068) (local.get $len))
    (i32.const 2048))
;; Success with a number, as MessagePack.
(func $number (param $n i64) (result i32)
    (local $i i32)
    (i32.store8 (i32.const 1024) (i32.const 0xcf))
    (loop $next
        (i32.store8 (i32.add (i32.const 1025) (local.get $i))
            (i32.wrap_i64 (i64.shr_u (local.get $n) (i64.extend_i32_u (i32.sub (i32.const 56) (i32.shl (local.get $i) (i32.const 3)))))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $i) (i32.const 8))))
    (call $bytes (i32.const 1024) (i32.const 9)))
;; A guest error of this case, with `hello` as its message.
(func $error (param $case i32) (result i32)
    (i64.store (i32.const 2048) (i64.const 1))
    (i32.store (i32.const 2056) (local.get $case))
    (i32.store (i32.const 2064) (i32.const 541))
    (i32.store (i32.const 2068) (i32.const 5))
    (i32.store (i32.const 2072) (i32.const 1))
    (i64.store (i32.const 2080) (i64.const 1500))
    (i32.const 2048))
"#;

/// The description as the guest's memory has it, and where its list lies.
fn describe_as(credentials: &[&str], schema: &str) -> (u32, String) {
    let mut texts = Vec::new();
    let mut text = |s: &str| {
        let at = DESCRIPTION + u32::try_from(texts.len()).expect("small");
        texts.extend_from_slice(s.as_bytes());
        [at, u32::try_from(s.len()).expect("small")]
    };
    let mut record: Vec<u32> = Vec::new();
    for field in [
        "test.run", "Run", "1.0.0", "A test.", "test", schema, "true",
    ] {
        record.extend(text(field));
    }
    let names: Vec<u32> = credentials.iter().flat_map(|name| text(name)).collect();
    texts.resize(texts.len().next_multiple_of(8), 0);
    let words_at = DESCRIPTION + u32::try_from(texts.len()).expect("small");
    // The list, its one record, then the names that the record points at.
    let names_at = words_at + 8 + 4 * 18;
    record.extend([
        names_at,
        u32::try_from(credentials.len()).expect("small"),
        0,
        0,
    ]);
    let words = [words_at + 8, 1].into_iter().chain(record).chain(names);
    texts.extend(words.flat_map(u32::to_le_bytes));
    let data = texts.iter().map(|byte| format!("\\{byte:02x}")).collect();
    (words_at, data)
}

/// A call of `test.run` with these limits, on node `n`.
pub(crate) fn call(component: &Verified<Component>, limits: Limits) -> Call {
    Call {
        tenant: TenantId::default_tenant(),
        component: component.clone(),
        action: ActionId::new("test.run").expect("an id"),
        input: vec![0xc0].into(),
        identity: Identity {
            workflow: WorkflowName::new("flow").expect("a name"),
            execution: ExecutionId::from_u128(7),
            step: StepKey::root(NodeId::new("n").expect("an id")),
            attempt: 1,
            restarts: 0,
        },
        ready_at: Timestamp::from_millis(1_700_000_000_000),
        resumption: None,
        limits,
        capabilities: Arc::default(),
        pulse: Arc::default(),
    }
}

/// Generous limits, but for the time.
pub(crate) fn limits() -> Limits {
    Limits {
        fuel: 1_000_000_000,
        memory_bytes: 64 << 20,
        timeout: Duration::from_secs(60),
    }
}

/// The output that the report has.
pub(crate) fn output(report: &Report) -> Value {
    match &report.result {
        Ok(Outcome::Success(bytes)) => nebula_flow::payload::decode(bytes).expect("a payload"),
        other => panic!("no output: {other:?} {:?}", report.lines),
    }
}
