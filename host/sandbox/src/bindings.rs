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
            export nebula:action/actions@0.1.0;
        }
    ",
    world: "nebula:host/cell",
    imports: { default: trappable },
    exports: { default: async },
});
