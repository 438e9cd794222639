//! Exim 4.96 of Debian 12.

use crate::certificates::Certificate;
use crate::fixture::{Server, TlsVersions, folder, free_ports, wait_for_port};
use crate::namespace;

/// PLAIN, LOGIN and CRAM-MD5 for `user` with `secret`; RCPT to `nosuch@test` is refused, to `later@test` deferred.
pub fn start(certificate: &Certificate) -> Server {
    start_with(certificate, TlsVersions::Default)
}

/// The same with certain versions of TLS.
pub fn start_with(certificate: &Certificate, versions: TlsVersions) -> Server {
    let folder = folder();
    let root = folder.path().display().to_string();
    let [port, tls_port] = free_ports();
    for name in ["spool", "logs", "mail"] {
        std::fs::create_dir(folder.path().join(name)).expect("a folder can be made");
    }
    std::fs::write(folder.path().join("exim.conf"), configuration(&root, port, tls_port, versions))
        .expect("it can be written");
    let (pem, key) = (certificate.pem.display(), certificate.key.display());
    let setup = format!(
        "{users}
mkdir -p /run/exim4 /etc/exim4
cp {root}/exim.conf /etc/exim4/exim4.conf; chmod 644 /etc/exim4/exim4.conf
cp {pem} /etc/exim4/server.pem; cp {key} /etc/exim4/server.key
chown -R Debian-exim /etc/exim4/server.* /run/exim4 {root}/spool {root}/logs {root}/mail
",
        users = namespace::users(&[("Debian-exim", 9101)])
    );
    let process = namespace::start(folder.path(), "exim", &setup, "/usr/sbin/exim4 -bdf -q30m");
    let log = folder.path().join("log");
    wait_for_port(port, &log);
    wait_for_port(tls_port, &log);
    Server {
        name: "Exim",
        port,
        tls_port,
        user: "user",
        mechanisms: &["PLAIN", "LOGIN", "CRAM-MD5"],
        mail: folder.path().join("mail/in/new"),
        lmtp: None,
        _alive: Box::new((process, folder)),
    }
}

fn configuration(root: &str, port: u16, tls_port: u16, versions: TlsVersions) -> String {
    // Debian's Exim uses GnuTLS.
    let ciphers = match versions {
        TlsVersions::Default => "",
        TlsVersions::Old => "tls_require_ciphers = NORMAL:+VERS-TLS1.1:+VERS-TLS1.0",
        TlsVersions::New => "tls_require_ciphers = NORMAL:-VERS-TLS1.1:-VERS-TLS1.0",
    };
    format!(
        r"primary_hostname = mx.test
spool_directory = {root}/spool
log_file_path = {root}/logs/%slog
pid_file_path = {root}/exim.pid
local_interfaces = <; [127.0.0.1]:{port} ; [127.0.0.1]:{tls_port}
tls_on_connect_ports = {tls_port}
tls_advertise_hosts = *
tls_certificate = /etc/exim4/server.pem
tls_privatekey = /etc/exim4/server.key
{ciphers}
domainlist local_domains = test
acl_smtp_rcpt = acl_rcpt
acl_smtp_mail = acl_accept
acl_smtp_data = acl_accept
host_lookup =
rfc1413_hosts =
smtputf8_advertise_hosts = *
chunking_advertise_hosts = *
dsn_advertise_hosts = *
pipelining_advertise_hosts = *
queue_run_max = 1
keep_environment =
begin acl
acl_accept:
  accept
acl_rcpt:
  deny local_parts = nosuch
    message = no such user
  defer local_parts = later
    message = try again later
  accept authenticated = *
  accept domains = +local_domains
  deny message = relay not permitted
begin routers
local:
  driver = accept
  domains = +local_domains
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = {root}/mail/in
  maildir_format
  create_directory
  user = Debian-exim
  group = Debian-exim
begin retry
* * F,1h,10m
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{user}}}}{{eq{{$auth3}}{{secret}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and{{{{eq{{$auth1}}{{user}}}}{{eq{{$auth2}}{{secret}}}}}}}}
  server_set_id = $auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{user}}{{secret}}fail}}
  server_set_id = $auth1
"
    )
}
