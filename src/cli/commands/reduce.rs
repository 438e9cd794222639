//! `mailrun reduce`: finds the smallest session that still shows a fault.

use crate::cli::arguments::{ReduceArguments, RunArguments};
use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::cli::output::progress::ProgressLine;
use crate::cli::sessions::content_abroad::content_abroad;
use crate::cli::sessions::diagnostics::print_diagnostics;
use crate::cli::sessions::load::{LoadResult, LoadedSession, SessionInputs};
use crate::cli::suite_runner::setup::override_settings;
use crate::cli::suite_runner::signals::final_status;
use crate::cli::suite_runner::suite::Suite;
use crate::event::{Event, Fact, Failure, Observer, Status};
use crate::exec::{Clock, PreparedSession, RunOptions};
use crate::net::SystemClock;
use crate::session::{Session, ShowOptions, Sources, Value, ValueSource, Variable, load, show};
use crate::tools::reduce::{
    FaultCondition, FaultRuns, FaultSighting, LastRun, Reducer, RememberedSources, RunTally, SessionDocument,
    StepState, WholeSession, replace_literal_secrets, step_count,
};
use crate::transcript::escape_unprintable;

/// Reduces the session. `origin` says where an option came from, for errors.
pub fn main(arguments: &ReduceArguments, origin: &dyn Fn(&str) -> String) -> Result<Status, CommandError> {
    let condition = FaultCondition::compile(&arguments.condition)
        .map_err(|errors| CommandError::printed(print_diagnostics(&errors)))?;
    let run = RunArguments {
        sessions: vec![arguments.session.clone()],
        inputs: arguments.inputs.clone(),
        connect: arguments.connect.clone(),
        ..RunArguments::default()
    };
    let (suite, mut network) = Suite::open_sessions(&run, origin, &|inputs| read_session(inputs, arguments))?;
    let Suite { sessions, runner, .. } = suite;
    let loaded = match sessions.first() {
        Some(Ok(loaded)) => loaded,
        Some(Err(failure)) => return Ok(failure.status),
        None => return Ok(Status::NoInput),
    };
    let mut options = runner.options;
    // From here on the values of the command line are in the text.
    let variables = std::mem::take(&mut options.variables);
    let is_given = |name: &String| variables.iter().any(|(given, _)| given == name);
    let is_literal = |name: &String| loaded.session.vars.iter().any(|known| known.name == *name && has_literal(known));
    let mut shown_secrets: Vec<String> = loaded.session.secret_names().into_iter().collect();
    shown_secrets.retain(|name| is_given(name) || is_literal(name));
    let document = editable_document(loaded, &arguments.inputs.server, variables)?;
    let sources = RememberedSources::new(&loaded.files);
    let name = loaded.path.name();
    let load = |text: &str| {
        let mut session = load(&name, text, &loaded.files, &[]).ok()?;
        override_settings(&arguments.connect, &mut session);
        Some(session)
    };
    let (text, numbers, all_steps) = (document.text(), document.step_numbers(), step_count(&document));
    let Some(whole) = load(&text) else {
        return Err(CommandError::invalid_data(format!("{}: the session cannot be written out", shown(&name))));
    };
    check_destination(&whole, &options, &sources, &runner.clock, arguments)?;

    let started = runner.clock.now();
    let mut line = ProgressLine::default();
    let mut progress = |runs: u64, steps: usize| {
        let elapsed = runner.clock.now().saturating_duration_since(started);
        let text = format!("reducing: {}, {runs} runs, {} s", count(steps, "step"), elapsed.as_secs());
        line.draw_text(elapsed, |width| text.chars().take(width).collect());
    };
    let mut runs = FaultRuns {
        condition: &condition,
        load: &load,
        options: &options,
        sources: &sources,
        network: network.network_for(loaded, &options),
        clock: &runner.clock,
        confirm: arguments.confirm.into(),
        progress: &mut progress,
        tally: RunTally::default(),
    };
    let whole = runs.run_whole(&text, &numbers);
    if let Some(ended) = not_reducible(whole, &condition, &name, arguments) {
        line.erase();
        return match ended {
            Some(error) => Err(error),
            None => Ok(final_status(&runner.clock, Vec::new())),
        };
    }
    let mut reducer = Reducer::new(document, &mut runs);
    let is_stopped = reducer.reduce().is_err();
    let mut smallest = reducer.best().clone();
    let last = if runner.clock.interrupted().is_some() { LastRun::Interrupted } else { runs.run_smallest() };
    let tally = runs.tally;
    line.erase();
    let steps = [all_steps, step_count(&smallest)];
    let hidden = replace_literal_secrets(&mut smallest, &shown_secrets);
    let remark = match &last {
        LastRun::Faultless(failure) => Some(format!("Not confirmed: {}.", faultless_remark(failure.as_deref()))),
        LastRun::Interrupted => Some("Interrupted: a smaller session may show it too.".to_owned()),
        LastRun::Faulty if is_stopped => Some("Interrupted: a smaller session may show it too.".to_owned()),
        LastRun::Faulty => None,
    };
    let heading = heading(&condition, &name, steps, &tally, &hidden, remark);
    let printed = console::print(&smallest.text_with_heading(&heading));
    console::print_line(&summary(steps, &tally));
    if tally.flaky > 0 {
        console::warning(&flaky_remark(&tally));
    }
    if let LastRun::Faultless(failure) = last {
        let status = failure.as_ref().map_or(Status::Failed, |failure| failure.status);
        return Err(CommandError::new(status, shown(&faultless_remark(failure.as_deref())))
            .with_help("a smaller session may show it too: run reduce again when the server is as it was"));
    }
    Ok(final_status(&runner.clock, vec![printed]))
}

/// Whether the value of a variable stands in the file.
fn has_literal(variable: &Variable) -> bool {
    match &variable.source {
        ValueSource::Literal(_) => true,
        ValueSource::Template(template) => template.is_literal(),
        _ => false,
    }
}

/// Reads the one session.
fn read_session(inputs: &SessionInputs<'_>, arguments: &ReduceArguments) -> Result<Vec<LoadResult>, CommandError> {
    let read = inputs.read_all(std::slice::from_ref(&arguments.session), &|_| true)?;
    if read.len() > 1 {
        return Err(CommandError::usage(format!("reduce takes one session, and {} were found", read.len())));
    }
    for session in read.iter().flatten().map(|loaded| &loaded.session) {
        if let Some(rows) = &session.rows {
            let place = session.source_map.place(&rows.span);
            let message =
                format!("{}:{}:{}: reduce cannot run a session with [rows]", place.file, place.line, place.column);
            return Err(CommandError::invalid_data(message)
                .with_help("remove [rows] and write the values of one row into [vars]"));
        }
    }
    Ok(read)
}

/// The text that is reduced: what the author wrote, if it stands alone, otherwise what `mailrun show` prints.
fn editable_document(
    loaded: &LoadedSession,
    server: &Option<String>,
    variables: Vec<(String, Value)>,
) -> Result<SessionDocument, CommandError> {
    let session = &loaded.session;
    let stands_alone = session.source_map.names().count() == 1
        && session.sections().into_iter().flatten().all(|step| !step.implied)
        && variables.is_empty();
    let own = stands_alone.then(|| SessionDocument::parse(session.source_map.text(0))).flatten();
    if let Some(mut document) = own {
        server.iter().for_each(|url| document.set_server(url));
        return Ok(document);
    }
    let options = ShowOptions { server: server.clone(), variables, reveals_secrets: true };
    SessionDocument::parse(&show(session, &options)).ok_or_else(|| {
        CommandError::invalid_data(format!("{}: the session cannot be written out", shown(&loaded.path.name())))
    })
}

/// Checks the values of the session, and that it may be run many times. Nothing is sent.
fn check_destination(
    session: &Session,
    options: &RunOptions,
    sources: &dyn Sources,
    clock: &SystemClock,
    arguments: &ReduceArguments,
) -> Result<(), CommandError> {
    let mut started = StartedSession::default();
    if let Err(outcome) = PreparedSession::new(session, options, sources, clock, &mut started) {
        let why = outcome.failure.as_ref().map(ToString::to_string).unwrap_or_default();
        return Err(CommandError::new(outcome.status, why));
    }
    match content_abroad(session, &started.server, &arguments.connect) {
        Some(server) if !arguments.yes => {
            let message =
                format!("reduce runs the session many times, and would send content to {} each time", shown(&server));
            let help = "give --yes if that server may get it, or --server with a server on this machine";
            Err(CommandError::usage(message).with_help(help))
        }
        _ => Ok(()),
    }
}

/// Learns the URL of the server.
#[derive(Default)]
struct StartedSession {
    server: String,
}

impl Observer for StartedSession {
    fn observe(&mut self, event: &Event<'_>) {
        if let Fact::SessionStarted { server, .. } = &event.fact {
            self.server = server.as_str().to_owned();
        }
    }
}

/// Why the whole session cannot be reduced; `None` if it can. `Some(None)`: a signal came.
fn not_reducible(
    whole: WholeSession,
    condition: &FaultCondition,
    name: &str,
    arguments: &ReduceArguments,
) -> Option<Option<CommandError>> {
    let (name, expression) = (shown(name), shown(&condition.source()));
    Some(match whole {
        WholeSession::Faulty => return None,
        WholeSession::Interrupted => None,
        WholeSession::Invalid(error) => Some(CommandError::printed(print_diagnostics(&condition.diagnostics(&error)))),
        WholeSession::Flaky(held) => {
            let message = format!("{expression}: it holds in {held} of {} runs of {name}", arguments.confirm);
            Some(
                CommandError::new(Status::Failed, message)
                    .with_help("the fault does not show each time: reduce needs one that does"),
            )
        }
        WholeSession::Faultless(state) => {
            let message = format!("{expression}: it does not hold after any step of {name}");
            Some(
                CommandError::new(Status::Failed, message)
                    .with_help(format!("after the last step: {}", values(&state))),
            )
        }
        WholeSession::NotRun(failure) => {
            let message = format!("{expression}: no step of {name} ran");
            Some(match failure {
                Some(failure) => CommandError::new(failure.status, failure.to_string()),
                None => CommandError::new(Status::Failed, message),
            })
        }
    })
}

/// The values that an expression saw.
fn values(state: &StepState) -> String {
    let command = state.command.as_deref().map_or("none".to_owned(), |verb| format!("\"{}\"", shown(verb)));
    let reply = match &state.reply {
        Some(facts) => format!("reply.code = {}", facts.reply.code),
        None => "no reply".to_owned(),
    };
    format!(
        "status = {}, failed = {}, closed = {}, step.number = {}, step.command = {command}, {reply}",
        state.status, state.failed, state.closed, state.number
    )
}

/// The comments at the top of the session that is printed.
fn heading(
    condition: &FaultCondition,
    name: &str,
    steps: [usize; 2],
    tally: &RunTally,
    hidden: &[String],
    remark: Option<String>,
) -> Vec<String> {
    let mut lines = vec![format!("Shows: {}", condition.source())];
    if let Some(sighting) = &tally.sighting {
        let what = sighting.evidence().map_or(String::new(), |what| format!(": {what}"));
        lines.push(format!("After step {} of {name} ({}){what}", sighting.number, sighting.title));
        let first = tally.first_sighting.as_ref().and_then(FaultSighting::evidence);
        if let Some(first) = first.filter(|first| sighting.evidence() != Some(first)) {
            lines.push(format!("In the whole session it was: {first}"));
        }
    }
    lines.push(format!("{} by mailrun.", summary(steps, tally)));
    lines.extend(remark);
    if tally.flaky > 0 {
        lines.push(flaky_remark(tally));
    }
    lines.extend(
        hidden
            .iter()
            .map(|variable| format!("The environment variable {variable} holds a secret that is not printed.")),
    );
    lines.iter().map(|line| shown(line)).collect()
}

fn summary([all, left]: [usize; 2], tally: &RunTally) -> String {
    format!("Reduced from {} to {left} in {} runs", count(all, "step"), tally.runs)
}

/// What is said if the smallest session showed the fault before, but not at the end.
fn faultless_remark(failure: Option<&Failure>) -> String {
    let why = failure.map_or_else(|| "it passed".to_owned(), ToString::to_string);
    format!("in a last run of the smallest session the fault did not show: {why}")
}

fn flaky_remark(tally: &RunTally) -> String {
    let verb = if tally.flaky == 1 { "shows" } else { "show" };
    format!(
        "{} that were tried {verb} the fault in some of their runs only",
        count(usize::try_from(tally.flaky).unwrap_or(usize::MAX), "session")
    )
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn shown(text: &str) -> String {
    escape_unprintable(text.as_bytes())
}
