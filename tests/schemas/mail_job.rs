//! The machine of a CI job that tests a mail server: a folder with the sessions, a mail server, and programs.

use super::{output, streams};
use crate::support::{EmbeddedServer, Folder, PROGRAM, project_path, tool};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Output;

/// Rules of a mail server for one domain that does not relay.
const BEHAVES: &str = include_str!("../../fixtures/servers/one-domain.toml");

/// A folder and a server. What runs in it finds the programs in `bin` first, and has a small environment.
pub struct MailJob {
    pub folder: Folder,
    pub server: EmbeddedServer,
}

impl MailJob {
    pub fn new() -> Self {
        let server = EmbeddedServer::sink_with(BEHAVES);
        let folder = Folder::new().with("ca.pem", &server.ca_pem);
        std::os::unix::fs::symlink(project_path("sessions"), folder.path("sessions")).expect("a link can be made");
        std::fs::create_dir(folder.path("bin")).expect("a folder can be made");
        Self { folder, server }
    }

    /// Adds a program to `bin`: a shell script.
    pub fn program(&self, name: &str, script: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.folder.path("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script can be written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
        path
    }

    /// A script that runs the mailrun of this test, with this name in `bin`.
    pub fn mailrun(&self, name: &str) -> PathBuf {
        self.program(name, &format!("exec '{PROGRAM}' \"$@\""))
    }

    /// Adds a cargo that accepts only these arguments and installs mailrun in this folder. Both may have variables of the environment.
    pub fn cargo(&self, arguments: &str, root: &str) {
        let built = self.mailrun("built-mailrun");
        self.program(
            "cargo",
            &format!(
                "echo \"$*\" >> \"${{KEPT:-.}}/cargo.log\"\n[ \"$*\" = \"{arguments}\" ] || exit 64\nmkdir -p \"{root}/bin\"\ncp '{}' \"{root}/bin/mailrun\"",
                built.display()
            ),
        );
    }

    /// Replaces the address of the server in a documented text.
    pub fn at_server(&self, text: &str, documented: &str) -> String {
        text.replace(documented, &format!("localhost:{}", self.server.port))
    }

    /// Runs a script as CI systems do. The environment has nothing of the test's but PATH.
    pub fn run(&self, script: &str, environment: &[(String, String)]) -> Output {
        let search = format!("{}:{}", self.folder.path("bin").display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = tool("bash");
        shell.current_dir(self.folder.root()).env_clear().env("PATH", &search).env("NO_COLOR", "1");
        shell.envs(environment.iter().cloned());
        output(shell.args(["--noprofile", "--norc", "-euo", "pipefail", "-c", script]))
    }

    /// The suite was run. The server accepts unencrypted passwords, which the suite reports; everything else passes.
    pub fn assert_suite_ran(ended: &Output) {
        assert_eq!(ended.status.code(), Some(1), "{}", streams(ended));
        let said = streams(ended);
        let failed: Vec<&str> =
            said.lines().filter(|line| line.starts_with("FAILED") || line.starts_with("ERROR")).collect();
        assert!(failed.len() == 1 && failed[0].contains("auth-in-clear"), "{said}");
    }

    /// These files were written.
    pub fn assert_kept<N: AsRef<str>>(&self, names: &[N]) {
        assert!(!names.is_empty(), "something is kept");
        for name in names.iter().map(AsRef::as_ref) {
            let size = std::fs::metadata(self.folder.path(name)).map_or(0, |data| data.len());
            assert!(size > 200, "{name} is kept, and is not there");
        }
    }
}

/// A web server that answers every request with this content. Returns its URL.
pub fn download_server(content: Vec<u8>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port is free");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|count| count == 1) {
                request.push(byte[0]);
            }
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", content.len());
            let _ = client.write_all(head.as_bytes()).and_then(|()| client.write_all(&content));
        }
    });
    format!("http://127.0.0.1:{port}/mailrun")
}

/// The SHA-256 of a file, in hexadecimal digits.
pub fn sha256(content: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}
