//! Every mechanism that each server offers, with the right and with a wrong password, through STARTTLS and through TLS
//! from the first byte; and the table of it in `docs/servers.md`.

use crate::all_servers::{STARTS, publish};
use crate::certificates::{Authority, Certificate, Kind};
use crate::fixture::mailrun;
use std::fmt::Write as _;

const RIGHT: &str = "secret";
const WRONG: &str = "not the secret";
/// EX_NOPERM: authentication refused.
const REFUSED: i32 = 77;

#[test]
#[ignore = "needs real servers: make test-servers"]
fn every_server_takes_the_right_password_and_refuses_a_wrong_one_with_every_mechanism() {
    let certificate = Authority::new().issue(Kind::Good);
    let mut table = String::from(HEAD);
    let mut wrong = Vec::new();
    for start in STARTS {
        let server = start(&certificate);
        for mechanism in server.mechanisms {
            let results = [("smtp", server.port), ("smtps", server.tls_port)].map(|(scheme, port)| {
                let url = format!("{scheme}://localhost:{port}");
                [RIGHT, WRONG].map(|password| log_in(&url, &certificate, server.user, mechanism, password))
            });
            let [[right, refused], [right_in_tls, refused_in_tls]] = results;
            writeln!(
                table,
                "| {} | {mechanism} | {right} | {refused} | {right_in_tls} | {refused_in_tls} |",
                server.name
            )
            .expect("writing to a string succeeds");
            if results != [[0, REFUSED]; 2] {
                wrong.push(format!("{} {mechanism}: {results:?}", server.name));
            }
        }
    }
    assert!(wrong.is_empty(), "not 0 and {REFUSED}: {wrong:#?}");
    publish("Authentication", &table);
}

const HEAD: &str = "Written by `make test-servers`: the exit status of a session that logs in to each server with each mechanism that it
offers, with the right and with a wrong password. 0 is passed, 77 is authentication refused.

| server | mechanism | STARTTLS, right | STARTTLS, wrong | TLS, right | TLS, wrong |
| --- | --- | --- | --- | --- | --- |
";

fn log_in(url: &str, certificate: &Certificate, user: &str, mechanism: &str, password: &str) -> i32 {
    let folder = crate::fixture::folder();
    let session = folder.path().join("login.toml");
    let text = format!(
        r#"client_name = "client.example"
tls = {{ starttls = "required" }}
vars = {{ user = "{user}" }}
secrets = {{ password = {{ file = "password" }} }}
auth = {{ mechanism = "{mechanism}", user = "{{{{ user }}}}", password = "{{{{ password }}}}" }}
step = [
  {{ login = true, assert = ["'{mechanism}' in ehlo.auth", "tls.verified"] }},
  {{ quit = true }},
]
"#
    );
    std::fs::write(&session, text).expect("the session can be written");
    std::fs::write(folder.path().join("password"), password).expect("the password can be written");
    let output = mailrun(&[
        "run",
        "--server",
        url,
        "--ca",
        certificate.ca.to_str().expect("temporary folders have plain names"),
        session.to_str().expect("the same"),
    ]);
    let status = output.status;
    if !matches!(status, 0 | REFUSED) {
        eprintln!("{url} {mechanism}\n{}{}", &output.stdout, &output.stderr);
    }
    status
}
