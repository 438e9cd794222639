//! `mailrun diff`: where two servers answer differently.

use crate::cli::arguments::{DiffArguments, RunArguments};
use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::cli::sessions::diagnostics::{print_warnings, source_error};
use crate::cli::sessions::load::{LoadedSession, SessionInputs};
use crate::cli::suite_runner::network_mode::live_network;
use crate::cli::suite_runner::setup::{override_settings, run_options, trusted_certificates};
use crate::cli::suite_runner::signals::{final_status, signal_clock, stop_sources_at_signals};
use crate::event::{Cause, Outcome, Status, group_thousands};
use crate::exec;
use crate::net::SystemClock;
use crate::source::{read_argument_file, read_limited};
use crate::tools::diff::{
    DialogueCollector, DiffOptions, DiffSide, Difference, ObservedDialogue, compare, read_dialogues,
};
use crate::transcript::escape_unprintable;
use std::fmt::Write;
use std::path::Path;

/// The largest input on standard input, in bytes.
const LIMIT: u64 = 64 << 20;

/// Compares, and prints what differs.
pub fn main(arguments: &DiffArguments, origin: &dyn Fn(&str) -> String) -> Result<Status, CommandError> {
    let from_environment = origin("server") != "--server";
    match (arguments.files.as_slice(), arguments.server.as_slice()) {
        ([session], [a, b]) => compare_servers(arguments, session, [a, b], origin),
        ([a, b], []) => compare_files(a, b, arguments.text),
        // A variable that is meant for other commands.
        ([a, b], _) if from_environment => compare_files(a, b, arguments.text),
        ([_, _], _) => Err(CommandError::usage("--server is for one session, and two files were given")),
        (_, servers) => {
            let error =
                format!("diff needs two files, or a session and two servers; {} were given", count(servers.len()));
            Err(CommandError::usage(error).with_help("mailrun diff SESSION --server A --server B"))
        }
    }
}

fn count(servers: usize) -> String {
    match servers {
        0 => "one file and no server".to_owned(),
        1 => "one file and one server".to_owned(),
        more => format!("one file and {more} servers"),
    }
}

fn compare_files(a: &str, b: &str, text: bool) -> Result<Status, CommandError> {
    if a == "-" && b == "-" {
        return Err(CommandError::usage("standard input can be only one of the two files"));
    }
    let (read_a, read_b) = (read(a)?, read(b)?);
    let mut report = DiffReport::new(a, b, DiffOptions { text });
    match (read_a.as_slice(), read_b.as_slice()) {
        ([(_, one)], [(_, other)]) => report.add("", one, other),
        _ => {
            for (name, one) in &read_a {
                match read_b.iter().find(|(other, _)| other == name) {
                    Some((_, other)) => report.add(name, one, other),
                    None => report.add_missing(DiffSide::A, name),
                }
            }
            let known = |name: &String| read_a.iter().any(|(other, _)| other == name);
            read_b.iter().filter(|(name, _)| !known(name)).for_each(|(name, _)| report.add_missing(DiffSide::B, name));
        }
    }
    Ok(report.print())
}

fn read(file: &str) -> Result<Vec<(String, ObservedDialogue)>, CommandError> {
    let (name, bytes) = match file {
        "-" => ("standard input", read_limited(std::io::stdin().lock(), LIMIT, "standard input")),
        file => (file, read_argument_file(Path::new(file))),
    };
    read_dialogues(name, &bytes.map_err(source_error)?).map_err(|error| {
        let separator = if error.place.is_some() { ":" } else { ": " };
        let message = format!("{name}{separator}{error}");
        CommandError::invalid_data(escape_unprintable(message.as_bytes()))
            .with_help("diff compares transcripts (--transcript FILE) and JSON results (--json FILE); `mailrun import` reads other logs")
    })
}

fn compare_servers(
    arguments: &DiffArguments,
    session: &str,
    servers: [&String; 2],
    origin: &dyn Fn(&str) -> String,
) -> Result<Status, CommandError> {
    let clock = signal_clock();
    let seed = fastrand::u64(..);
    let mut runs = Vec::new();
    // Read once: standard input cannot be read twice.
    let mut loaded = load(arguments, session, servers[0], seed, origin, &clock)?;
    for (side, server) in [DiffSide::A, DiffSide::B].into_iter().zip(servers) {
        let (inputs, connect) = arguments.for_server(server, seed);
        let values = SessionInputs::new(&inputs, origin)?.variables;
        let ca = trusted_certificates(&connect, origin)?;
        override_settings(&connect, &mut loaded.session);
        let mut network = live_network(&connect, &clock)?;
        let all = RunArguments { inputs, connect, ..RunArguments::default() };
        let mut collector = DialogueCollector::default();
        let options = run_options(&all, values, ca);
        let outcome = exec::run(&loaded.session, &options, &loaded.files, &mut network, &clock, &mut collector);
        let dialogue = collector.finish();
        if let Some(error) = nothing_to_compare(side, server, &outcome, &dialogue) {
            return Err(error);
        }
        runs.push((outcome, dialogue));
    }
    let [(end_a, a), (end_b, b)] = runs.as_slice() else { return Ok(Status::Software) };
    let mut report = DiffReport::new(servers[0], servers[1], DiffOptions { text: arguments.text });
    report.add("", a, b);
    if let (true, Some(failure)) = (report.is_empty(), &end_a.failure) {
        let message = format!("neither server gave a reply that can be compared: {failure}");
        return Err(CommandError::new(failure.status, message));
    }
    report.add_ends(end_a, end_b);
    Ok(final_status(&clock, vec![report.print()]))
}

fn load(
    arguments: &DiffArguments,
    session: &str,
    server: &str,
    seed: u64,
    origin: &dyn Fn(&str) -> String,
    clock: &SystemClock,
) -> Result<LoadedSession, CommandError> {
    let (inputs, _) = arguments.for_server(server, seed);
    let (mut sessions, statuses) = SessionInputs::new(&inputs, origin)?.read(&[session.to_owned()])?;
    if let (true, count @ 2..) = (statuses.is_empty(), sessions.len()) {
        return Err(CommandError::usage(format!("diff runs one session, and {count} were found")));
    }
    let Some(mut loaded) = sessions.pop().filter(|_| statuses.is_empty()) else {
        return Err(CommandError::printed(Status::worst(statuses)));
    };
    if let Some(rows) = &loaded.session.rows {
        let place = loaded.session.source_map.place(&rows.span);
        let message = format!("{}:{}:{}: diff cannot run a session with [rows]", place.file, place.line, place.column);
        return Err(CommandError::invalid_data(escape_unprintable(message.as_bytes()))
            .with_help("give a session that sends one message, and set its values with --var"));
    }
    stop_sources_at_signals(std::iter::once(&mut loaded), clock);
    print_warnings(loaded.session.warnings.clone(), &loaded.session.source_map);
    Ok(loaded)
}

/// The error if a run ended before the server said anything, or because of the session's own values: that is no difference
/// between servers.
fn nothing_to_compare(
    side: DiffSide,
    server: &str,
    outcome: &Outcome,
    dialogue: &ObservedDialogue,
) -> Option<CommandError> {
    let failure = outcome.failure.as_ref()?;
    let own = matches!(failure.cause, Cause::BadValue { .. } | Cause::Unreadable { .. } | Cause::Interrupted { .. });
    (own || !dialogue.has_answers()).then(|| {
        let server = escape_unprintable(server.as_bytes());
        CommandError::new(failure.status, format!("{side} ({server}): {failure}"))
    })
}

/// What is printed.
struct DiffReport {
    options: DiffOptions,
    text: String,
    differences: usize,
    /// Replies of A that were compared.
    replies: usize,
}

impl DiffReport {
    fn new(a: &str, b: &str, options: DiffOptions) -> Self {
        let [a, b] = [a, b].map(|name| escape_unprintable(name.as_bytes()));
        Self { options, text: format!("A: {a}\nB: {b}\n"), differences: 0, replies: 0 }
    }

    /// Compares a session. Its name is empty if it is the only one.
    fn add(&mut self, name: &str, a: &ObservedDialogue, b: &ObservedDialogue) {
        self.replies += a.reply_count();
        let found: Vec<Difference> = compare(a, b, self.options);
        if !found.is_empty() && !name.is_empty() {
            let _ = writeln!(self.text, "\n{}", escape_unprintable(name.as_bytes()));
        }
        self.differences += found.len();
        found.iter().for_each(|difference| self.text += &format!("\n{difference}\n"));
    }

    /// Only one side has this session.
    fn add_missing(&mut self, side: DiffSide, name: &str) {
        self.differences += 1;
        let _ = writeln!(self.text, "\nonly {side}: {}", escape_unprintable(name.as_bytes()));
    }

    /// Whether no reply was compared and nothing differs.
    fn is_empty(&self) -> bool {
        self.replies == 0 && self.differences == 0
    }

    /// Says why runs stopped.
    fn add_ends(&mut self, a: &Outcome, b: &Outcome) {
        let words = |outcome: &Outcome| outcome.failure.as_ref().map(ToString::to_string);
        let (end_a, end_b) = (words(a), words(b));
        self.text += if end_a.is_some() || end_b.is_some() { "\n" } else { return };
        if let (true, Some(end)) = (end_a == end_b, &end_a) {
            let _ = writeln!(self.text, "both ended: {end}");
            return;
        }
        for (side, end) in [(DiffSide::A, end_a), (DiffSide::B, end_b)] {
            let end = end.unwrap_or_else(|| "passed".to_owned());
            let _ = writeln!(self.text, "{side} ended: {end}");
        }
    }

    fn print(mut self) -> Status {
        let status = if self.differences == 0 { Status::Passed } else { Status::Failed };
        let _ = match self.differences {
            0 => writeln!(self.text, "\nalike: {} replies", group_thousands(self.replies)),
            1 => writeln!(self.text, "\n1 difference"),
            more => writeln!(self.text, "\n{} differences", group_thousands(more)),
        };
        Status::worst([status, console::print(&self.text)])
    }
}
