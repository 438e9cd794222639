//! `mailrun reduce`: planted faults are found, and nothing of what is printed can be removed.

#[path = "../support/mod.rs"]
mod support;

mod limits;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{ClosedPort, Finished, Folder};

/// What a server does at a line: it gets the lines of the connection so far, the last one included.
type Fault = fn(&[String]) -> Option<Reaction>;

enum Reaction {
    Reply(&'static str),
    Close,
    /// No reply until the client leaves.
    Silence,
}

/// A lenient server with a planted fault.
struct FaultyServer {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl FaultyServer {
    fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = connections.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                // A client that is gone ends its dialogue.
                std::thread::spawn(move || serve(stream, number, fault));
            }
        });
        Self { port, connections }
    }

    fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }
}

/// Speaks to one client. The first line that the fault sees is the number of the connection.
fn serve(mut stream: TcpStream, number: usize, fault: Fault) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(b"220 mx.example ESMTP\r\n")?;
    let mut said = vec![format!("connection {number}")];
    let mut in_content = false;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        said.push(line.clone());
        let reply = match fault(&said) {
            Some(Reaction::Close) => return Ok(()),
            Some(Reaction::Silence) => continue,
            Some(Reaction::Reply(reply)) => {
                in_content = false;
                reply
            }
            None if in_content && line != "." => continue,
            None if in_content => {
                in_content = false;
                "250 2.0.0 queued as 4F2A"
            }
            None => match verb.as_str() {
                "EHLO" => "250-mx.example\r\n250 SIZE",
                "DATA" => {
                    in_content = true;
                    "354 go ahead"
                }
                "QUIT" => "221 bye",
                _ => "250 ok",
            },
        };
        stream.write_all(format!("{reply}\r\n").as_bytes())?;
        if reply.starts_with("221") {
            return Ok(());
        }
    }
    Ok(())
}

fn last(said: &[String]) -> &str {
    said.last().map_or("", String::as_str)
}

/// 503 to the second RCPT after RSET.
fn second_recipient_after_reset(said: &[String]) -> Option<Reaction> {
    let reset = said.iter().rposition(|line| line == "RSET")?;
    let recipients = said[reset..].iter().filter(|line| line.starts_with("RCPT")).count();
    (last(said).starts_with("RCPT") && recipients >= 2).then_some(Reaction::Reply("503 5.5.1 bad sequence"))
}

/// A long session of a well-behaved client: 40 steps.
fn long_session() -> String {
    let step = |line: &str, code: u16| format!("[[step]]\nsend = \"{line}\"\nexpect = {code}\n\n");
    let body = "[[step]]\nbody = \"Subject: one\\n\\nfirst line\\nthe \u{a7} sign\\nlast line\\n\"\nexpect = 250\n\n"
        .to_owned();
    let mut steps = vec!["[[step]]\nexpect = 220\n\n".to_owned(), step("EHLO client.example", 250)];
    let transaction = |from: &str| {
        [
            step(&format!("MAIL FROM:<{from}@example.com> SIZE=100 BODY=8BITMIME"), 250),
            step("RCPT TO:<b@example.com>", 250),
            step("RCPT TO:<c@example.com>", 250),
            step("DATA", 354),
            body.clone(),
        ]
    };
    steps.extend((0..8).map(|number| step(&format!("VRFY user{number}"), 250)));
    steps.extend(transaction("one"));
    steps.extend((0..6).map(|_| step("NOOP", 250)));
    steps.push(step("RSET", 250));
    steps.extend((0..3).map(|_| step("NOOP", 250)));
    steps.extend(transaction("two"));
    steps.extend((0..9).map(|number| step(&format!("VRFY last{number}"), 250)));
    steps.push("[[step]]\nquit = true\n".to_owned());
    assert_eq!(steps.len(), 40);
    format!("server = \"smtp://unused.example\"\ndescription = \"a long session\"\n\n{}", steps.concat())
}

fn reduce(folder: &Folder, server: &FaultyServer, file: &str, condition: &str, options: &[&str]) -> Finished {
    let command = folder.mailrun(["reduce", file, "--while", condition, "--server", &server.url()]);
    command.args(options).run()
}

/// The blocks of a session file, which empty lines separate: what comes before the steps, and a block for each step.
fn blocks(session: &str) -> (String, Vec<String>) {
    let (head, steps) = session.split_once("[[").expect("there are steps");
    let steps = format!("[[{steps}");
    let starts: Vec<usize> = steps.match_indices("[[").map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([steps.len()]);
    let blocks = starts.iter().zip(ends).map(|(start, end)| steps[*start..end].to_owned());
    (head.to_owned(), blocks.collect())
}

/// Reduces a session; checks that what is printed shows the fault, and that no step of it can be left out. `evidence` is what
/// only the fault writes into the transcript. Gives what is printed, and the number of its steps.
#[track_caller]
fn smallest(server: &FaultyServer, session: &str, condition: &str, evidence: &str) -> (String, usize) {
    let folder = Folder::new().with("x.toml", session);
    let printed = reduce(&folder, server, "x.toml", condition, &[]).exits(0).stdout;
    folder.write("small.toml", &printed);
    let again = reduce(&folder, server, "small.toml", condition, &[]).exits(0);
    let (head, steps) = blocks(&printed);
    assert_eq!(blocks(&again.stdout).1, steps, "what is printed shows the fault and cannot be reduced further");
    let ran = folder.mailrun(["run", "small.toml"]).run();
    assert!(ran.stdout.contains(evidence), "{ran}");
    // The greeting's step stays: without it replies belong to other commands, and a late one may still be seen.
    let first = usize::from(steps[0].contains("expect = 220"));
    for left_out in first..steps.len() {
        let kept = steps.iter().enumerate().filter(|(index, _)| *index != left_out);
        let rest: String = kept.map(|(_, step)| step.as_str()).collect();
        folder.write("less.toml", format!("{head}{rest}"));
        let ran = folder.mailrun(["run", "less.toml"]).run();
        assert!(!ran.stdout.contains(evidence), "without step {left_out} the fault is lost: {ran}\n{printed}");
    }
    (printed, steps.len())
}

#[test]
fn a_fault_of_the_order_of_commands_is_reduced_to_four_steps() {
    let server = FaultyServer::start(second_recipient_after_reset);
    let (printed, steps) = smallest(&server, &long_session(), "reply.code == 503", "\nS: 503 ");
    assert_eq!(steps, 4, "{printed}");
    for part in ["expect = 220", "\"RSET\"", "description = \"a long session\"", &server.url()] {
        assert!(printed.contains(part), "{part} is not in\n{printed}");
    }
    assert!(printed.starts_with("# Shows: reply.code == 503\n# After step 28 of x.toml ("), "{printed}");
    assert!(printed.contains("): 503 5.5.1 bad sequence\n# Reduced from 40 steps to 4 in "), "{printed}");
}

#[test]
fn a_failure_of_another_kind_is_not_the_fault() {
    let server = FaultyServer::start(second_recipient_after_reset);
    let (printed, steps) = smallest(&server, &long_session(), "failed and step.command == \"RCPT\"", "\nS: 503 ");
    assert_eq!(steps, 4, "without the greeting's step, the greeting would be the reply to RCPT: {printed}");
    let folder = Folder::new().with("small.toml", &printed);
    let ran = folder.mailrun(["run", "small.toml"]).run().exits(1);
    assert!(ran.stdout.contains("S: 503 5.5.1 bad sequence\n"), "{ran}");
}

#[test]
fn a_fault_of_an_argument_keeps_that_argument() {
    let server = FaultyServer::start(|said| {
        let line = last(said);
        let refused = line.starts_with("MAIL ") && line.contains("two") && line.contains(" BODY=");
        refused.then_some(Reaction::Reply("555 5.5.4 unknown parameter"))
    });
    let (printed, steps) = smallest(&server, &long_session(), "reply.enhanced == '5.5.4'", "\nS: 555 ");
    assert_eq!(steps, 2, "{printed}");
    assert!(printed.contains("send = \"MAIL two@example.com BODY=\""), "{printed}");
}

#[test]
fn a_fault_of_a_byte_in_the_content_keeps_that_byte() {
    let server = FaultyServer::start(|said| {
        let begins = said.iter().rposition(|line| line.eq_ignore_ascii_case("DATA"))?;
        let refused = last(said) == "." && said[begins..].iter().any(|line| line.contains('\u{a7}'));
        refused.then_some(Reaction::Reply("554 5.6.0 the sign is not allowed"))
    });
    let (printed, steps) = smallest(&server, &long_session(), "status == 1 and step.command == 'DATA'", "\nS: 554 ");
    assert_eq!(steps, 3, "{printed}");
    assert!(printed.contains("body = \"\u{a7}\""), "{printed}");
}

#[test]
fn a_fault_that_closes_the_connection_is_found() {
    let server = FaultyServer::start(|said| {
        let noops = said.iter().filter(|line| line.as_str() == "NOOP").count();
        (noops >= 3).then_some(Reaction::Close)
    });
    let (printed, steps) = smallest(&server, &long_session(), "closed", "\n*: closed by the server");
    assert_eq!(printed.matches("\"NOOP\"").count(), 3, "{printed}");
    assert!(steps <= 4, "{printed}");
}

#[test]
fn a_fault_of_a_status_is_found_where_it_first_shows() {
    let server = FaultyServer::start(|said| {
        (last(said) == "VRFY last3" && said.iter().any(|line| line == "RSET"))
            .then_some(Reaction::Reply("451 4.3.0 try later"))
    });
    let (printed, steps) = smallest(&server, &long_session(), "status == 75", "\nS: 451 ");
    assert_eq!(steps, 3, "{printed}");
}

#[test]
fn one_recipient_of_a_message_is_found() {
    let server =
        FaultyServer::start(|said| last(said).contains("<bad@").then_some(Reaction::Reply("550 5.1.1 no such user")));
    let session = "server = \"smtp://unused.example\"\nclient_name = \"client.example\"\n[message]\nfrom = \"Ann <a@example.com>\"\nto = [\"b@example.com\", \"Bad <bad@example.com>\", \"c@example.com\"]\ncc = \"d@example.com, e@example.com\"\nsubject = \"hello\"\ntext = \"\"\"\nfirst\nsecond\n\"\"\"\n";
    let folder = Folder::new().with("x.toml", session);
    let printed = reduce(&folder, &server, "x.toml", "failed and step.command == 'RCPT'", &[]).exits(0).stdout;
    let recipients = printed.lines().find(|line| line.starts_with("to = ")).unwrap_or_default();
    assert!(recipients.contains("bad@") && !recipients.contains(','), "{printed}");
    for gone in ["cc = ", "subject", "quit", "second"] {
        assert!(!printed.contains(gone), "{gone} is not needed:\n{printed}");
    }
}

#[test]
fn steps_of_groups_pipelines_and_includes_are_reduced() {
    let server = FaultyServer::start(second_recipient_after_reset);
    let recipients = "{ send = \"RCPT TO:<b@example.com>\", expect = 250 }, ".repeat(3);
    let session = format!(
        "server = \"smtp://unused.example\"\n[[step]]\ninclude = \"_start.toml\"\n[[step]]\npipeline = [ {{ send = \"NOOP\", expect = 250 }}, {recipients} ]\n[[step]]\nquit = true\n"
    );
    let start = "step = [ { expect = 220 }, { ehlo = \"{{ name }}\" }, { send = \"RSET\", expect = 250 }, { send = \"NOOP\", expect = 250 } ]\nvars = { name = \"client.example\" }\n";
    let folder = Folder::new().with("x.toml", session).with("_start.toml", start);
    let printed = reduce(&folder, &server, "x.toml", "reply.code == 503", &[]).exits(0).stdout;
    assert!(!printed.contains("include") && !printed.contains("NOOP") && !printed.contains("ehlo"), "{printed}");
    assert_eq!(printed.matches("RCPT").count(), 2 + usize::from(printed.contains("(RCPT")), "{printed}");
}

#[test]
fn secrets_are_asked_for_once_and_not_printed() {
    let server =
        FaultyServer::start(|said| (last(said) == "NOOP").then_some(Reaction::Reply("500 5.5.0 never heard of it")));
    let session = "server = \"smtp://unused.example\"\n[secrets]\npassword = \"correct horse\"\nother = { command = [\"sh\", \"-c\", \"echo x >> asked; cat hidden\"] }\n[[step]]\nexpect = 220\n[[step]]\nsend = \"VRFY {{ password }} {{ other }}\"\nexpect = 250\n[[step]]\nsend = \"NOOP\"\nexpect = 250\nwith = { unused = \"{{ password }}{{ other }}\" }\n";
    let folder = Folder::new().with("x.toml", session).with("hidden", "battery staple");
    let ran =
        reduce(&folder, &server, "x.toml", "reply.code == 500 and session.sent > 30", &["--allow-commands"]).exits(0);
    assert!(!ran.text().contains("correct horse") && !ran.text().contains("battery staple"), "{ran}");
    assert!(ran.stdout.contains("password = { env = \"PASSWORD\" }"), "{ran}");
    assert!(ran.stdout.contains("# The environment variable PASSWORD holds a secret that is not printed.\n"), "{ran}");
    assert_eq!(folder.read("asked"), "x\n", "the command ran once");
}

#[test]
fn a_secret_among_the_variables_is_not_printed() {
    let server = FaultyServer::start(|said| (last(said) == "NOOP").then_some(Reaction::Reply("500 5.5.0 no")));
    let session = "server = \"smtp://unused.example\"\nvars = { pw = \"\" }\nauth = { user = \"u\", password = \"{{ pw }}\" }\n[[step]]\nexpect = 220\n[[step]]\nsend = \"NOOP\"\nexpect = 250\n";
    let folder = Folder::new().with("x.toml", session);
    let ran = reduce(&folder, &server, "x.toml", "reply.code == 500", &["--var", "pw=hunter2-Zaphod"]).exits(0);
    assert!(!ran.text().contains("hunter2"), "{ran}");
    folder.write("x.toml", session.replace("pw = \"\"", "pw = \"hunter2-Zaphod\""));
    let ran = reduce(&folder, &server, "x.toml", "reply.code == 500", &[]).exits(0);
    assert!(!ran.text().contains("hunter2"), "in the file: {ran}");
}

#[test]
fn a_greeting_that_comes_late_stays_the_reply_to_nothing() {
    let server = FaultyServer::start(|said| (last(said) == "NOOP").then_some(Reaction::Reply("500 5.5.0 no")));
    let session = "server = \"smtp://unused.example\"\n[[step]]\nsteps = [ { expect = 220 }, { send = \"RSET\", expect = 250 } ]\n[[step]]\nsend = \"NOOP\"\nexpect = \"any\"\n[[step]]\nsend = \"RSET\"\nexpect = \"any\"\n";
    let folder = Folder::new().with("x.toml", session);
    let printed = reduce(&folder, &server, "x.toml", "status == 0", &[]).exits(0).stdout;
    assert!(printed.contains("expect = 220"), "no run can be without the step that reads it: {printed}");
}

#[test]
fn values_of_the_command_line_become_part_of_the_session() {
    let server = FaultyServer::start(|said| last(said).contains("bob").then_some(Reaction::Reply("550 5.1.1 no bob")));
    let session = "server = \"smtp://unused.example\"\nvars = { name = \"ann\", count = 1 }\n[[step]]\nexpect = 220\n[[step]]\nsend = \"VRFY {{ name }} {{ count }}\"\nexpect = 250\n";
    let folder = Folder::new().with("x.toml", session);
    let printed = reduce(&folder, &server, "x.toml", "reply.code == 550", &["--var", "name=bob"]).exits(0).stdout;
    folder.write("small.toml", &printed);
    let ran = folder.mailrun(["run", "small.toml"]).run().exits(1);
    assert!(ran.stdout.contains("S: 550 5.1.1 no bob\n"), "{ran}\n{printed}");
}

#[test]
fn what_cannot_be_reduced_is_an_error() {
    let server = FaultyServer::start(|_| None);
    let url = server.url();
    let closed_port = ClosedPort::new();
    let closed = closed_port.url("smtp");
    let plain = "server = \"smtp://192.0.2.1\"\nstep = [ { expect = 220 }, { send = \"NOOP\", expect = 250 } ]\n";
    let content = "server = \"smtp://192.0.2.1\"\nstep = [ { expect = 220 }, { bdat = \"x\" } ]\n";
    let rows = "server = \"smtp://192.0.2.1\"\nrows = { file = \"p.csv\" }\nstep = [ { expect = 220 } ]\n";
    let broken = "step = [ { expct = 220 } ]\n";
    let table: [(&str, &[&str], i32, &[&str]); 9] = [
        (
            plain,
            &["--while", "reply.code == 503", "--server", &url],
            1,
            &[
                "reply.code == 503: it does not hold after any step of x.toml",
                "help: after the last step: status = 0, failed = false, closed = false, step.number = 2, step.command = \"NOOP\", reply.code = 250",
            ],
        ),
        (
            plain,
            &["--while", "repyl.code == 503", "--server", &url],
            65,
            &["--while:1:1: error: nothing defines the name \"repyl\"", "did you mean \"reply\"?"],
        ),
        (plain, &["--while", "status + 'a' == 1", "--server", &url], 65, &["--while:1:1: error"]),
        (plain, &["--server", &url], 64, &["--while <EXPR>"]),
        (plain, &["--while", "failed", "--server", &closed], 69, &["cannot connect to 127.0.0.1"]),
        (
            content,
            &["--while", "failed"],
            64,
            &["reduce runs the session many times, and would send content to smtp://192.0.2.1", "give --yes"],
        ),
        (rows, &["--while", "failed"], 65, &[":2:8: reduce cannot run a session with [rows]", "help: remove [rows]"]),
        (broken, &["--while", "failed"], 65, &["x.toml:1:12: error: unknown key \"expct\""]),
        (plain, &["--while", "failed", "--confirm", "0"], 64, &["--confirm"]),
    ];
    for (session, options, status, parts) in table {
        let folder = Folder::new().with("x.toml", session).with("p.csv", "a\n1\n");
        let ran = folder.mailrun(["reduce", "x.toml"]).args(options).run().exits(status);
        assert_eq!(ran.stdout, "", "{options:?}");
        parts.iter().for_each(|part| assert!(ran.stderr.contains(part), "{options:?}: {part}: {ran}"));
    }
}

#[test]
fn a_fault_that_does_not_show_each_time_is_named() {
    let server = FaultyServer::start(|said| {
        let odd = said[0].ends_with(['1', '3', '5', '7', '9']);
        (odd && last(said) == "NOOP").then_some(Reaction::Reply("500 5.5.0 never heard of it"))
    });
    let session =
        "server = \"smtp://unused.example\"\nstep = [ { expect = 220 }, { send = \"NOOP\", expect = 250 } ]\n";
    let folder = Folder::new().with("x.toml", session);
    let ran = reduce(&folder, &server, "x.toml", "reply.code == 500", &["--confirm", "4"]).exits(1);
    assert!(ran.stderr.contains("it holds in 2 of 4 runs of x.toml"), "{ran}");
}

#[test]
fn a_session_that_shows_the_fault_only_sometimes_is_not_taken() {
    // Without VRFY, the fault shows on some connections only.
    let server = FaultyServer::start(|said| {
        let always = said.iter().any(|line| line.starts_with("VRFY"));
        let odd = said[0].ends_with(['1', '3', '5', '7', '9']);
        (last(said) == "NOOP" && (always || odd)).then_some(Reaction::Reply("500 5.5.0 never heard of it"))
    });
    let session = "server = \"smtp://unused.example\"\n[[step]]\nexpect = 220\n[[step]]\nsend = \"VRFY\"\nexpect = 250\n[[step]]\nsend = \"NOOP\"\nexpect = 250\n";
    let folder = Folder::new().with("x.toml", session);
    let ran = reduce(&folder, &server, "x.toml", "reply.code == 500", &["--confirm", "2"]).exits(0);
    assert!(ran.stdout.contains("VRFY"), "{ran}");
    assert!(
        ran.stderr.contains("shows the fault in some of their runs only")
            || ran.stderr.contains("show the fault in some of their runs only"),
        "{ran}"
    );
}
