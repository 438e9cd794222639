//! Sendmail 8.17 of Debian 12, with Cyrus SASL.

use crate::certificates::Certificate;
use crate::fixture::{Server, add_sasl_password, folder, free_ports, wait_for_port};
use crate::namespace;
use std::os::unix::fs::PermissionsExt;

/// PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-1 and SCRAM-SHA-256 for `user@test` with `secret`.
pub fn start(certificate: &Certificate) -> Server {
    let folder = folder();
    let root = folder.path().display().to_string();
    let [port, tls_port] = free_ports();
    let [mail, coming] = ["mail", "coming"].map(|name| folder.path().join(name));
    for path in [&mail, &coming] {
        std::fs::create_dir(path).expect("a folder can be made");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).expect("it is ours");
    }
    add_sasl_password(&folder.path().join("sasldb"), "user", "secret");
    // Renamed when complete, since a test reads a mail as soon as it exists.
    let deliver =
        format!("#!/bin/sh\nname=$$.$(date +%s%N); cat > {root}/coming/$name && mv {root}/coming/$name {root}/mail/\n");
    std::fs::write(folder.path().join("deliver"), deliver).expect("it can be written");
    std::fs::write(folder.path().join("sendmail.mc"), configuration(&root, port, tls_port)).expect("the same");
    let process = namespace::start(
        folder.path(),
        "sendmail",
        &setup(&root, certificate),
        "/usr/libexec/sendmail/sendmail -bD -q30m -C /etc/mail/sendmail.cf",
    );
    let log = folder.path().join("log");
    wait_for_port(port, &log);
    wait_for_port(tls_port, &log);
    Server {
        name: "Sendmail",
        port,
        tls_port,
        user: "user@test",
        mechanisms: &["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"],
        mail,
        lmtp: None,
        _alive: Box::new((process, folder)),
    }
}

fn setup(root: &str, certificate: &Certificate) -> String {
    let (pem, key, ca) = (certificate.pem.display(), certificate.key.display(), certificate.ca.display());
    format!(
        "{users}
echo 'nameserver 127.0.0.1' > /etc/resolv.conf
sed -i 's/^hosts:.*/hosts: files/' /etc/nsswitch.conf
echo '127.0.0.1 localhost mx.test test' > /etc/hosts
mkdir -p /etc/mail/sasl /run/sendmail/mta /etc/mail/tls /var/spool/mqueue /usr/lib/sasl2 /etc/mail/smrsh
chmod 700 /var/spool/mqueue
cp {root}/sasldb /etc/mail/sasl/db
cp {pem} /etc/mail/tls/server.pem; cp {key} /etc/mail/tls/server.key; cp {ca} /etc/mail/tls/ca.pem
chmod 600 /etc/mail/tls/server.key /etc/mail/sasl/db
printf 'pwcheck_method: auxprop\\nauxprop_plugin: sasldb\\nsasldb_path: /etc/mail/sasl/db\\nmech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256\\n' | tee /etc/mail/sasl/Sendmail.conf /usr/lib/sasl2/Sendmail.conf > /dev/null
cp {root}/deliver /usr/local/bin/test-deliver; chmod 755 /usr/local/bin/test-deliver
cd /usr/share/sendmail/cf/cf
m4 -D_CF_DIR_=/usr/share/sendmail/cf/ ../m4/cf.m4 {root}/sendmail.mc > /etc/mail/sendmail.cf
chmod 644 /etc/mail/sendmail.cf; touch /etc/mail/local-host-names /etc/mail/trusted-users
",
        users = namespace::users(&[("smmta", 9401), ("smmsp", 9402)])
    )
}

fn configuration(root: &str, port: u16, tls_port: u16) -> String {
    const MECHANISMS: &str = "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 LOGIN PLAIN";
    let mut lines = vec!["divert(0)dnl".into(), "OSTYPE(linux)dnl".into(), "DOMAIN(generic)dnl".into()];
    let mut define = |name: &str, value: &str| lines.push(format!("define(`{name}', `{value}')dnl"));
    define("confDOMAIN_NAME", "mx.test");
    define("confPID_FILE", &format!("{root}/sendmail.pid"));
    define("STATUS_FILE", "/etc/mail/statistics");
    define(
        "confDONT_BLAME_SENDMAIL",
        "GroupReadableKeyFile,GroupReadableSASLDBFile,GroupWritableDirPathSafe,AssumeSafeChown",
    );
    define("confCACERT_PATH", "/etc/mail/tls");
    define("confCACERT", "/etc/mail/tls/ca.pem");
    define("confSERVER_CERT", "/etc/mail/tls/server.pem");
    define("confSERVER_KEY", "/etc/mail/tls/server.key");
    // A busy machine must not make it refuse or queue mail.
    define("confREFUSE_LA", "10000");
    define("confQUEUE_LA", "10000");
    define("confTO_IDENT", "0");
    define("confAUTH_MECHANISMS", MECHANISMS);
    define("confAUTH_OPTIONS", "A p y");
    define("confAUTH_REALM", "test");
    define("LOCAL_MAILER_PATH", "/usr/local/bin/test-deliver");
    define("LOCAL_MAILER_ARGS", "test-deliver $u");
    define("LOCAL_MAILER_FLAGS", "SPn");
    lines.push(format!("TRUST_AUTH_MECH(`{MECHANISMS}')dnl"));
    for feature in ["no_default_msa", "accept_unresolvable_domains", "accept_unqualified_senders", "nocanonify"] {
        lines.push(format!("FEATURE(`{feature}')dnl"));
    }
    lines.push("undefine(`ALIAS_FILE')dnl".into());
    lines.push("MODIFY_MAILER_FLAGS(`LOCAL', `-w-5')dnl".into());
    lines.push(format!("DAEMON_OPTIONS(`Family=inet, Name=MTA, Port={port}, Addr=127.0.0.1')dnl"));
    lines.push(format!("DAEMON_OPTIONS(`Family=inet, Name=TLS, Port={tls_port}, Addr=127.0.0.1, M=s')dnl"));
    lines.push("MAILER(`local')dnl\nMAILER(`smtp')dnl\nLOCAL_CONFIG\nCwtest\n".into());
    lines.join("\n")
}
