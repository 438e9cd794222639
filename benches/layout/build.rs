//! Has the linker put the functions that a plain session runs side by side (`plain.ld`): they lie all over the program
//! otherwise, and since the system maps a file's pages in large pieces, most of it would count as memory in use.
//!
//! It changes where functions stand, and nothing else: where it is not certain that the linker is LLD, it is left out.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=benches/layout");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let folder = env::var("CARGO_MANIFEST_DIR").expect("cargo says where the project is");
    // A comma parts the linker's options.
    if is("TARGET", "x86_64-unknown-linux-gnu") && is("PROFILE", "release") && links_with_lld() && !folder.contains(',')
    {
        println!("cargo::rustc-link-arg-bin=mailrun=-Wl,-T,{folder}/benches/layout/plain.ld");
    }
}

/// rustc brings LLD along, and uses it for this target where nobody asks for another linker.
fn links_with_lld() -> bool {
    let asked = env::var_os("RUSTC_LINKER").is_some()
        || env::var("CARGO_ENCODED_RUSTFLAGS").is_ok_and(|flags| flags.contains("link"));
    let rustc = env::var_os("RUSTC").expect("cargo says which rustc it is");
    let Ok(out) = Command::new(rustc).args(["--print", "sysroot"]).output() else { return false };
    let sysroot = String::from_utf8_lossy(&out.stdout);
    let brought = "lib/rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld/ld.lld";
    !asked && Path::new(sysroot.trim()).join(brought).exists()
}
