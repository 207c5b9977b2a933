//! Generated from `wit/`.

#![allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated"
)]
#![allow(clippy::allow_attributes_without_reason, reason = "generated")]

wit_bindgen::generate!({
    path: "../../wit",
    world: "nebula:action/action",
    generate_all,
    std_feature,
    pub_export_macro: true,
    export_macro_name: "export_component",
});
