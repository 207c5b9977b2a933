//! The components in `components/`: how each must end, and that none is
//! forgotten. A line here without its file does not build; a file without its
//! line fails the last test.

use std::collections::BTreeSet;
use std::sync::Arc;

use nebula_flow::component::{Component, Verified};
use nebula_flow::event::FailureKind::{
    FuelExhausted, InvalidOutput, MemoryLimit, Permanent, TimedOut, Trapped,
};
use nebula_flow::grant::{Capabilities, Grant};
use nebula_flow::id::ActionId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::arena::Budget::{Fuel, Time};
use crate::arena::Ends::{Answers, Fails, Refused};
use crate::arena::{self, Budget, Ends};
use crate::guest::Guest;

/// One test for each component.
macro_rules! attacks {
    ($($name:ident: $budget:expr, $ends:expr;)*) => {
        /// The attacks that are tested.
        const TESTED: &[&str] = &[$(stringify!($name)),*];

        $(
            #[test]
            fn $name() {
                let text = include_str!(concat!("components/", stringify!($name), ".wat"));
                attack(stringify!($name), text, $budget, $ends);
            }
        )*
    };
}

const BROKEN: &str = "broke its contract";
const OUT_OF_FUEL: Ends = Fails(FuelExhausted, "fuel exhausted after 20,000,000");
const OUT_OF_TIME: Ends = Fails(TimedOut, "deadline 200 ms passed");
const OUT_OF_HANDLES: Ends = Fails(MemoryLimit, "limit of 1,024 handles reached");

attacks! {
    // Time and fuel.
    endless_loop: Fuel, OUT_OF_FUEL;
    loop_of_free_instructions: Time, OUT_OF_TIME;
    long_instructions: Time, OUT_OF_TIME;
    sleeps_for_ever: Time, OUT_OF_TIME;
    sleeps_again: Time, OUT_OF_TIME;
    flood_by_time: Time, OUT_OF_TIME;
    // Memory, tables, recursion.
    memory_bomb: Fuel, Fails(MemoryLimit, "memory limit 64 MiB reached");
    memory_asked_for_again: Fuel, OUT_OF_FUEL;
    touches_every_page: Time, OUT_OF_TIME;
    table_bomb: Fuel, Fails(MemoryLimit, "table limit 100,000 elements reached");
    table_of_two_billion: Fuel, OUT_OF_FUEL;
    table_filled_again: Fuel, OUT_OF_FUEL;
    recursion_in_code: Fuel, Fails(Trapped, "call stack exhausted");
    recursion_through_a_table: Fuel, Fails(Trapped, "call stack exhausted");
    recursion_in_data: Fuel, Fails(InvalidOutput, "at most 128 levels");
    // Results.
    array_that_lies: Fuel, Fails(InvalidOutput, "cannot be used");
    four_million_items: Fuel, Fails(InvalidOutput, "at most 1000000 are allowed");
    huge_result: Fuel, Fails(InvalidOutput, "more than 4 MiB");
    result_over_its_cap: Fuel, Fails(InvalidOutput, "at most 4194304 are allowed");
    result_of_two_gib: Fuel, Fails(InvalidOutput, BROKEN);
    result_at_the_end_of_memory: Fuel, Fails(InvalidOutput, BROKEN);
    result_that_is_no_case: Fuel, Fails(InvalidOutput, BROKEN);
    result_nowhere: Fuel, Fails(InvalidOutput, BROKEN);
    text_that_is_no_text: Fuel, Fails(InvalidOutput, BROKEN);
    error_of_four_mib: Fuel, Fails(Permanent, "xxxxxxxx");
    // Logs and outputs.
    flood_of_lines: Fuel, OUT_OF_FUEL;
    flood_of_long_lines: Fuel, OUT_OF_FUEL;
    line_of_four_mib: Fuel, Answers(0);
    empty_writes: Fuel, OUT_OF_FUEL;
    writes_more_than_permitted: Fuel, Fails(InvalidOutput, "than were permitted");
    controls_in_a_line: Fuel, Answers(0);
    // Host calls and handles.
    flood_of_clock_readings: Fuel, OUT_OF_FUEL;
    flood_of_random_bytes: Fuel, OUT_OF_FUEL;
    too_many_random_bytes: Fuel, Fails(InvalidOutput, "at most 65,536 are allowed");
    flood_of_timers: Fuel, OUT_OF_FUEL;
    flood_of_pollables: Fuel, OUT_OF_FUEL;
    same_pollable_too_often: Fuel, Fails(InvalidOutput, "more than 4 MiB at once");
    polls_nothing: Fuel, Fails(InvalidOutput, "empty poll list");
    leaked_handles: Fuel, OUT_OF_HANDLES;
    leaked_headers: Fuel, OUT_OF_HANDLES;
    dropped_handle: Fuel, Fails(InvalidOutput, BROKEN);
    handle_dropped_twice: Fuel, Fails(InvalidOutput, BROKEN);
    handle_of_nobody: Fuel, Fails(InvalidOutput, BROKEN);
    handle_of_another_kind: Fuel, Fails(InvalidOutput, BROKEN);
    // What is not theirs.
    asks_for_files: Fuel, Refused("imports `wasi:filesystem/preopens@0.2.6`");
    asks_for_sockets: Fuel, Refused("imports `wasi:sockets/instance-network@0.2.6`");
    asks_for_the_undeclared: Fuel, Refused("imports `other:host/secrets@1.0.0`");
    asks_for_the_environment: Fuel, Answers(0);
    asks_for_anothers_credential: Fuel, Answers(0);
    // Before they are called, and in the middle of a host call.
    works_while_it_begins: Fuel, Refused("fuel exhausted after 100,000,000");
    takes_memory_while_it_begins: Fuel, Refused("memory limit 32 MiB reached");
    calls_the_host_while_it_begins: Fuel, Refused("fuel exhausted after 100,000,000");
    traps: Fuel, Fails(Trapped, "unreachable");
    divides_by_zero: Fuel, Fails(Trapped, "divide by zero");
    reads_outside_its_memory: Fuel, Fails(Trapped, "out of bounds");
    exits: Fuel, Fails(Trapped, "it called exit(0) instead of answering");
    traps_inside_a_host_call: Fuel, Fails(MemoryLimit, "memory limit 64 MiB reached");
    allocator_that_lies: Fuel, Fails(InvalidOutput, BROKEN);
    // The network.
    endless_response: Fuel, Answers(1);
    silent_server: Time, OUT_OF_TIME;
    header_tricks: Fuel, Answers(0);
    flood_of_headers: Fuel, Fails(InvalidOutput, BROKEN);
}

fn component(text: &str) -> Verified<Component> {
    Guest::new("(call $attack)").with(text).build()
}

fn attack(name: &'static str, text: &str, budget: Budget, ends: Ends) {
    let mut call = arena::of("offender", &component(text), budget.limits());
    // One server for all that ask for one, on a runtime that outlives the attack.
    let server = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        // It stands for another machine: this one's processors are not for it.
        .on_thread_start(|| rustix::process::nice(19).map_or((), drop))
        .build()
        .expect("a runtime");
    if text.contains("$send") {
        let endless = name == "endless_response";
        let listener = server.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a port");
        let at = format!("http://{}", listener.local_addr().expect("an address"));
        server.spawn(serve(listener, endless));
        call.capabilities = Arc::new(Capabilities {
            hosts: vec![Grant {
                action: ActionId::new("test.run").expect("an id"),
                host: "api.test".into(),
                at: Some(at),
                schemes: vec!["http".into(), "https".into()],
                methods: vec![],
            }],
            ..Capabilities::default()
        });
    }
    arena::attack(name, call, ends);
    server.shutdown_background();
}

/// A server that never ends its answer, or never begins it.
async fn serve(listener: TcpListener, endless: bool) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, endless));
    }
}

async fn answer(mut stream: TcpStream, endless: bool) {
    let mut head = [0; 1_024];
    let _ = stream.read(&mut head).await;
    if !endless {
        // Until the client goes away.
        while stream.read(&mut head).await.is_ok_and(|n| n > 0) {}
        return;
    }
    let begin = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 65_536], b"\r\n"].concat();
    let mut sent = stream.write_all(begin).await;
    while sent.is_ok() {
        sent = stream.write_all(&chunk).await;
    }
}

#[test]
fn controls_of_a_line_reach_nobody() {
    let component = component(include_str!("components/controls_in_a_line.wat"));
    let report = arena::on_two_workers(async {
        let arena = arena::Arena::open().await;
        let call = arena::of("offender", &component, Fuel.limits());
        nebula_flow::ports::Runner::run(&arena.sandbox, call).await
    });
    assert_eq!(report.lines.len(), 1);
    let line = &report.lines[0].1;
    assert!(!line.contains(char::is_control), "{line:?}");
    assert!(line.starts_with("one") && line.ends_with("two"), "{line:?}");
}

#[test]
fn every_component_of_the_folder_is_tested() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile/components");
    let there: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").path())
        .map(|path| {
            let name = path.file_stem().and_then(|name| name.to_str());
            name.expect("a name").to_owned()
        })
        .collect();
    let tested: BTreeSet<String> = TESTED.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(there, tested);
}
