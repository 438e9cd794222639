//! aiosmtpd 1.4 from PyPI: a small strict server that keeps mail byte for byte.

use crate::certificates::Certificate;
use crate::fixture::{Process, Server, folder, free_ports, installed, wait_for_port};
use std::process::Command;

/// PLAIN and LOGIN for `user` with `secret`. Each mail is kept unchanged in `NNN.eml`, its envelope in `NNN.json`.
pub fn start(certificate: &Certificate) -> Server {
    start_with(certificate, &[])
}

/// Like [`start`], without SMTPUTF8.
pub fn start_without_smtputf8(certificate: &Certificate) -> Server {
    start_with(certificate, &["no-smtputf8"])
}

fn start_with(certificate: &Certificate, without: &[&str]) -> Server {
    let folder = folder();
    let mail = folder.path().join("mail");
    std::fs::create_dir(&mail).expect("the mail folder can be made");
    let [port, tls_port] = free_ports();
    let log = folder.path().join("log");
    let process = Process::start(
        Command::new(installed("venv").join("bin/python"))
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/aiosmtpd_server.py"))
            .args([port.to_string(), tls_port.to_string()])
            .args([&mail, &certificate.pem, &certificate.key])
            .args(without),
        &log,
    );
    wait_for_port(port, &log);
    wait_for_port(tls_port, &log);
    Server {
        name: "aiosmtpd",
        port,
        tls_port,
        user: "user",
        mechanisms: &["PLAIN", "LOGIN"],
        mail,
        lmtp: None,
        _alive: Box::new((process, folder)),
    }
}
