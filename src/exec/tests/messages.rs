//! Mail transactions: what leaves in one write, and what becomes of each recipient.

use super::server::ServerAct::{self, Bdat, Content, Fin, Hear, Say};
use super::{RunResult, run_script};

const SETTINGS: &str =
    "from = 'a@example.com'\nsubject = 'n'\ntext = 'hi'\ndate = '2026-11-03'\nmessage_id = '<1@example.com>'\n";
const ONE: &str = "to = ['b@example.com']\n";
const TWO: &str = "to = ['b@example.com', 'c@example.com']\n";

fn begin(offers: &'static str) -> Vec<ServerAct> {
    vec![Say("220 mx\r\n"), Hear("EHLO me"), Say(offers)]
}

fn quit() -> Vec<ServerAct> {
    vec![Hear("QUIT"), Say("221 bye\r\n"), Fin]
}

/// MAIL, RCPT, DATA and their replies.
const GROUP: [ServerAct; 4] = [Hear("MAIL"), Hear("RCPT"), Hear("DATA"), Say("250 a\r\n250 b\r\n354 go\r\n")];
const PIPELINING: &str = "250-mx\r\n250 PIPELINING\r\n";
const CHUNKING: &str = "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n";

fn send(keys: &str, offers: &'static str, acts: &[ServerAct]) -> RunResult {
    run_script(&format!("[message]\n{SETTINGS}{keys}"), &[&begin(offers)[..], acts, &quit()].concat())
}

/// What each write held, by the first words of its lines; lines of content are left out.
fn writes(ran: &RunResult) -> Vec<String> {
    let mut content = false;
    let verbs = |write: &Vec<u8>| {
        let text = String::from_utf8_lossy(write).into_owned();
        let mut verbs = Vec::new();
        for line in text.lines() {
            match line.split(' ').next().unwrap_or_default() {
                "." => {
                    content = false;
                    verbs.push(".");
                }
                verb @ ("EHLO" | "MAIL" | "RCPT" | "DATA" | "RSET" | "QUIT" | "BDAT") if !content => verbs.push(verb),
                _ => {}
            }
        }
        content = content || verbs.last() == Some(&"DATA");
        verbs.join(" ")
    };
    ran.wire.iter().map(verbs).collect()
}

#[test]
fn one_message_costs_two_round_trips_and_one_with_chunking() {
    let ran = send(ONE, PIPELINING, &[&GROUP[..], &[Content, Say("250 ok\r\n")]].concat());
    assert_eq!(writes(&ran), ["EHLO", "MAIL RCPT DATA", ".", "QUIT"], "{}", ran.log);
    let ran = send(ONE, CHUNKING, &[Hear("MAIL"), Hear("RCPT"), Bdat, Say("250 a\r\n250 b\r\n250 ok\r\n")]);
    assert_eq!(writes(&ran), ["EHLO", "MAIL RCPT BDAT", "QUIT"], "{}", ran.log);
    assert_eq!(ran.outcome.status.code(), 0);
}

/// Ten messages as one step, repeated.
fn ten(extra: &str) -> String {
    let message = SETTINGS.trim_end().replace('\n', ", ");
    let step = format!("message = {{ {message}, to = 'b@example.com'{extra} }}, expect = 250, repeat = 10");
    format!("step = [ {{ expect = 220 }}, {{ ehlo = true }}, {{ {step} }}, {{ quit = true }} ]")
}

#[test]
fn ten_messages_on_one_connection_cost_one_round_trip_each() {
    let mut server = [&begin(PIPELINING)[..], &GROUP].concat();
    for _ in 1..10 {
        server.extend([Content, Hear("MAIL"), Hear("RCPT"), Hear("DATA")]);
        server.push(Say("250 ok\r\n250 a\r\n250 b\r\n354 go\r\n"));
    }
    server.extend([Content, Say("250 ok\r\n")]);
    let ran = run_script(&ten(""), &[server, quit()].concat());
    let mut turns = vec!["EHLO", "MAIL RCPT DATA"];
    turns.extend([". MAIL RCPT DATA"; 9]);
    turns.extend([".", "QUIT"]);
    assert_eq!(writes(&ran), turns, "{}", ran.log);
    assert_eq!(ran.outcome.status.code(), 0);
}

#[test]
fn ten_messages_in_chunks_cost_one_round_trip_each_with_rset_between_them() {
    // Nothing follows the first BDAT until it is accepted.
    const ALL: &str = "250 a\r\n250 b\r\n250 ok\r\n";
    let first = [Hear("MAIL"), Hear("RCPT"), Bdat];
    let mut server = [&begin(CHUNKING)[..], &first, &[Say(ALL)], &first].concat();
    let mut before = "250 a\r\n250 b\r\n250 ok\r\n250 reset\r\n250 a\r\n250 b\r\n";
    for _ in 2..10 {
        server.extend([Hear("RSET"), Hear("MAIL"), Hear("RCPT"), Say(before), Bdat]);
        before = "250 ok\r\n250 reset\r\n250 a\r\n250 b\r\n";
    }
    server.push(Say("250 ok\r\n"));
    let ran = run_script(&ten(""), &[server, quit()].concat());
    let mut turns = vec!["EHLO", "MAIL RCPT BDAT", "MAIL RCPT BDAT RSET MAIL RCPT"];
    turns.extend(["BDAT RSET MAIL RCPT"; 7]);
    turns.extend(["BDAT", "QUIT"]);
    assert_eq!(writes(&ran), turns, "{}", ran.log);
    assert_eq!(ran.outcome.status.code(), 0);
}

#[test]
fn a_message_sees_no_variables_of_the_step_before_it() {
    let message = format!(
        "message = {{ {}, to = '{{{{ who }}}}@example.com' }}, expect = 250",
        SETTINGS.trim_end().replace('\n', ", ")
    );
    let toml = format!(
        "vars = {{ who = 'all' }}\nstep = [ {{ expect = 220 }}, {{ ehlo = true }}, {{ {message}, with = {{ who = 'own' }} }}, {{ {message} }}, {{ quit = true }} ]"
    );
    let group = |rcpt| [Hear("MAIL"), Hear(rcpt), Hear("DATA"), GROUP[3].clone(), Content, Say("250 ok\r\n")];
    let server = [&begin(PIPELINING)[..], &group("RCPT TO:<own@"), &group("RCPT TO:<all@"), &quit()].concat();
    let ran = run_script(&toml, &server);
    assert_eq!(ran.outcome.status.code(), 0, "{}", ran.log);
    assert_eq!(writes(&ran), ["EHLO", "MAIL RCPT DATA", ".", "MAIL RCPT DATA", ".", "QUIT"], "{}", ran.log);
}

#[test]
fn a_refused_message_withdraws_the_next_envelope_without_a_dot() {
    let acts = [Content, Hear("MAIL"), Hear("RCPT"), Hear("DATA"), Say("554 spam\r\n250 a\r\n250 b\r\n354 go\r\n")];
    let ran = run_script(&ten(""), &[&begin(PIPELINING)[..], &GROUP, &acts].concat());
    assert_eq!(ran.outcome.status.code(), 1, "{}", ran.log);
    assert_eq!(writes(&ran), ["EHLO", "MAIL RCPT DATA", ". MAIL RCPT DATA"], "{}", ran.log);
    assert!(ran.log.contains("S: 354 go\n*: closed\n"), "{}", ran.log);
}

#[test]
fn messages_differ_by_their_message_ids() {
    let mut server = [&begin(PIPELINING)[..], &GROUP].concat();
    for _ in 1..10 {
        server.extend([Content, Hear("MAIL"), Hear("RCPT"), Hear("DATA")]);
        server.push(Say("250 ok\r\n250 a\r\n250 b\r\n354 go\r\n"));
    }
    server.extend([Content, Say("250 ok\r\n")]);
    let toml = ten("").replace("message_id = '<1@example.com>', ", "");
    // The ids differ from run to run: no comparing over chunk sizes here.
    let ran = super::run_in_pieces(&toml, &[[server, quit()].concat()], usize::MAX);
    let wire = ran.wire();
    let ids: std::collections::HashSet<&str> = wire.lines().filter(|line| line.starts_with("Message-ID: ")).collect();
    assert_eq!(ids.len(), 10, "{wire}");
}

#[test]
fn rset_comes_before_the_transaction_after_a_refused_chunk() {
    let message = "message = { from = 'a@example.com', to = 'b@example.com', text = 'hi', date = '2026-11-03', message_id = '<1@x>' }";
    let steps = format!(
        "{{ {message}, expect = 250, on_fail = 'continue' }}, {{ send = 'NOOP', expect = 250 }}, {{ {message}, expect = 250 }}"
    );
    let toml = format!("step = [ {{ expect = 220 }}, {{ ehlo = true }}, {steps}, {{ quit = true }} ]");
    for refused in ["250 a\r\n550 b\r\n503 c\r\n", "250 a\r\n250 b\r\n550 c\r\n"] {
        let server = [
            Hear("MAIL"),
            Hear("RCPT"),
            Bdat,
            Say(refused),
            Hear("NOOP"),
            Say("250 ok\r\n"),
            Hear("RSET"),
            Hear("MAIL"),
            Hear("RCPT"),
            Bdat,
            Say("250 r\r\n250 a\r\n250 b\r\n250 ok\r\n"),
        ];
        let ran = run_script(&toml, &[&begin(CHUNKING)[..], &server, &quit()].concat());
        assert_eq!(ran.outcome.status.code(), 1, "{}", ran.log);
        assert!(ran.log.contains("b@example.com Accepted: 250 ok\n"), "{}", ran.log);
    }
}

struct Case {
    why: &'static str,
    keys: &'static str,
    offers: &'static str,
    server: &'static [ServerAct],
    status: u8,
    has: &'static [&'static str],
    lacks: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        why: "MAIL refused: nothing is said against the recipient, and a 354 gets a lone dot",
        keys: ONE,
        offers: PIPELINING,
        server: &[
            Hear("MAIL"),
            Hear("RCPT"),
            Hear("DATA"),
            Say("550 no\r\n503 b\r\n354 go\r\n"),
            Content,
            Say("554 none\r\n"),
        ],
        status: 1,
        has: &["b@example.com Deferred: 550 no\n", "C: .\nS: 554 none\n"],
        lacks: &["C: Subject", "Refused"],
    },
    Case {
        why: "with abort and several recipients DATA waits, and those that were accepted are told too",
        keys: TWO,
        offers: PIPELINING,
        server: &[Hear("MAIL"), Hear("RCPT"), Hear("RCPT"), Say("250 a\r\n250 b\r\n550 c\r\n")],
        status: 1,
        has: &[
            "c@example.com Refused: 550 c\n",
            "b@example.com Deferred: not sent, since another recipient was refused\n",
        ],
        lacks: &["C: DATA"],
    },
    Case {
        why: "a chunk after recipients of whom none was taken",
        keys: ONE,
        offers: CHUNKING,
        server: &[Hear("MAIL"), Hear("RCPT"), Bdat, Say("250 a\r\n450 b\r\n503 c\r\n")],
        status: 75,
        has: &["b@example.com Deferred: 450 b\n"],
        lacks: &["Unknown", "Accepted"],
    },
    Case {
        why: "the last octet left and no reply came",
        keys: ONE,
        offers: CHUNKING,
        server: &[Hear("MAIL"), Hear("RCPT"), Bdat, Say("250 a\r\n"), Fin],
        status: 74,
        has: &["b@example.com Unknown: no reply came to the content\n"],
        lacks: &["QUIT\n"],
    },
    Case {
        why: "the connection ends after MAIL's refusal: nothing can have been delivered",
        keys: ONE,
        offers: CHUNKING,
        server: &[Hear("MAIL"), Hear("RCPT"), Bdat, Say("451 later\r\n"), Fin],
        status: 75,
        has: &["b@example.com Deferred: 451 later\n"],
        lacks: &["Unknown"],
    },
    Case {
        why: "PRDR: each recipient has its own reply, and then comes one for all",
        keys: "to = ['b@example.com', 'c@example.com']\nprdr = true\n",
        offers: "250-mx\r\n250-PIPELINING\r\n250 PRDR\r\n",
        server: &[
            Hear("MAIL FROM:<a@example.com> PRDR\r\n"),
            Hear("RCPT"),
            Hear("RCPT"),
            Say("250 a\r\n250 b\r\n250 c\r\n"),
            Hear("DATA"),
            Say("354 go\r\n"),
            Content,
            Say("353 wait\r\n250 b\r\n550 c\r\n250 queued as 4F2A\r\n"),
        ],
        status: 1,
        has: &["b@example.com Accepted: 250 b\n", "c@example.com Refused: 550 c\n", "Some(SafeText(\"4F2A\"))"],
        lacks: &[],
    },
    Case {
        why: "PRDR: what the last reply refuses nobody has",
        keys: "to = ['b@example.com']\nprdr = true\n",
        offers: "250-mx\r\n250-PIPELINING\r\n250 PRDR\r\n",
        server: &[
            Hear("MAIL"),
            Hear("RCPT"),
            Hear("DATA"),
            Say("250 a\r\n250 b\r\n354 go\r\n"),
            Content,
            Say("353 wait\r\n250 b\r\n452 full\r\n"),
        ],
        status: 75,
        has: &["b@example.com Deferred: 452 full\n"],
        lacks: &["Accepted"],
    },
    Case {
        why: "too large for the server",
        keys: ONE,
        offers: "250-mx\r\n250 SIZE 10\r\n",
        server: &[],
        status: 78,
        has: &["failed: server lacks room"],
        lacks: &["C: MAIL"],
    },
    Case {
        why: "all that the server lacks is named at once",
        keys: "to = ['bärbel@example.com']\n",
        offers: "250-mx\r\n250 SIZE 10\r\n",
        server: &[],
        status: 78,
        has: &[
            "SIZE 10); and 8BITMIME, which the message needs; and SMTPUTF8, which the message's addresses or headers",
        ],
        lacks: &["C: MAIL"],
    },
    Case {
        why: "text beyond ASCII is encoded for a server without 8BITMIME",
        keys: "to = ['b@example.com']\nhtml = '<p>Grüße</p>'\n",
        offers: "250 mx\r\n",
        server: &[
            Hear("MAIL FROM:<a@example.com>\r\n"),
            Say("250 a\r\n"),
            Hear("RCPT"),
            Say("250 b\r\n"),
            Hear("DATA"),
            Say("354 go\r\n"),
            Content,
            Say("250 ok\r\n"),
        ],
        status: 0,
        has: &["C: Content-Transfer-Encoding: base64\n"],
        lacks: &["Grüße"],
    },
    Case {
        why: "a reply too many is found before content is sent",
        keys: ONE,
        offers: PIPELINING,
        server: &[Hear("MAIL"), Hear("RCPT"), Hear("DATA"), Say("250 a\r\n250 b\r\n354 go\r\n250 what\r\n")],
        status: 76,
        has: &["unsolicited input", "b@example.com Deferred"],
        lacks: &["C: Subject", "C: QUIT"],
    },
];

#[test]
fn every_end_of_a_transaction_has_its_status_and_outcomes() {
    for case in CASES {
        let ran = send(case.keys, case.offers, case.server);
        assert_eq!(ran.outcome.status.code(), case.status, "{}\n{}", case.why, ran.log);
        for text in case.has {
            assert!(ran.log.contains(text), "{}: no {text:?} in\n{}", case.why, ran.log);
        }
        for text in case.lacks {
            assert!(!ran.log.contains(text), "{}: {text:?} in\n{}", case.why, ran.log);
        }
    }
}

#[test]
fn retry_follows_the_deciding_reply_and_sends_nothing_twice() {
    let group = [Hear("MAIL"), Hear("RCPT TO:<b@"), Hear("RCPT TO:<c@"), Hear("DATA")];
    let reset = [&[Hear("RSET")], &group[..]].concat();
    let end = "250 r\r\n250 a\r\n250 b\r\n250 c\r\n354 go\r\n";
    let sent = [&reset[..], &[Say(end), Content, Say("250 ok\r\n")]].concat();
    let taken = [&group[..], &[Say("250 a\r\n250 b\r\n451 c\r\n354 go\r\n"), Content, Say("250 ok\r\n")]].concat();
    let refused = |replies| [&group[..], &[Say(replies)]].concat();
    let table = [
        (refused("451 a\r\n503 b\r\n503 c\r\n503 d\r\n"), true, "503 follows from MAIL's refusal"),
        (refused("250 a\r\n451 b\r\n451 c\r\n503 d\r\n"), true, "503 follows from both recipients' refusal"),
        (refused("250 a\r\n550 b\r\n451 c\r\n503 d\r\n"), false, "the first refusal decides"),
        (taken, false, "one recipient has the message"),
    ];
    let keys = format!("{SETTINGS}{TWO}on_refused = 'skip'").trim_end().replace('\n', ", ");
    let retry = "{ times = 1, wait = '1s', on = '4xx' }";
    let toml = format!("step = [{{ login = true }}, {{ message = {{ {keys} }}, retry = {retry} }}, {{ quit = true }}]");
    for (first, again, why) in table {
        let second = if again { &sent[..] } else { &[] };
        let ran = run_script(&toml, &[&begin(PIPELINING)[..], &first, second, &quit()].concat());
        assert_eq!(ran.log.matches("C: MAIL").count(), 1 + usize::from(again), "{why}\n{}", ran.log);
        assert_eq!(ran.outcome.status.code() == 0, again, "{why}\n{}", ran.log);
    }
}

#[test]
fn an_eml_file_with_8_bits_is_not_encoded_again() {
    let toml = "[message]\neml = 'eight.eml'\nfrom = 'a@example.com'\nto = 'b@example.com'\n";
    let ran = run_script(toml, &[begin("250 mx\r\n"), quit()].concat());
    assert_eq!(ran.outcome.status.code(), 78, "{}", ran.log);
    let cause = ran.outcome.failure.map(|failure| format!("{:?}", failure.cause)).unwrap_or_default();
    assert!(cause.contains("8BITMIME, which the message needs") && cause.contains("encode its parts"), "{cause}");
    assert!(!ran.log.contains("C: MAIL"), "{}", ran.log);
}

#[test]
fn large_content_is_sent_in_chunks_up_to_a_refused_one() {
    let keys = "to = 'b@example.com'\ntext = { file = 'huge.txt' }\n";
    let settings = SETTINGS.replace("text = 'hi'\n", "");
    let toml = format!("[message]\n{settings}{keys}");
    let offers = "250-mx\r\n250 CHUNKING\r\n";
    let envelope = [Hear("MAIL"), Say("250 a\r\n"), Hear("RCPT"), Say("250 b\r\n"), Bdat];
    let all = [Say("250 1\r\n"), Bdat, Say("250 2\r\n"), Bdat, Say("250 3\r\n")];
    let run_script = |acts: &[ServerAct]| {
        super::run_in_pieces(&toml, &[[&begin(offers)[..], &envelope, acts, &quit()].concat()], usize::MAX)
    };
    let ran = run_script(&all);
    assert_eq!(ran.outcome.status.code(), 0);
    assert_eq!((ran.log.matches("C: BDAT ").count(), ran.log.matches(" LAST\n").count()), (3, 1));
    assert!(!ran.log.contains("\\c\n"), "chunks end with a line");
    let ran = run_script(&[Say("552 full\r\n")]);
    assert_eq!(ran.outcome.status.code(), 1);
    assert!(!ran.log.contains(" LAST\n") && ran.log.contains("b@example.com Refused: 552 full\n"));
}
