//! Dovecot 2.3's submission and LMTP services, of Debian 12.

use crate::certificates::Certificate;
use crate::fixture::{Server, TlsVersions, folder, free_ports, wait_for_port};
use crate::namespace;
use std::os::unix::fs::PermissionsExt;

/// PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-1 and SCRAM-SHA-256 for `user@test` with `secret`. Submitted mail is relayed to
/// Postfix's smtp-sink, which keeps it.
pub fn start(certificate: &Certificate) -> Server {
    start_with(certificate, TlsVersions::Default)
}

/// The same with certain versions of TLS.
pub fn start_with(certificate: &Certificate, versions: TlsVersions) -> Server {
    let folder = folder();
    let root = folder.path().display().to_string();
    let [port, tls_port, lmtp_port, relay_port] = free_ports();
    for (name, mode) in [("base", 0o755), ("mail", 0o777), ("relay", 0o777)] {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).expect("a folder can be made");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
    }
    let passwd = format!("user@test:{{PLAIN}}secret:9303:9303::{root}/mail/user::\n");
    std::fs::write(folder.path().join("passwd"), passwd).expect("it can be written");
    let ports = [port, tls_port, lmtp_port, relay_port];
    let settings = configuration(&root, certificate, ports) + tls_settings(versions);
    std::fs::write(folder.path().join("dovecot.conf"), settings).expect("the same");
    let setup = format!(
        "{users}
chown -R vmail {root}/mail
(cd {root}/relay && exec smtp-sink -u nobody -c -d {root}/relay/%M. 127.0.0.1:{relay_port} 100 > /dev/null 2>&1) &
",
        users = namespace::users(&[("dovecot", 9301), ("dovenull", 9302), ("vmail", 9303)])
    );
    let command = format!("/usr/sbin/dovecot -F -c {root}/dovecot.conf");
    let process = namespace::start(folder.path(), "dovecot", &setup, &command);
    for port in ports {
        wait_for_port(port, &folder.path().join("log"));
    }
    Server {
        name: "Dovecot",
        port,
        tls_port,
        user: "user@test",
        mechanisms: &["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"],
        mail: folder.path().join("relay"),
        lmtp: Some((lmtp_port, folder.path().join("mail/user/new"))),
        _alive: Box::new((process, folder)),
    }
}

fn tls_settings(versions: TlsVersions) -> &'static str {
    match versions {
        TlsVersions::Default => "",
        TlsVersions::Old => "ssl_min_protocol = TLSv1\nssl_cipher_list = ALL:!aNULL:@SECLEVEL=0\n",
        TlsVersions::New => "ssl_min_protocol = TLSv1.2\n",
    }
}

fn configuration(root: &str, certificate: &Certificate, [port, tls_port, lmtp_port, relay_port]: [u16; 4]) -> String {
    let (pem, key) = (certificate.pem.display(), certificate.key.display());
    format!(
        "base_dir = {root}/base
log_path = {root}/dovecot.log
auth_failure_delay = 0
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
protocols = lmtp submission
listen = 127.0.0.1
hostname = mx.test
ssl = yes
ssl_cert = <{pem}
ssl_key = <{key}
disable_plaintext_auth = yes
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
first_valid_uid = 1
mail_location = maildir:{root}/mail/%n
passdb {{
  driver = passwd-file
  args = {root}/passwd
}}
userdb {{
  driver = passwd-file
  args = {root}/passwd
}}
submission_relay_host = 127.0.0.1
submission_relay_port = {relay_port}
submission_relay_trusted = no
service submission-login {{
  inet_listener submission {{
    port = {port}
  }}
  inet_listener submissions {{
    port = {tls_port}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp_port}
  }}
}}
"
    )
}
