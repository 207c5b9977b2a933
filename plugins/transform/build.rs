//! Writes `definitions.rs`: the functions of jq that jaq writes in jq, as
//! `DEFINITIONS`. Their texts are printed from jaq's syntax trees.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

#[path = "src/jq/library/definitions.rs"]
mod definitions;
#[path = "src/jq/library/print.rs"]
mod print;

fn main() -> Result<(), Box<dyn Error>> {
    for source in ["build.rs", "src/jq/library"] {
        println!("cargo::rerun-if-changed={source}");
    }
    let mut table = String::from(
        "/// Name, without the `@` of a format, and text. Each refers only to itself and\n\
         /// to those before it.\n\
         static DEFINITIONS: &[(&str, &str)] = &[\n",
    );
    for def in definitions::kept() {
        let name = def.name.trim_start_matches('@');
        writeln!(table, "    ({name:?}, {:?}),", print::definition(&def))?;
    }
    table.push_str("];\n");
    let out = env::var_os("OUT_DIR").ok_or("cargo sets no OUT_DIR")?;
    fs::write(Path::new(&out).join("definitions.rs"), table)?;
    Ok(())
}
