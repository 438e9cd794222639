//! What every server needs: a folder, ports, a process that is ended by its id; and mailrun.

use crate::support::{Finished, Mailrun};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A file or folder that `install.sh` installed.
pub fn installed(name: &str) -> PathBuf {
    let root = std::env::var_os("MAILRUN_TEST_SERVERS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers"), PathBuf::from);
    let path = root.join(name);
    assert!(path.exists(), "{} is missing: run `make test-servers`, which installs it", path.display());
    path
}

/// A folder that all users may enter, since the servers drop their privileges.
pub fn folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    tempfile::Builder::new()
        .prefix("mailrun-server-")
        .permissions(std::fs::Permissions::from_mode(0o755))
        .tempdir()
        .expect("a temporary folder can be made")
}

/// Ports that were free a moment ago.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let held: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port is free"));
    std::array::from_fn(|i| held[i].local_addr().expect("a bound socket has an address").port())
}

/// Waits until the port accepts connections.
pub fn wait_for_port(port: u16, log: &Path) {
    let end = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            Instant::now() < end,
            "nobody listens on {port}; the log says:\n{}",
            std::fs::read_to_string(log).unwrap_or_default()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until `path` holds a file that ends in `suffix`, and reads the only one.
pub fn wait_for_file(path: &Path, suffix: &str) -> Vec<u8> {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let mut found = std::fs::read_dir(path)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|file| file.to_string_lossy().ends_with(suffix));
        if let Some(file) = found.next() {
            assert_eq!(found.next(), None, "one mail was sent, several arrived in {}", path.display());
            return std::fs::read(file).expect("the mail can be read");
        }
        assert!(Instant::now() < end, "no mail arrived in {}", path.display());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A server that runs.
pub struct Server {
    pub name: &'static str,
    /// STARTTLS and AUTH.
    pub port: u16,
    /// TLS from the first byte, and AUTH.
    pub tls_port: u16,
    /// Its password is `secret`.
    pub user: &'static str,
    /// The mechanisms that it offers inside TLS.
    pub mechanisms: &'static [&'static str],
    /// The folder of delivered mail, one file per mail.
    pub mail: PathBuf,
    /// The LMTP port and the folder of mail for `user@test` that came over it, if the server speaks LMTP.
    pub lmtp: Option<(u16, PathBuf)>,
    /// Ends the server and removes its folder when it is dropped.
    pub _alive: Box<dyn std::any::Any>,
}

/// Which versions of TLS a server accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersions {
    /// Those of its package's configuration.
    Default,
    /// 1.0 and later, with the ciphers and signatures that 1.0 needs.
    Old,
    /// 1.2 and later.
    New,
}

/// A server's process, ended by its id.
pub struct Process(pub Child);

impl Process {
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let log = std::fs::File::create(log).expect("the log can be written");
        Self(
            command
                .stdin(Stdio::null())
                .stdout(log.try_clone().expect("a file handle can be doubled"))
                .stderr(log)
                .spawn()
                .expect("the server starts"),
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs mailrun with the password of every server's user.
pub fn mailrun(arguments: &[&str]) -> Finished {
    // Some servers answer the smoke suite slowly on purpose.
    Mailrun::new(arguments).env("SMTP_PASSWORD", "secret").limit(Duration::from_secs(900)).run()
}

/// Adds a password to a database of Cyrus SASL, which is created if it is missing.
pub fn add_sasl_password(database: &Path, user: &str, password: &str) {
    use std::io::Write;
    let mut child = Command::new(installed("sasl").join("usr/sbin/saslpasswd2"))
        .args(["-p", "-c", "-u", "test", "-f"])
        .arg(database)
        .arg(user)
        .stdin(Stdio::piped())
        .spawn()
        .expect("saslpasswd2 starts");
    child.stdin.take().expect("its input is a pipe").write_all(password.as_bytes()).expect("it reads the password");
    assert!(child.wait().expect("it ends").success(), "saslpasswd2 failed");
}
