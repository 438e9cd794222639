//! Valid session files.

use super::{Files, good};
use crate::session::*;
use std::time::Duration;

/// A file with every key.
pub(in crate::session) const EVERY_KEY: &str = r#"
description = "everything at {{ host }}"
server = "smtp://{{ host }}:2525"
client_name = "client.example"
timeout = "20s"
connect_timeout = "10s"
source = "127.0.0.1"
tags = ["smoke", "tls"]
requires = ["CHUNKING", "AUTH PLAIN"]
xfail = "not yet"

[vars]
host = "mx.example.com"
port = 25
ratio = 0.5
yes = true
home = { env = "HOME", default = "/" }
motd = { file = "{{ host }}.txt", template = true, charset = "windows-1252", default = "" }
date = { command = ["date", "+%F"] }
login = { netrc = "login" }
asked = { prompt = "name?" }
rows_of = { csv = "x.csv", delimiter = ";", encoding = "utf-16le" }
tree = { json = "x.json" }

[secrets]
pw = { env = "PW" }
token = { command = ["token"], refresh = "50m" }

[tls]
ca = "ca.pem"
system_roots = false
verify = true
server_name = "mx.example.com"
min_version = "1.2"
max_version = "1.3"
ciphers = "HIGH"
security_level = 1
client_cert = "c.pem"
client_key = "k.pem"
alpn = ["smtp"]
starttls = "opportunistic"

[auth]
mechanism = "plain"
user = "u"
password = "{{ pw }}"
token = "{{ pw }}"
authzid = "z"
initial_response = false
allow_plaintext = true

[dkim]
domain = "example.com"
selector = "s2026"
key = { file = "dkim.pem" }
headers = ["From", "Subject"]
[message]
from = "Sender <a@example.com>"
to = ["b@example.com", "{{ host }}"]
cc = "c@example.com"
bcc = ["d@example.com"]
reply_to = [{ name = "E", address = "e@example.com" }]
subject = "s"
date = "{{ now() | rfc5322 }}"
message_id = "<1@example.com>"
headers = { X-Zulu = "1", X-Alpha = "2" }
text = { file = "t.txt", template = true }
envelope_from = "<>"
envelope_to = ["f@example.com"]
params = { mail = "RET=HDRS", rcpt = "NOTIFY=NEVER" }
pipelining = false
chunking = false
prdr = false
on_refused = "skip"

[[open]]
proxy = { version = 1, source = "192.0.2.1:4000", destination = "192.0.2.2:25" }
[[open]]
expect = 220
[[open]]
xclient = { name = "n", addr = "192.0.2.1", port = 4000, proto = "ESMTP", helo = "h", login = "l", destaddr = "d", destport = 25 }
[[open]]
ehlo = true
[[open]]
starttls = "required"
inject_check = false
[[open]]
login = true

[[step]]
name = "say {{ who }}"
send = "NOOP {{ who }}"
expect = [250, "25x", "close"]
assert = ["reply.code == 250", "who is defined"]
timeout = "5s"
delay = "10ms"
if = "ehlo.size > 0"
repeat = 3
retry = { times = 3, wait = "60s", on = "4xx" }
on_fail = "continue"
chunk = { size = 1, every = "10ms" }
always = true
with = { who = "me" }
on = "second"
[step.capture]
zulu = 'queued as (\w+)'
alpha = "x"

[[step]]
send = "{{ zulu }}{{ alpha }}"
expect = { code = [250, "25x"], enhanced = "2.x.x", text = 'ok {{ zulu }}', lines = 1 }
[[step]]
raw = "a{{ host }}\u0000"
[[step]]
raw = { hex = "4e 4F" }
[[step]]
raw = { base64 = "TkY=" }
expect = "malformed"
[[step]]
raw = { file = "x.bin" }
expect = "silence"
[[step]]
helo = "h"
expect = "any"
[[step]]
lhlo = "{{ host }}"
[[step]]
starttls = true
[[step]]
starttls = "opportunistic"
[[step]]
tls = true
[[step]]
auth = true
[[step]]
auth = { user = "u", password = "{{ pw }}" }
[[step]]
message = true
[[step]]
message = { from = "a@b.c", to = "d@e.f", text = "x", html = { file = "x.html" }, attach = ["a.pdf", { file = "l.png", name = "logo.png", type = "image/png", inline = "logo" }] }
[[step]]
message = { eml = "mail.eml", envelope_to = "d@e.f" }
[[step]]
body = { file = "mail.eml", template = false }
dot_stuffing = false
expect = 250
[[step]]
pipeline = [ { send = "A", expect = 250 }, { raw = "x" }, { ehlo = true }, { quit = true, expect = "close" } ]
[[step]]
steps = [ { sleep = "2s" }, { steps = [ { connect = true } ] } ]
if = "true"
repeat = 2
with = { x = 1 }
on_fail = "quit"
on = "b"
name = "group"
[[step]]
raw = ["a", { hex = "0a" }]
[[step]]
bdat = { base64 = "AA==" }
last = true
on = "c"
server = "smtp://{{ host }}"
[[step]]
proxy = { local = true }
on = "p"
[[step]]
proxy = { unknown = true }
on = "p"
[[step]]
close = true
[[step]]
close = "reset"
[[step]]
close = "write"

[[close]]
quit = true
"#;

#[test]
fn every_key_of_the_tables_is_read() {
    let session = good(EVERY_KEY);
    assert!(session.warnings.is_empty(), "{:?}", session.warnings);
    let later = ["rows", "retry", "include"];
    for table in TABLES.iter().filter(|table| !["[rows]", "\"exclude\"", "[retry]"].contains(&table.title)) {
        for key in table.keys.iter().filter(|key| !later.contains(&key.name)) {
            assert!(EVERY_KEY.contains(key.name), "{} of {} is not in the file", key.name, table.title);
        }
    }
}

#[test]
fn the_file_order_is_kept() {
    let session = good(EVERY_KEY);
    let names: Vec<_> = session.vars.iter().map(|variable| variable.name.as_str()).collect();
    assert_eq!(names, ["host", "port", "ratio", "yes", "home", "motd", "date", "login", "asked", "rows_of", "tree"]);
    let headers = session.message.map(|message| message.headers).unwrap_or_default();
    assert_eq!(headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["X-Zulu", "X-Alpha"]);
    let captures: Vec<_> = session.steps[0].captures.iter().map(|capture| capture.name.as_str()).collect();
    assert_eq!(captures, ["zulu", "alpha"]);
}

#[test]
fn settings_are_read() {
    let session = good(EVERY_KEY);
    assert_eq!(session.name, "case.toml");
    assert_eq!(session.timeout, Some(Duration::from_secs(20)));
    assert_eq!(session.connect_timeout, Duration::from_secs(10));
    assert_eq!(session.requires, ["CHUNKING", "AUTH PLAIN"]);
    assert_eq!(session.xfail.as_deref(), Some("not yet"));
    assert_eq!(session.tls.min_version, Some(TlsVersion::Tls12));
    assert_eq!(session.tls.starttls, Some(StarttlsPolicy::Opportunistic));
    assert!(session.has_tls && !session.tls.system_roots && session.tls.verify);
    let auth = session.auth.expect("[auth] stands");
    assert!(!auth.initial_response && auth.allow_plaintext);
    let message = session.message.expect("[message] stands");
    assert_eq!(message.on_refused, RefusalPolicy::Skip);
    assert!(!message.pipelining && !message.chunking);
}

#[test]
fn a_step_is_read_with_its_modifiers() {
    let session = good(EVERY_KEY);
    let step = &session.steps[0];
    assert_eq!(step.repeat, Some(3));
    assert_eq!(step.on_fail, FailurePolicy::Continue);
    assert_eq!(step.chunk, Some(Chunk { size: 1, every: Duration::from_millis(10) }));
    assert_eq!(step.on.as_deref(), Some("second"));
    assert!(step.always && !step.implied);
    assert_eq!(step.expect.as_ref().map(|expect| expect.words.as_str()), Some("250 or 25x or close"));
    assert_eq!(step.retry.as_ref().map(|retry| (retry.times, retry.wait)), Some((3, Duration::from_secs(60))));
}

#[test]
fn both_forms_of_steps_are_the_same() {
    let table = good("[[step]]\nexpect = 220\n[[step]]\nsend = \"QUIT\"\nexpect = 221\n");
    let inline =
        good("step = [\n  { expect = 220, },\n  {\n    send = \"QUIT\", # a comment\n    expect = 221,\n  },\n]\n");
    let shape = |session: &Session| {
        let steps = session.steps.iter();
        steps
            .map(|step| (format!("{:?}", step.action).len() > 4, step.expect.as_ref().map(|e| e.words.clone())))
            .collect()
    };
    let (table, inline): (Vec<_>, Vec<_>) = (shape(&table), shape(&inline));
    assert_eq!(table, inline);
    assert_eq!(table.len(), 2);
}

#[test]
fn actions_have_default_expectations() {
    let table = [
        ("ehlo = true", "250"),
        ("helo = true", "250"),
        ("lhlo = true", "250"),
        ("starttls = true", "220"),
        ("auth = { mechanism = \"EXTERNAL\" }", "235"),
        ("message = { from = \"a@b.c\", to = \"d@e.f\" }", "250"),
        ("quit = true", "221"),
        ("xclient = { addr = \"192.0.2.1\" }", "220"),
    ];
    for (action, words) in table {
        let session = good(&format!("[[step]]\n{action}\n"));
        let expect = session.steps[0].expect.as_ref().map(|expect| expect.words.as_str());
        assert_eq!(expect, Some(words), "{action}");
    }
    assert!(good("[[step]]\nraw = \"x\"\n").steps[0].expect.is_none(), "raw reads nothing by itself");
}

const MESSAGE: &str = "[message]\nfrom = \"a@b.c\"\nto = \"d@e.f\"\n";

#[test]
fn a_message_implies_missing_sections() {
    let session = good(MESSAGE);
    assert!(matches!(session.open[..], [Step { action: Action::Login, implied: true, .. }]));
    assert!(matches!(session.steps[..], [Step { action: Action::Message(_), implied: true, .. }]));
    assert!(matches!(session.close[..], [Step { action: Action::Quit, implied: true, .. }]));
    assert_eq!(session.close[0].expect.as_ref().map(|expect| expect.words.as_str()), Some("221 or close"));
    assert_eq!(session.source_map.place(&session.open[0].span).line, 1, "implied steps stand at [message]");

    let session = good(&format!("{MESSAGE}[[step]]\nsend = \"NOOP\"\nexpect = 250\n"));
    assert!(session.open[0].implied && !session.steps[0].implied && session.close[0].implied);

    let session = good(&format!("{MESSAGE}[[open]]\nexpect = 220\n[[close]]\nclose = true\n"));
    assert!(!session.open[0].implied && session.steps[0].implied && !session.close[0].implied);
}

#[test]
fn a_date_may_stand_without_quotes() {
    let table = [
        ("2026-11-03", "2026-11-03"),
        ("2026-11-03T08:00:00Z", "2026-11-03T08:00:00Z"),
        ("2026-11-03 08:00:00", "2026-11-03T08:00:00"),
        ("1_793_692_800", "1793692800"),
        ("\"Tue, 3 Nov 2026 08:00 +0100\"", "Tue, 3 Nov 2026 08:00 +0100"),
    ];
    for (written, date) in table {
        let session = good(&format!("{MESSAGE}date = {written}\n"));
        let Action::Message(message) = &session.steps[0].action else { panic!("a message is implied") };
        assert_eq!(message.date.as_ref().map(|date| date.source.as_str()), Some(date), "{written}");
    }
}

#[test]
fn a_variable_can_have_the_name_of_a_function_with_a_warning() {
    let steps = "step = [{ expect = 220, capture = { now = 'x' } }, { send = '{{ now }} {{ uuid }} {{ hostname() }}', expect = 250 }]\n";
    let session = good(&format!("vars = {{ uuid = 1 }}\n{steps}"));
    let warnings: Vec<_> = session.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(warnings, ["\"uuid\" hides the function of this name", "\"now\" hides the function of this name"]);
    let Action::Send(line) = &session.steps[1].action else { panic!("it sends a line") };
    assert_eq!(session.templates.names(line), ["now", "uuid"], "it uses both, and a function");
}

#[test]
fn html_alone_is_sent_with_a_warning() {
    let session = good(&format!("{MESSAGE}html = \"<p>\"\n"));
    let warnings: Vec<_> = session.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(warnings, ["\"html\" without \"text\""]);
}

#[test]
fn without_a_message_nothing_is_implied() {
    let session = good("[[step]]\nexpect = 220\n");
    assert!(session.open.is_empty() && session.close.is_empty());
}

#[test]
fn a_first_step_can_wait_for_the_greeting_of_another_connection() {
    good(&format!("{MESSAGE}[[step]]\non = \"b\"\nexpect = 220\n"));
}

#[test]
fn names_are_defined_from_their_definition_on() {
    let table = [
        (
            "[[open]]\nexpect = 220\ncapture = { a = 'x' }\n[[step]]\nsend = \"{{ a }}\"\nexpect = 250",
            "by an earlier list",
        ),
        (
            "[[step]]\nif = \"false\"\nexpect = 220\ncapture = { a = 'x' }\n[[step]]\nsend = \"{{ a }}\"\nexpect = 250",
            "perhaps",
        ),
        (
            "[[step]]\nexpect = 220\ncapture = { a = 'x' }\nassert = [\"a == 'x'\"]",
            "by the step itself, for its asserts",
        ),
        ("[[step]]\nwith = { b = \"x\" }\nsteps = [ { send = \"{{ b }}\", expect = 250 } ]", "by the group"),
        (
            "[[step]]\nsend = \"{% for a in [1] %}{{ loop.index }}{% endfor %}\"\nexpect = 250",
            "`loop` of a template's own loop",
        ),
        (
            "[[step]]\nrepeat = 2\nsteps = [ { send = \"{{ a }}\", if = \"loop.index > 1\", expect = 250, capture = { a = 'x' } } ]",
            "by the last time round",
        ),
        ("[[step]]\nsend = \"{% for x in [1] %}{{ x }}{% endfor %}\"\nexpect = 250", "by the template"),
        ("[[step]]\nsend = \"{{ nobody | default('x') }}\"\nexpect = 250", "or not needed"),
    ];
    for (text, why) in table {
        assert!(super::read(text).is_ok(), "{why}: {}", super::wrong(text));
    }
}

#[test]
fn a_name_ends_with_its_step() {
    let shown = super::wrong("step = [ { quit = true, with = { a = 1 } }, { send = \"{{ a }}\", expect = 250 } ]");
    assert!(shown.contains("nothing defines the name \"a\""), "{shown}");
}

#[test]
fn names_of_the_command_line_are_defined() {
    let text = "[[step]]\nsend = \"{{ who }}\"\nexpect = 250\n";
    assert!(load("x", text, &Files::default(), &["who".to_owned()]).is_ok());
}

#[test]
fn a_byte_order_mark_and_crlf_are_fine() {
    let session = good("\u{feff}description = \"x\"\r\n[[step]]\r\nexpect = 220\r\n");
    assert_eq!(session.source_map.place(&session.steps[0].span).line, 2);
    assert!(super::wrong("\u{feff}colour = 1").starts_with("case.toml:1:1: error"));
}

#[test]
fn an_expectation_may_be_one_of_several_tables() {
    let session = good("[[step]]\nexpect = [220, { code = 554, text = 'busy' }, \"close\"]\n");
    let words = session.steps[0].expect.as_ref().map(|expect| expect.words.as_str());
    assert_eq!(words, Some("220 or 554, text matching \"busy\" or close"));
}
