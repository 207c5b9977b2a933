extern crate std;

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use miniz_oxide::deflate::compress_to_vec;
use nebula_sdk::prelude::*;
use proptest::prelude::*;
use rawzip::path::EntryPath;
use rawzip::time::UtcDateTime;
use rawzip::{CompressionMethod, ZipArchiveWriter};

use crate::{List, Read};

/// An archive of files: path, content, and whether it is compressed.
fn archive(files: &[(&str, &[u8], bool)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = ZipArchiveWriter::new(&mut bytes);
    for (path, content, deflate) in files {
        let method = if *deflate {
            CompressionMethod::DEFLATE
        } else {
            CompressionMethod::STORE
        };
        // As it is, `..` and all.
        let (mut entry, config) = archive
            .new_file(EntryPath::verbatim(path.as_bytes()))
            .compression_method(method)
            .last_modified(UtcDateTime::from_unix(1_700_000_000))
            .start()
            .expect("starts");
        let mut data = config.wrap(Vec::new());
        data.write_all(content).expect("counts");
        let (plain, descriptor) = data.finish().expect("finishes");
        let written = if *deflate {
            compress_to_vec(&plain, 6)
        } else {
            plain
        };
        entry.write_all(&written).expect("writes");
        entry.finish(descriptor).expect("finishes");
    }
    archive.finish().expect("finishes");
    bytes
}

fn run<A: ProcessAction>(input: &Value) -> Result<Value> {
    match ActionContext::for_test().run::<A>(input)? {
        ProcessResult::Success(output) => Ok(output),
        other => panic!("{other:?}"),
    }
}

fn list(bytes: &[u8]) -> Result<Value> {
    run::<List>(&json!({ "archive": STANDARD.encode(bytes) }))
}

fn read(bytes: &[u8], path: &str, encoding: &str) -> Result<Value> {
    run::<Read>(&json!({ "archive": STANDARD.encode(bytes), "path": path, "encoding": encoding }))
}

fn refusal(result: Result<Value>) -> String {
    match result {
        Err(ActionError::InvalidInput(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_entries_are_listed_and_read() {
    let long = "tea and pots\n".repeat(1_000);
    let bytes = archive(&[
        ("docs/", b"", false),
        ("docs/a.txt", long.as_bytes(), true),
        ("b.bin", &[0xff, 0, 1], false),
        ("../../etc/passwd", b"x", false),
    ]);
    let listed = list(&bytes).expect("lists");
    assert_eq!(
        (&listed["count"], &listed["size"]),
        (&json!(4), &json!(13_004))
    );
    let entry = &listed["entries"][1];
    assert!(entry["compressed_size"].as_u64() < Some(200), "{entry}");
    let mut entry = entry.clone();
    entry["compressed_size"] = json!(0);
    assert_eq!(
        entry,
        json!({
            "path": "docs/a.txt", "directory": false, "size": 13_000, "compressed_size": 0, "method": "deflate",
            "modified": "2023-11-14T22:13:20Z", "encrypted": false, "safe": true,
        })
    );
    let column = |name: &str| {
        let entries = listed["entries"].as_array().expect("a list");
        entries.iter().map(|e| e[name].clone()).collect::<Vec<_>>()
    };
    assert_eq!(column("directory"), [true, false, false, false]);
    assert_eq!(column("safe"), [true, true, true, false]);

    let read = |path, encoding| read(&bytes, path, encoding).expect("reads");
    assert_eq!(
        read("docs/a.txt", "text"),
        json!({ "content": long, "size": 13_000 })
    );
    assert_eq!(
        read("b.bin", "base64"),
        json!({ "content": "/wAB", "size": 3 })
    );
    let unpadded = STANDARD.encode(&bytes);
    let unpadded = unpadded.trim_end_matches('=');
    assert!(run::<List>(&json!({ "archive": unpadded })).is_ok());
}

#[test]
fn what_cannot_be_read_is_refused_with_the_reason() {
    let bytes = archive(&[
        ("d/", b"", false),
        ("b.bin", &[0xff], false),
        ("twice", b"1", false),
        ("twice", b"2", false),
        ("big", &std::vec![0; 3_000_001], true),
    ]);
    for (path, part) in [
        ("none", "`none` is not in the archive"),
        ("d/", "`d/` is a folder"),
        ("b.bin", "`b.bin` is no text"),
        ("twice", "more than once"),
        ("big", "has 3000001 bytes; at most 3000000"),
    ] {
        let why = refusal(read(&bytes, path, "text"));
        assert!(why.contains(part), "{why}");
    }
    assert!(refusal(list(b"")).contains("not a ZIP archive"));
    assert!(refusal(run::<List>(&json!({ "archive": "%" }))).contains("not base64"));
}

#[test]
fn an_archive_that_lies_is_refused() {
    let good = archive(&[("a", &[b'x'; 1_000], true), ("b", b"stored", false)]);
    // A flipped bit of what is stored, found where it is read.
    let at = good.windows(6).position(|w| w == b"stored").expect("there");
    let mut bad = good.clone();
    bad[at] ^= 1;
    assert!(refusal(read(&bad, "b", "text")).contains("hecksum"));
    assert!(read(&bad, "a", "text").is_ok());

    // The directory states less than there is: nothing beyond it is unpacked.
    let directory = good
        .windows(4)
        .position(|w| w == b"PK\x01\x02")
        .expect("there");
    let mut bomb = good.clone();
    bomb[directory + 24..directory + 28].copy_from_slice(&10_u32.to_le_bytes());
    assert!(refusal(read(&bomb, "a", "text")).starts_with("archive: `a`"));

    // It states another number of entries.
    let end = good.len() - 22;
    for count in [1_u16, 3] {
        let mut other = good.clone();
        other[end + 8..end + 10].copy_from_slice(&count.to_le_bytes());
        other[end + 10..end + 12].copy_from_slice(&count.to_le_bytes());
        assert!(list(&other).is_err(), "{count}");
    }
}

proptest! {
    #[test]
    fn what_was_packed_is_read_again(content: Vec<u8>, deflate: bool) {
        let bytes = archive(&[("f", &content, deflate)]);
        let output = read(&bytes, "f", "base64").expect("reads");
        prop_assert_eq!(&output["content"], &json!(STANDARD.encode(&content)));
    }

    /// Neither random bytes nor an archive with some of them changed.
    #[test]
    fn no_bytes_end_in_a_panic(bytes: Vec<u8>, changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..6)) {
        let _ = list(&bytes);
        let mut changed = archive(&[("a", b"aaaaaaaaaaaaaaaaaaaaaaaaaaaa", true), ("b", b"b", false)]);
        for (at, byte) in changes {
            let at = at % changed.len();
            changed[at] = byte;
        }
        let _ = list(&changed);
        let _ = read(&changed, "a", "text");
        let _ = read(&changed, "b", "base64");
    }
}
