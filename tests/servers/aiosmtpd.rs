//! aiosmtpd 1.4, from PyPI: a strict server of few lines, for bytes that arrive exactly.

use crate::bed::{Process, folder, free_ports, installed, wait_for_port};
use crate::certificates::Certificates;
use std::path::PathBuf;
use std::process::Command;

pub struct Aiosmtpd {
    pub port: u16,
    pub certificates: Certificates,
    /// Each mail as it came: `NNN.eml`, with its envelope in `NNN.json`.
    pub mail: PathBuf,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Aiosmtpd {
    /// STARTTLS and AUTH, `user` with `secret`.
    pub fn start() -> Self {
        let folder = folder();
        let certificates = Certificates::make(folder.path());
        let mail = folder.path().join("mail");
        std::fs::create_dir(&mail).expect("the mail folder can be made");
        let [port] = free_ports();
        let log = folder.path().join("log");
        let process = Process::start(
            Command::new(installed("venv").join("bin/python"))
                .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/aiosmtpd_server.py"))
                .arg(port.to_string())
                .arg(&mail)
                .arg(&certificates.certificate)
                .arg(&certificates.key),
            &log,
        );
        wait_for_port(port, &log);
        Self { port, certificates, mail, _process: process, _folder: folder }
    }
}
