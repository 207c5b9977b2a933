use std::os::unix::fs::PermissionsExt;

use http::Method;
use http_body_util::BodyExt;
use nebula_flow::{Value, json};

use super::house::House;
use crate::{BuildError, Config, build, embedded};

#[tokio::test]
async fn an_address_that_is_not_loopback_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for address in ["0.0.0.0:0", "192.0.2.1:7300", "[::]:0"] {
        let config = Config::dev(folder.path()).with_listen(address.parse().expect("an address"));
        let refused = build(config).await.err().expect("is refused");
        assert!(matches!(refused, BuildError::Open(_)), "{refused}");
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).expect("reads").count(),
        0,
        "nothing was opened"
    );
}

#[tokio::test]
async fn a_node_leaves_its_address_while_it_runs_and_gives_the_folder_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let running = build(Config::dev(&data).with_port(0))
        .await
        .expect("is put together")
        .spawn();
    let file = data.join("node.json");
    let node: Value =
        serde_json::from_slice(&std::fs::read(&file).expect("is there")).expect("JSON");
    assert_eq!(node["address"], format!("http://{}", running.address()));
    assert_eq!(node["pid"], std::process::id());
    let mode = |path: &std::path::Path| {
        std::fs::metadata(path)
            .expect("is there")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode(&data), mode(&data.join("node.key"))), (0o700, 0o600));

    let second = build(Config::dev(&data).with_port(0))
        .await
        .err()
        .expect("the folder is taken");
    assert!(matches!(second, BuildError::Storage(_)), "{second}");
    running.drain().await;
    assert!(!file.exists());
    embedded(&data).await.expect("the folder is free again");
}

#[tokio::test]
async fn a_drain_ends_streams_and_waits_and_then_the_node() {
    let house = House::new().await;
    house.deploy("w", "test.block").await;
    let started = house
        .post("/workflows/w/execute", &json!(1))
        .await
        .expect(202);
    let id = started["id"].as_str().expect("an id");
    let stream = house
        .open(
            house.request(Method::GET, &format!("/executions/{id}/events/stream")),
            "",
        )
        .await;
    let mut body = stream.into_body();
    body.frame().await.expect("a frame").expect("events");
    let folder = house.folder;
    house.running.drain().await;
    body.collect().await.expect("the stream ended in order");
    assert!(!folder.path().join("node.json").exists());
}
