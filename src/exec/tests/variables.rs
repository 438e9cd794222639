//! What a server offers; variables of a step and of an include; what is said of retries; which connection is the first.

use super::server::ServerAct::{Content, Fin, Hear, Say};
use super::{run_script, run_scripts};

const GREETING: super::ServerAct = Say("220 mx ready\r\n");

#[test]
fn a_steps_variables_can_use_those_above_them() {
    for (why, steps) in [
        ("with", "{ send = 'NOOP {{ b }}', expect = 250, with = { z = 'x', b = '{{ z }}y' } }"),
        (
            "a group's with",
            "{ steps = [ { send = 'NOOP {{ b }}', expect = 250 } ], with = { a = 'x', b = '{{ a }}y' } }",
        ),
        ("an include's own", "{ include = 'chain.toml' }"),
        ("an include's own after what with gave", "{ include = 'chain.toml', with = { a = 'x' } }"),
        ("what is hidden", "{ send = 'NOOP {{ v }}', expect = 250, with = { v = '{{ v }}y' } }"),
    ] {
        let toml = format!("vars = {{ v = 'x' }}\nstep = [ {{ expect = 220 }}, {steps} ]");
        let ran = run_script(&toml, &[GREETING, Hear("NOOP xy\r"), Say("250 ok\r\n")]);
        assert_eq!(ran.outcome.status.code(), 0, "{why}: {}", ran.log);
    }
}

#[test]
fn a_default_replaces_a_value_that_cannot_be_read() {
    let failed =
        "DefaultUsed { name: SafeText(\"n\"), why: SafeText(\"the command \\\"false\\\" ended with status 1\") }";
    let allowed = "commands are not allowed";
    let table = [
        ("{ command = ['echo', 'x'], default = 'd' }", Ok("x"), "", "it is not needed"),
        ("{ command = ['false'], default = 'd' }", Ok("d"), failed, "a command that fails, and that is said"),
        ("{ command = ['false'], default = 7 }", Ok("7"), failed, "a number"),
        ("{ command = ['false'] }", Err(65), "ended with status 1", "there is none"),
        ("{ command = ['rm'], default = 'd' }", Err(65), allowed, "a command that is not allowed"),
        ("{ prompt = 'n?', default = 'd' }", Ok("d"), "", "nobody is there to be asked"),
        ("{ prompt = 'n?', default = '' }", Ok(""), "", "an empty value is one"),
        ("{ prompt = 'n?' }", Err(65), "no terminal", "nobody is there, and there is none"),
    ];
    for (source, expected, said, why) in table {
        for (place, steps) in [
            (format!("vars = {{ n = {source} }}"), "{ send = 'NOOP <{{ n }}>', expect = 250 }".to_owned()),
            (format!("secrets = {{ n = {source} }}"), "{ send = 'NOOP <{{ n }}>', expect = 250 }".to_owned()),
            (String::new(), format!("{{ send = 'NOOP <{{{{ n }}}}>', expect = 250, with = {{ n = {source} }} }}")),
        ] {
            let toml = format!("{place}\nstep = [ {{ expect = 220 }}, {steps} ]");
            let line = if expected.is_ok() { "NOOP" } else { "QUIT" };
            let ran = run_script(&toml, &[GREETING, Hear(line), Say("250 ok\r\n")]);
            let told = format!("{}{:?}", ran.log, ran.outcome.failure);
            assert!(told.contains(said) && (told.contains("DefaultUsed") == (said == failed)), "{why}: {toml}: {told}");
            match expected {
                Ok(value) => assert!(ran.wire().contains(&format!("NOOP <{value}>\r\n")), "{why}: {toml}: {told}"),
                Err(status) => assert_eq!(ran.outcome.status.code(), status, "{why}: {toml}: {told}"),
            }
        }
    }
}

#[test]
fn the_first_attempt_is_number_one() {
    let toml =
        "step = [ { expect = 220 }, { send = 'NOOP', expect = 250, retry = { times = 2, wait = '1s', on = '4xx' } } ]";
    let later = [Hear("NOOP"), Say("450 later\r\n")];
    let ran = run_script(toml, &[&[GREETING][..], &later, &later, &later].concat());
    assert_eq!(ran.outcome.status.code(), 75, "{}", ran.log);
    assert_eq!(ran.log.matches("C: NOOP").count(), 3, "sent, and sent again twice: {}", ran.log);
    assert!(ran.log.contains("attempt: 2, times: 3") && ran.log.contains("attempt: 3, times: 3"), "{}", ran.log);
}

#[test]
fn a_session_that_begins_with_connect_opens_one_connection() {
    let round = "{ connect = true }, { expect = 220 }, { send = 'QUIT', expect = 221 }";
    let server = vec![GREETING, Hear("QUIT"), Say("221 bye\r\n"), Fin];
    for (why, toml, connections) in [
        ("a step", format!("step = [ {round} ]"), 1),
        ("a group's first step", format!("step = [ {{ steps = [ {round} ], repeat = 3 }} ]"), 3),
    ] {
        let ran = run_scripts(&toml, &vec![server.clone(); connections]);
        assert_eq!((ran.outcome.status.code(), ran.wire.len()), (0, connections), "{why}: {}", ran.log);
    }
}

#[test]
fn capabilities_are_reported_whoever_wrote_the_ehlo() {
    for ehlo in ["{ ehlo = true }", "{ send = 'EHLO me', expect = 250 }", "{ pipeline = [ { ehlo = true } ] }"] {
        let ran = run_script(
            &format!("step = [ {{ expect = 220 }}, {ehlo} ]"),
            &[GREETING, Hear("EHLO me"), Say("250-mx\r\n250-size 10\r\n250 DSN\r\n"), Hear("QUIT"), Say("221 bye\r\n")],
        );
        assert!(
            ran.log.contains("Capabilities") && ran.log.contains("\"size 10\"") && ran.log.contains("DSN"),
            "{}",
            ran.log
        );
    }
}

#[test]
fn a_steps_variables_are_evaluated_for_each_repetition() {
    for steps in [
        "{ send = 'N{{ a }}', expect = 250, repeat = 2, with = { a = '{{ loop.index }}' } }",
        "{ steps = [ { send = 'N{{ a }}', expect = 250 } ], repeat = 2, with = { a = '{{ loop.index }}' } }",
    ] {
        let server = [GREETING, Hear("N1\r"), Say("250 ok\r\n"), Hear("N2\r"), Say("250 ok\r\n")];
        let ran = run_script(&format!("step = [ {{ expect = 220 }}, {steps} ]"), &server);
        assert_eq!(ran.outcome.status.code(), 0, "{}", ran.log);
    }
}

#[test]
fn always_steps_of_a_group_have_the_groups_variables_and_condition() {
    let group = "steps = [ { send = 'B', expect = 250 }, { send = 'N{{ a }}', expect = 250, always = true } ], with = { a = '1' }";
    let before = [GREETING, Hear("A"), Say("500 no\r\n")];
    let quit = [Hear("QUIT"), Say("221 bye\r\n")];
    let steps = format!("step = [ {{ expect = 220 }}, {{ send = 'A', expect = 250 }}, {{ {group} }} ]");
    let ran = run_script(&steps, &[&before[..], &[Hear("N1\r"), Say("250 ok\r\n")], &quit].concat());
    assert!(ran.outcome.status.code() == 1 && !ran.log.contains("C: B"), "{}", ran.log);
    let ran = run_script(&steps.replace("{ steps", "{ if = '1 == 2', steps"), &[&before[..], &quit].concat());
    assert!(ran.outcome.status.code() == 1 && !ran.log.contains("C: N"), "{}", ran.log);
}

#[test]
fn each_value_that_is_missing_has_its_own_place() {
    let toml = "step = [ { expect = 220 } ]\n[vars]\na = { env = 'NO_A' }\nb = '{{ a }}'\nc = { file = 'none' }\n\
                [secrets]\nd = { env = 'NO_D' }\n";
    let ran = run_script(toml, &[]);
    let failure = ran.outcome.failure.as_ref().expect("values are missing");
    let all = std::iter::once(failure).chain(&failure.details.others);
    let told: Vec<_> = all.map(|one| (one.place.line, one.cause.to_string())).collect();
    let lines: Vec<_> = told.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [5, 7, 9], "in the order of the file; what is made of one that is missing is no news: {told:?}");
    assert_eq!(ran.outcome.status.code(), 65, "the worst of them: {told:?}");
}

#[test]
fn a_value_that_the_server_did_not_send_fails_the_assert_and_is_no_error_of_the_file() {
    let ehlo = [GREETING, Hear("EHLO"), Say("250-mx\r\n250 DSN\r\n")];
    for (assert, status, words) in [
        ("ehlo.capabilities.SIZE | int > 5", 1, "ehlo.capabilities.SIZE = undefined"),
        ("reply.lines[5] == 'x'", 1, "reply.lines[5] = undefined"),
        ("reply.enhanced.x == 1", 1, "reply.enhanced = none"),
        ("tls.peer.days_left > 3", 1, "tls = none"),
        ("n.x == 1", 65, "undefined name"),
        ("'SIZE' not in ehlo.capabilities and ehlo.capabilities.SIZE | default(7) == 7", 0, ""),
    ] {
        let steps = format!("{{ expect = 220 }}, {{ ehlo = true, assert = [ \"{assert}\" ] }}");
        let ran = run_script(&format!("vars = {{ n = 3 }}\nstep = [ {steps} ]"), &ehlo);
        assert_eq!(ran.outcome.status.code(), status, "{assert}: {}", ran.log);
        assert!(ran.log.contains(words), "{assert}: {}", ran.log);
    }
}

#[test]
fn without_a_host_name_ehlo_has_the_address_of_the_connection() {
    use super::server::{ScriptedNetwork, ServerAct, VirtualClock};
    use super::{Files, Log, RunOptions, run};
    let greeted = "server = 'smtp://127.0.0.1'\nstep = [{ expect = 220 }, { ehlo = true }]";
    // The connection is opened by the step that needs its address.
    let first = "server = 'smtp://127.0.0.1'\nstep = [{ ehlo = true }]";
    for (toml, begin) in [(greeted, &[ServerAct::Say("220 mx\r\n")][..]), (first, &[])] {
        let session = crate::session::load("case.toml", toml, &Files, &[]).unwrap_or_else(|_| panic!("{toml}"));
        let (time, wire) = (VirtualClock::new(), std::rc::Rc::default());
        let end = [ServerAct::Hear("EHLO [IPv6:::1]"), ServerAct::Say("250 mx\r\n"), ServerAct::Hear("QUIT")];
        let scripts = [[begin, &end].concat()].into();
        let mut network = ScriptedNetwork { scripts, time: time.clone(), piece: usize::MAX, wire };
        let mut log = Log::default();
        let outcome = run(&session, &RunOptions::default(), &Files, &mut network, time.as_ref(), &mut log);
        assert_eq!(outcome.status.code(), 0, "{}", log.0);
    }
}

#[test]
fn a_body_file_that_cannot_be_rendered_is_found_before_connecting() {
    let toml = "step = [{ expect = 220 }, { send = 'DATA', expect = 354 }, { body = { file = 'template.eml', template = true }, expect = 250 }]\n[vars]\nuser = 'x'\n";
    let ran = run_script(toml, &[Say("220 mx\r\n"), Hear("DATA"), Say("354 go\r\n")]);
    assert_eq!((ran.outcome.status.code(), ran.wire().as_str()), (65, ""), "{}", ran.log);
    let cause = ran.outcome.failure.map(|failure| failure.cause.to_string()).unwrap_or_default();
    assert!(cause.contains("undefined name \"zork\" (template.eml:2)"), "{cause}");
    // What only the server can give is waited for.
    let known = toml.replace("user = 'x'", "user = 'x'\nzork = 'z'");
    let server = [Say("220 mx\r\n"), Hear("DATA"), Say("354 go\r\n"), Content, Say("250 ok\r\n")];
    let ran = run_script(&known, &server);
    assert_eq!(ran.outcome.status.code(), 0, "{}", ran.log);
    assert!(ran.log.contains("C: Dear x,\nC: z\nC: reply 354\n"), "{}", ran.log);
}

#[test]
fn xclient_encodes_its_values_and_marks_ipv6_addresses() {
    for (keys, line) in [
        ("addr = '192.0.2.1', helo = 'a=b+ c'", "XCLIENT ADDR=192.0.2.1 HELO=a+3Db+2B+20c\r\n"),
        ("addr = '2001:db8::1', destaddr = '::1'", "XCLIENT ADDR=IPV6:2001:db8::1 DESTADDR=IPV6:::1\r\n"),
        ("addr = 'IPV6:2001:db8::1', name = '::1'", "XCLIENT ADDR=IPV6:2001:db8::1 NAME=::1\r\n"),
        ("addr = '[UNAVAILABLE]'", "XCLIENT ADDR=[UNAVAILABLE]\r\n"),
    ] {
        let toml = format!("step = [{{ expect = 220 }}, {{ xclient = {{ {keys} }} }}]");
        let ran = run_script(&toml, &[GREETING, Hear("XCLIENT"), Say("220 mx\r\n")]);
        assert_eq!((ran.outcome.status.code(), ran.wire().as_str()), (0, line), "{}", ran.log);
    }
}
