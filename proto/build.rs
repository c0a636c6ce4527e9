//! Compiles the protobuf schema with a pure-Rust compiler, so that no `protoc` is needed, and takes the creation code
//! of the two contracts whose addresses nodes compute out of the committed artifacts.

#![allow(clippy::disallowed_methods, reason = "a build script reads files and environment")]

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=schema");
    let descriptors = protox::compile(["firn.proto", "journal.proto"], ["schema"])?;
    prost_build::Config::new().compile_fds(descriptors)?;

    let out = env::var("OUT_DIR")?;
    for contract in ["FrostVerifier", "FrostAccount"] {
        let artifact = format!("../contracts/artifacts/{contract}.json");
        println!("cargo:rerun-if-changed={artifact}");
        let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(&artifact)?)?;
        let code = json.get("bytecode").and_then(|code| code.as_str()).ok_or("artifact without bytecode")?;
        fs::write(Path::new(&out).join(format!("{contract}.bin")), hex::decode(code.trim_start_matches("0x"))?)?;
    }
    Ok(())
}
