//! A permanent refusal stays a failure if a retry for the deferred recipients succeeds.

use super::initials;
use crate::support::{Fault, FaultServer, Folder, Point, When};

/// Refuses c@, and defers b@ on the first `put_off` connections: at RCPT, or over LMTP after the content.
fn server(put_off: usize, lmtp: bool) -> FaultServer {
    let server = FaultServer::builder().offering(&[]);
    let (server, point) = if lmtp { (server.lmtp(), Point::ContentReply) } else { (server, Point::Command("RCPT")) };
    let later = When::at(point, Fault::Reply("450 4.2.1 later")).with("b@").on_the_first(put_off);
    let unknown = When::at(point, Fault::Reply("550 5.1.1 no such user")).with("c@");
    server.faults([later, unknown]).start()
}

#[test]
fn a_refused_recipient_makes_the_run_fail_although_a_retry_reaches_the_others() {
    let rows = "[rows]\nfile = 'rows.csv'\nkey = 'n'\n";
    let table = [
        // Recipients, scheme, more keys, connections on which b@ is deferred, status, who got the mail, printed words, why.
        (["b", "c"], "smtp", "", 1, 1, "b", "1 refused", "deferred first"),
        (["c", "b"], "smtp", "", 1, 1, "b", "1 refused", "refused first"),
        (["b", "c"], "lmtp", "", 1, 1, "b", "1 refused", "each by a reply of its own to the content"),
        (["c", "b"], "lmtp", "", 1, 1, "b", "1 refused", "the same, refused first"),
        (["b", "c"], "smtp", rows, 1, 1, "b", "1 refused", "a row is refused, as it is without a retry"),
        (["c", "b"], "smtp", rows, 1, 1, "b", "1 refused", "whatever the order"),
        (["b", "c"], "smtp", rows, 2, 1, "b", "1 refused", "deferred twice"),
        (["b", "c"], "smtp", rows, 9, 75, "", "1 deferred", "deferred to the end: the next run sends to it"),
        (["b", "c"], "smtp", "", 9, 1, "", "", "and without rows"),
        (["b", "a"], "smtp", "", 1, 0, "ab", "", "where nobody was refused a later attempt covers all"),
        (["b", "a"], "smtp", rows, 1, 0, "ab", "1 sent", "and in rows"),
    ];
    for (to, scheme, keys, put_off, status, has_it, said, why) in table {
        for ledger in [&[][..], &["--ledger", "l.db"]] {
            let server = server(put_off, scheme == "lmtp");
            let session = format!(
                "client_name = 't'\n[message]\nfrom = 's@x.example'\ntext = 't'\non_refused = 'skip'\n\
                 to = ['{}@x.example', '{}@x.example']\n[retry]\ntimes = 2\nwait = '10ms'\n{keys}",
                to[0], to[1]
            );
            let folder = Folder::new().with("s.toml", session).with("rows.csv", "n\n1\n");
            let ran = folder.mailrun(["run", "--server", &server.url(scheme), "s.toml"]).args(ledger).run();
            let text = &ran.stderr;
            // A session without rows and without a ledger is no batch: no other run would send what is left.
            let status = if put_off == 9 && !ledger.is_empty() { 75 } else { status };
            assert_eq!(ran.status, status, "{why} {ledger:?}: {text}");
            assert_eq!(initials(&server), has_it, "{why} {ledger:?}");
            assert!(text.contains(said), "{why} {ledger:?}: {text}");
            let alone = "recipient refused: <c@x.example>: 550 5.1.1 no such user\n";
            assert_eq!(text.contains(alone), status != 0, "{why} {ledger:?}: {text}");
        }
    }
}
