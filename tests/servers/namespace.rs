//! Runs a server whose Debian package is only unpacked: in a mount and process namespace in which `/usr`, `/etc` and `/var`
//! are overlaid with the files of the package. All writes go to the folder of the test.

use crate::fixture::{Process, installed};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// Starts `command` with the files of `package`. The shell script `setup` runs first. Ending the process ends everything
/// in the namespace.
pub fn start(root: &Path, package: &str, setup: &str, command: &str) -> Process {
    let package = installed(package);
    let overlay = root.join("overlay");
    let mut script = String::from("set -e\n");
    for name in ["usr", "etc", "var"] {
        let [upper, work] = ["upper", "work"].map(|kind| overlay.join(kind).join(name));
        let lower = package.join(name);
        for folder in [&upper, &work, &lower] {
            std::fs::create_dir_all(folder).expect("a folder can be made");
        }
        writeln!(
            script,
            "mount -t overlay overlay -o lowerdir={}:/{name},upperdir={},workdir={} /{name}",
            lower.display(),
            upper.display(),
            work.display()
        )
        .expect("writing to a string succeeds");
    }
    script.push_str("mount -t tmpfs tmpfs /run; mkdir -p /run/lock /run/sendmail; mount -t proc proc /proc\n");
    script.push_str("ldconfig 2>/dev/null || true\n");
    script.push_str(setup);
    writeln!(script, "\n{command} &\nwait $!").expect("writing to a string succeeds");
    let path = root.join("enter.sh");
    std::fs::write(&path, script).expect("the script can be written");
    Process::start(
        Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child=KILL", "--propagation", "private", "bash"])
            .arg(path),
        &root.join("log"),
    )
}

/// Shell commands that add users, each with a group of the same name and number.
pub fn users(names: &[(&str, u32)]) -> String {
    names.iter().fold(String::new(), |mut lines, (name, id)| {
        writeln!(lines, "echo '{name}:x:{id}:{id}::/nonexistent:/usr/sbin/nologin' >> /etc/passwd").expect("a string");
        writeln!(lines, "echo '{name}:x:{id}:' >> /etc/group").expect("a string");
        lines
    })
}
