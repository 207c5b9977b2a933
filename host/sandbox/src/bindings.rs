//! What `wit/action.wit` says, as Rust. `wasi:http` is left out: its bindings
//! come with `wasmtime-wasi-http`.

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package nebula:host;
        world cell {
            import nebula:action/context@0.1.0;
            import nebula:action/log@0.1.0;
            import nebula:action/credentials@0.1.0;
            import nebula:action/blobs@0.1.0;
            import nebula:action/state@0.1.0;
            import nebula:action/resources@0.1.0;
            export nebula:action/actions@0.1.0;
        }
    ",
    world: "nebula:host/cell",
    imports: {
        "nebula:action/blobs.size": async | trappable,
        "nebula:action/blobs.read": async | trappable,
        "nebula:action/blobs.[method]writer.write": async | trappable,
        "nebula:action/blobs.[static]writer.finish": async | trappable,
        "nebula:action/state.get": async | trappable,
        "nebula:action/state.set": async | trappable,
        "nebula:action/resources.[method]sql.query": async | trappable,
        "nebula:action/resources.[method]sql.execute": async | trappable,
        "nebula:action/resources.[method]rows.next": async | trappable,
        "nebula:action/resources.[method]smtp.send": async | trappable,
        "nebula:action/resources.[method]kv.get": async | trappable,
        "nebula:action/resources.[method]kv.set": async | trappable,
        "nebula:action/resources.[method]kv.delete": async | trappable,
        "nebula:action/resources.[method]kv.increment": async | trappable,
        "nebula:action/resources.[method]kv.list": async | trappable,
        default: trappable,
    },
    with: {
        "nebula:action/blobs.writer": crate::host::blobs::Draft,
        "nebula:action/resources.sql": crate::host::resources::Database,
        "nebula:action/resources.rows": crate::resources::Rows,
        "nebula:action/resources.smtp": crate::host::resources::smtp::MailServer,
        "nebula:action/resources.kv": crate::host::resources::kv::Values,
    },
    exports: { default: async },
});
