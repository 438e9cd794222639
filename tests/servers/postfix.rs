//! Postfix 3.7 of Debian 12, with its own configuration, queue and mail folder.

use crate::certificates::Certificate;
use crate::fixture::{Server, TlsVersions, add_sasl_password, folder, free_ports, wait_for_port};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

/// PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-1 and SCRAM-SHA-256 for `user` with `secret`; mail for `bob@test`
/// and `jürgen@test` is kept. `extra` is added to main.cf.
pub fn start(certificate: &Certificate, extra: &str) -> Server {
    let folder = folder();
    let root = folder.path();
    let (user, group) = ids("postfix");
    for name in ["etc", "etc/sasl", "spool", "data", "mail"] {
        fs::create_dir(root.join(name)).expect("a folder can be made");
    }
    for name in ["data", "mail"] {
        chown(root.join(name), Some(user), Some(group)).expect("the tests run as root");
    }
    let [port, tls_port] = free_ports();
    let write = |name: &str, text: String| fs::write(root.join("etc").join(name), text).expect("a file can be written");
    write("main.cf", main_cf(root, certificate, user, group, extra));
    write("master.cf", master_cf(port, tls_port));
    write("sasl/smtpd.conf", sasl_conf(root));
    let database = root.join("etc/sasl/db");
    add_sasl_password(&database, "user", "secret");
    fs::set_permissions(&database, fs::Permissions::from_mode(0o640)).expect("the tests run as root");
    for path in ["etc/sasl", "etc/sasl/smtpd.conf", "etc/sasl/db"] {
        chown(root.join(path), Some(0), Some(group)).expect("the tests run as root");
    }

    let started = Command::new("postfix").arg("-c").arg(root.join("etc")).arg("start").output();
    let started = started.expect("postfix is installed");
    assert!(started.status.success(), "postfix does not start: {}", String::from_utf8_lossy(&started.stderr));
    let log = root.join("maillog");
    wait_for_port(port, &log);
    wait_for_port(tls_port, &log);
    let master = fs::read_to_string(root.join("spool/pid/master.pid")).expect("master writes its process id");
    let master = Master(master.trim().parse().expect("a process id is a number"));
    Server {
        name: "Postfix",
        port,
        tls_port,
        user: "user",
        mechanisms: &["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"],
        mail: root.join("mail/bob/new"),
        lmtp: None,
        _alive: Box::new((master, folder)),
    }
}

/// The settings for certain versions of TLS, for `start`.
pub fn tls_settings(versions: TlsVersions) -> &'static str {
    match versions {
        TlsVersions::Default => "",
        TlsVersions::Old => "smtpd_tls_protocols = >=TLSv1\ntls_medium_cipherlist = ALL:!aNULL:@SECLEVEL=0\n",
        TlsVersions::New => "smtpd_tls_protocols = >=TLSv1.2\n",
    }
}

/// The master process of Postfix, which leads its own process group: ending it by its id ends its daemons.
struct Master(i32);

impl Drop for Master {
    fn drop(&mut self) {
        for (signal, target) in [("-TERM", self.0), ("-KILL", -self.0)] {
            let _ = Command::new("kill").arg(signal).arg("--").arg(target.to_string()).output();
        }
    }
}

fn ids(user: &str) -> (u32, u32) {
    let id = |what: &str| {
        let output = Command::new("id").arg(what).arg(user).output().expect("id runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.trim().parse().unwrap_or_else(|_| panic!("there is no user {user}: run `make test-servers`"))
    };
    (id("-u"), id("-g"))
}

fn main_cf(root: &Path, certificate: &Certificate, user: u32, group: u32, extra: &str) -> String {
    let root = root.display();
    let (pem, key) = (certificate.pem.display(), certificate.key.display());
    format!(
        "compatibility_level = 3.6
config_directory = {root}/etc
queue_directory = {root}/spool
data_directory = {root}/data
maillog_file = {root}/maillog
maillog_file_prefixes = {root}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.test
mydomain = test
mydestination =
mynetworks = 0.0.0.0/32
alias_maps =
alias_database =
virtual_mailbox_domains = test
virtual_mailbox_base = {root}/mail
virtual_mailbox_maps = inline:{{ {{bob@test=bob/}}, {{jürgen@test=bob/}} }}
virtual_uid_maps = static:{user}
virtual_gid_maps = static:{group}
virtual_minimum_uid = 1
default_transport = error:nothing leaves this machine
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_sasl_auth_enable = yes
smtpd_sasl_path = smtpd
smtpd_sasl_local_domain = test
smtpd_sasl_security_options = noanonymous
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = {pem}
smtpd_tls_key_file = {key}
{extra}
"
    )
}

fn master_cf(port: u16, tls_port: u16) -> String {
    format!(
        "127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{tls_port} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"
    )
}

/// Debian's Postfix reads Cyrus SASL's settings from its own configuration folder.
fn sasl_conf(root: &Path) -> String {
    format!(
        "pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {}/etc/sasl/db
mech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256
",
        root.display()
    )
}
