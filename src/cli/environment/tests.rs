use super::*;
use crate::cli::arguments::{CliCommand, LedgerCommand};
use std::time::Duration;

/// Arguments, environment, what must come of them, why.
type Case<T> = (&'static [&'static str], &'static [(&'static str, &'static str)], T, &'static str);

fn read_with(line: &[&str], environment: &[(&str, &str)]) -> Result<ParsedArguments, clap::Error> {
    let arguments = std::iter::once("mailrun").chain(line.iter().copied()).map(OsString::from).collect();
    parse(arguments, &|name| environment.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value)))
}

fn run(line: &[&str], environment: &[(&str, &str)]) -> crate::cli::arguments::RunArguments {
    match read_with(line, environment).expect("the arguments are valid").arguments.command {
        CliCommand::Run(run) => *run,
        other => panic!("not run: {other:?}"),
    }
}

#[test]
fn options_come_from_the_environment() {
    let run = run(
        &["run", "a.toml"],
        &[
            ("MAILRUN_CONNECT_TIMEOUT", "3s"),
            ("MAILRUN_SEED", "7"),
            ("MAILRUN_DRY_RUN", "1"),
            ("MAILRUN_TRANSCRIPT", "-odd name.log"),
            ("MAILRUN_FILE_ROOT", "/srv/a\n\n/srv/b\r\n"),
        ],
    );
    assert_eq!(run.connect.connect_timeout, Some(Duration::from_secs(3)));
    assert_eq!(run.inputs.seed, Some(7));
    assert!(run.dry.dry_run);
    assert_eq!(run.output.transcript.as_deref(), Some(std::path::Path::new("-odd name.log")));
    assert_eq!(run.inputs.file_root, ["/srv/a", "/srv/b"].map(std::path::PathBuf::from));
}

#[test]
fn the_command_line_wins() {
    let table: [Case<()>; 5] = [
        (&["run", "--seed", "1", "a.toml"], &[("MAILRUN_SEED", "2")], (), "the same option"),
        (&["run", "--seed=1", "a.toml"], &[("MAILRUN_SEED", "nonsense")], (), "a value that is not used is not read"),
        (&["run", "--seed=1", "a.toml"], &[("MAILRUN_SEED", "")], (), "an empty variable is not set"),
        (&["run", "--seed=1", "run"], &[("MAILRUN_QUIET", "0")], (), "0 leaves a flag alone; a file may be named run"),
        (
            &["run", "--seed=1", "--verbose", "a.toml"],
            &[("MAILRUN_QUIET", "1")],
            (),
            "an option that contradicts one given",
        ),
    ];
    for (line, environment, (), why) in table {
        let run = run(line, environment);
        assert_eq!((run.inputs.seed, run.output.quiet), (Some(1), false), "{why}");
    }
}

#[test]
fn a_command_within_a_command_has_its_options_too() {
    let table: [Case<(Option<&str>, Option<&str>)>; 7] = [
        (&["ledger", "l.db", "list"], &[("MAILRUN_STATE", "sent")], (None, Some("sent")), "list"),
        (&["ledger", "l.db", "list", "--state=unknown"], &[("MAILRUN_STATE", "x")], (None, Some("unknown")), "given"),
        (&["ledger", "l.db", "list"], &[("MAILRUN_STATE", "")], (None, None), "an empty variable"),
        (&["ledger", "l.db", "export"], &[("MAILRUN_STATE", "sent")], (None, Some("sent")), "export"),
        (
            &["ledger", "l.db", "resolve", "sent"],
            &[("MAILRUN_STATE", "unknown")],
            (Some("sent"), Some("unknown")),
            "all",
        ),
        (&["ledger", "l.db", "resolve", "a", "sent"], &[("MAILRUN_STATE", "unknown")], (Some("a"), None), "a key"),
        (&["ledger", "l.db", "resolve", "--", "-a", "sent"], &[("MAILRUN_STATE", "unknown")], (Some("-a"), None), "--"),
    ];
    for (line, environment, expected, why) in table {
        let read = read_with(line, environment).unwrap_or_else(|error| panic!("{why}: {error}"));
        let CliCommand::Ledger(ledger) = read.arguments.command else { panic!("{why}: not ledger") };
        let (key, state) = match ledger.command.expect("there is one") {
            LedgerCommand::List { state } | LedgerCommand::Export { state, csv: _ } => (None, state),
            LedgerCommand::Resolve { key, state, to: _ } => (key, state),
            LedgerCommand::Merge { .. } => panic!("{why}: merge"),
        };
        assert_eq!((key.as_deref(), state.as_deref()), expected, "{why}");
    }
    let wrong = read_with(&["ledger", "l.db", "list"], &[("MAILRUN_STATE", "gone")]).expect_err("no such state");
    assert!(wrong.to_string().contains("MAILRUN_STATE"), "{wrong}");
}

#[test]
fn a_value_on_the_command_line_may_hold_line_breaks() {
    let run = run(&["run", "--var", "x=a\r\nb", "a.toml"], &[("MAILRUN_VARS", "v.toml")]);
    assert_eq!(run.inputs.var, [("x".to_owned(), "a\r\nb".to_owned())]);
    assert_eq!(run.inputs.vars.len(), 1);
}

#[test]
fn an_error_names_where_the_value_came_from() {
    let table: [Case<&str>; 5] = [
        (&["run", "a.toml"], &[("MAILRUN_TIMEOUT", "soon")], "MAILRUN_TIMEOUT", "a variable"),
        (&["run", "--timeout", "soon", "a.toml"], &[], "'--timeout <TIME>'", "the option"),
        (&["run", "a.toml"], &[("MAILRUN_DRY_RUN", "maybe")], "MAILRUN_DRY_RUN", "a flag"),
        (&["run", "a.toml"], &[("MAILRUN_COLOR", "blue")], "MAILRUN_COLOR", "one of several words"),
        (&["run", "a.toml"], &[("MAILRUN_VAR", "a=1\nb")], "MAILRUN_VAR", "a line of a list"),
    ];
    for (line, environment, name, why) in table {
        let error = read_with(line, environment).expect_err(why);
        let text = error.render().to_string();
        assert!(text.contains(name), "{why}: {text}");
        assert!(error.use_stderr(), "{why}");
    }
}

#[test]
fn origins_are_told_apart() {
    let read = read_with(&["run", "--vars", "v.toml", "a.toml"], &[("MAILRUN_CA", "ca.pem")]).expect("valid");
    assert_eq!((read.origin("vars").as_str(), read.origin("ca").as_str()), ("--vars", "MAILRUN_CA"));
}

#[test]
fn a_file_to_serve_wins_over_a_sink_in_the_environment() {
    let read = read_with(&["serve", "t.txt"], &[("MAILRUN_SINK", "mail")]).expect("valid");
    let CliCommand::Serve(serve) = read.arguments.command else { panic!("not serve") };
    assert_eq!((serve.script.is_some(), serve.sink), (true, None));
}

#[test]
fn a_command_to_serve_keeps_its_own_options() {
    let read = read_with(&["serve", "t.txt", "--", "run", "--listen", "x"], &[]).expect("valid");
    let CliCommand::Serve(serve) = read.arguments.command else { panic!("not serve") };
    assert_eq!(serve.command, ["run", "--listen", "x"]);
    assert_eq!(serve.listen, None);
}

#[test]
fn errors_name_the_problem_and_do_not_mislead() {
    // The line, the environment, what is said, what is not.
    let table: [Case<(&str, &str)>; 8] = [
        (
            &["check", "--timeout", "3s", "x"],
            &[],
            ("'--timeout' is an option of `run` and `test`", "as a value"),
            "another command's option",
        ),
        (&["check", "--timeout=3s", "x"], &[], ("is an option of `run` and `test`", "as a value"), "with its value"),
        (&["run", "--junitt", "j", "x"], &[], ("'--junit'", "is an option of"), "mistyped"),
        (
            &["run", "--seed", "-1", "x"],
            &[],
            ("invalid value '-1' for '--seed <N>': expected", "unexpected"),
            "a number",
        ),
        (
            &["run", "--timeout", "-1s", "x"],
            &[],
            ("invalid value '-1s' for '--timeout <TIME>'", "unexpected"),
            "a time",
        ),
        (
            &["run", "--retry", "-1", "x"],
            &[],
            ("invalid value '-1' for '--retry <N>': expected a whole number", "digit"),
            "our own wording",
        ),
        (
            &["serve", "--listen", "2525", "x"],
            &[],
            ("for instance 127.0.0.1:2525", "socket address syntax"),
            "no address",
        ),
        (
            &["run", "x"],
            &[("MAILRUN_DRY_RUN", "yes")],
            ("'MAILRUN_DRY_RUN (--dry-run)': expected 1 or true, or 0 or false", "Usage"),
            "the usage says nothing of a variable",
        ),
    ];
    for (line, environment, (said, unsaid), why) in table {
        let text = read_with(line, environment).expect_err(why).render().to_string();
        assert!(text.contains(said), "{why}: {text}");
        assert!(!text.contains(unsaid), "{why}: {text}");
    }
}

#[test]
fn what_decides_who_gets_mail_has_no_variable() {
    let environment = [("MAILRUN_SHOW_SECRETS", "1"), ("MAILRUN_RESEND_UNKNOWN", "1"), ("MAILRUN_TO", "x@example.com")];
    let arguments = run(&["run", "a.toml"], &environment);
    assert!(!arguments.output.show_secrets && !arguments.batch.resend_unknown);
}

#[test]
fn what_is_not_utf_8_is_named_with_its_variable() {
    let invalid = || OsString::from_vec(b"a\xff".to_vec());
    let error_of = |arguments: Vec<OsString>, variable: &'static str| {
        let parsed = parse(arguments, &|name| (name == variable).then(invalid));
        parsed.expect_err("it is not UTF-8").to_string()
    };
    let line = |last: OsString| vec!["mailrun".into(), "run".into(), last];
    assert_eq!(error_of(line(invalid()), ""), "error: not UTF-8: 'a\\xff'\n");
    let of_variable = error_of(line("s.toml".into()), "MAILRUN_TIMEOUT");
    assert_eq!(of_variable, "error: not UTF-8: 'a\\xff' in MAILRUN_TIMEOUT (--timeout)\n");
}
