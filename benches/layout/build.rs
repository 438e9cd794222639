//! Has the linker put the functions that a plain session runs side by side (`plain.ld`): they lie all over the program
//! otherwise, and since the system maps a file's pages in large pieces, most of it would count as memory in use.
//!
//! It changes where functions stand, and nothing else: where a linker may not read GNU's scripts, it is left out.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=benches/layout");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let known = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ARCH", "x86_64");
    let own_linker = env::var_os("RUSTC_LINKER").is_some()
        || env::var("CARGO_ENCODED_RUSTFLAGS").is_ok_and(|flags| flags.contains("link"));
    if known && is("CARGO_CFG_TARGET_ENV", "gnu") && is("PROFILE", "release") && !own_linker {
        let folder = env::var("CARGO_MANIFEST_DIR").expect("cargo says where the project is");
        println!("cargo::rustc-link-arg-bin=mailrun={folder}/benches/layout/plain.ld");
    }
}
