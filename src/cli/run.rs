//! `mailrun run`: sessions one after another, each with its transcript.

use super::arguments::{OutputArguments, RunArguments};
use super::batch::Batches;
use super::console::{self, Failed, Output};
use super::engine::{self, Way};
use super::outcome::{Watcher, judge};
use super::reports::{self, Reports};
use super::sessions::{Loaded, Meaning, warn};
use super::transcripts::{Headed, Transcripts};
use super::{machine, suite};
use crate::event::{Event, Observer, Status};
use crate::exec::{Clock, Settings};
use crate::net::SystemClock;
use crate::report::record::{Record, Totals};
use crate::report::terminal::literals;
use crate::report::{FanOut, Held, Options, Recorder, Terminal, TranscriptWriter};
use crate::transcript::{Redactor, Shown, printable};
use std::io::{self, IsTerminal};
use std::path::Path;

pub fn main(arguments: &RunArguments, origin: &dyn Fn(&str) -> String) -> Status {
    match engine::prepare(arguments, origin) {
        Ok((meaning, ca)) => run(arguments, meaning, ca),
        Err(status) => status,
    }
}

fn run(arguments: &RunArguments, meaning: Meaning<'_>, ca: Vec<u8>) -> Status {
    let mut entries = match suite::choose(arguments, &meaning) {
        Ok(entries) => entries,
        Err(status) => return status,
    };
    let names: Vec<_> = entries.iter().flatten().map(|one| one.session.name.as_str()).collect();
    let several = names.len() > 1;
    let read = engine::read_files(arguments, entries.iter().flatten());
    // Where nothing can run, an older transcript stays.
    let target = arguments.output.transcript.as_deref().filter(|_| !names.is_empty());
    // Before anything is sent: a run whose record cannot be kept does not begin.
    let mut transcripts = match Transcripts::create(target, &names, &read) {
        Ok(transcripts) => transcripts,
        Err(message) => {
            console::error(&message);
            return Status::CantCreate;
        }
    };
    let (output, failed) = Output::new();
    let mut reports = match Reports::open(&arguments.reports, output, &read) {
        Ok(reports) => reports,
        Err((status, message)) => {
            console::error(&message);
            return status;
        }
    };
    let clock = engine::clock();
    engine::end_at_signals(entries.iter_mut().flatten(), &clock);
    let mut network = match Way::open(arguments, &clock) {
        Ok(network) => network,
        Err((status, message)) => {
            console::error(&message);
            return status;
        }
    };
    let batches = match Batches::open(arguments, entries.iter().flatten()) {
        Ok(batches) => batches,
        Err((status, message)) => {
            console::error(&message);
            return status;
        }
    };
    let settings = engine::settings(arguments, meaning, ca);
    let mut ends = Vec::new();
    let mut totals = Totals::default();
    let mut played = 0;
    for (number, entry) in entries.iter_mut().enumerate() {
        let record = match entry {
            Err(broken) => {
                ends.push(broken.status);
                suite::broken(broken)
            }
            entry if clock.interrupted().is_some() => suite::not_run(entry, "the run was interrupted"),
            entry if arguments.select.fail_fast && Status::worst(ends.iter().copied()) != Status::Passed => {
                suite::not_run(entry, "--fail-fast: another one failed")
            }
            Ok(one) => {
                engine::overrule(arguments, one);
                let player = Player {
                    arguments,
                    settings: &settings,
                    clock: &clock,
                    batches: &batches,
                    failed: &failed,
                    several,
                };
                let (record, status) = player.play(one, (number, played), &mut network, &mut transcripts, &reports);
                ends.extend(status);
                played += 1;
                record
            }
        };
        totals.add(&record);
        reports.add(record);
    }
    ends.push(batches.close());
    ends.push(failed.status());
    if let Err(message) = transcripts.finish() {
        console::error(&message);
        ends.push(Status::CantCreate);
    }
    network.close(arguments.output.quiet);
    let status = suite::end(&clock, ends);
    match reports.finish(status, &totals) {
        Ok(()) => status,
        Err(message) => {
            console::error(&message);
            Status::worst([status, Status::CantCreate])
        }
    }
}

/// Says where a dry run's mails are, each in the file that the sink named.
fn tell_kept(folder: &Path, watcher: &Watcher) {
    for id in watcher.deliveries.queue_ids() {
        let file = folder.join(format!("{id}.eml"));
        if file.exists() {
            console::say(&format!("dry run: kept as {}", printable(file.as_os_str().as_encoded_bytes())));
        }
    }
}

/// Plays sessions.
struct Player<'a> {
    arguments: &'a RunArguments,
    settings: &'a Settings,
    clock: &'a SystemClock,
    batches: &'a Batches<'a>,
    failed: &'a Failed,
    several: bool,
}

impl Player<'_> {
    /// Plays one session and gives how it counts.
    fn play(
        &self,
        one: &Loaded,
        (number, index): (usize, usize),
        way: &mut Way,
        transcripts: &mut Transcripts,
        reports: &Reports,
    ) -> (Record, Vec<Status>) {
        let options = &self.arguments.output;
        let name = printable(one.path.name().as_bytes());
        if !options.quiet {
            warn(one.session.warnings.clone(), &one.session.sources);
        }
        // The failure of a session that shall fail is no news for --quiet.
        let silent = options.quiet && one.session.xfail.is_some();
        let redactor = if options.show_secrets { Redactor::off() } else { literals(&one.session) };
        let errors: Box<dyn io::Write + Send> =
            if silent { Box::new(io::sink()) } else { Box::new(anstream::stderr()) };
        let terminal = Terminal::new(errors, one.session.sources.clone(), redactor, console::colours());
        let terminal = if self.several { terminal.called(Shown::new(one.path.name())) } else { terminal };
        let mut terminal = if options.quiet { terminal.quiet() } else { terminal };
        let header = self.several.then_some(name.as_str());
        let out: Box<dyn io::Write + Send> = match reports::streams(&self.arguments.reports) {
            _ if silent => Box::new(io::sink()),
            // Standard output holds only JSON then.
            true => Box::new(anstream::stderr()),
            false => Box::new(Output::sharing(self.failed)),
        };
        let mut written = Written::new(options, Headed::new(header, out));
        let mut file = transcripts.writer(index, self.file_options(), header);
        let mut watcher = Watcher::default();
        let mut recorder = reports.wanted().then(|| Recorder::new(options.verbose));
        let mut all = FanOut::new();
        if let Some(file) = &mut file {
            all.add(file);
        }
        all.add(&mut written);
        all.add(&mut watcher);
        all.add(&mut terminal);

        if let Some(recorder) = &mut recorder {
            all.add(recorder);
        }
        if let Some(stream) = reports.stream(number + 1, Shown::new(one.path.name())) {
            all.add(stream);
        }
        // A bug ends this session; its transcript is kept, and the others run.
        let (outcome, summary) = suite::perform(self.batches, one, self.settings, way, self.clock, &mut all);
        let broken = all.broken() > 0;
        drop(all);
        written.finish();
        let unwritten = file.and_then(|mut file| file.finish().err());
        if let Some(why) = unwritten {
            transcripts.failed(&why);
        }
        let counted = judge(outcome.as_ref(), one.session.xfail.as_deref(), &watcher);
        let (status, judgement) = (counted.status, counted.judgement);
        let worth_saying = !options.quiet || status != Status::Passed;
        let remarks = suite::remarks(one, self.arguments, counted.remark);
        // What became of the rows stands in place of what became of each message.
        let delivered = summary.unwrap_or_else(|| watcher.deliveries.summary().into_iter().collect());
        if worth_saying {
            remarks.iter().for_each(|line| console::say(&format!("{name}: {line}")));
            for line in &delivered {
                console::say(&if self.several { format!("{name}: {line}") } else { line.clone() });
            }
            if let Way::Dry(_, folder) = way {
                tell_kept(folder, &watcher);
            }
        }
        let file = suite::file_of(one);
        let mut record = match recorder {
            Some(recorder) => recorder.finish(file, judgement, status),
            None => Record::unbegun(file, judgement, status),
        };
        record.description = suite::description(one);
        record.remarks = remarks.into_iter().chain(delivered).collect();
        (record, if broken { vec![status, Status::Software] } else { vec![status] })
    }

    fn file_options(&self) -> Options {
        let options = &self.arguments.output;
        Options { timestamps: options.timestamps, full: true, verbose: options.verbose, live: false }
    }
}

/// The transcript on standard output: as it happens, or under `--quiet` once the session has failed.
enum Written<W: io::Write> {
    Now(TranscriptWriter<W>),
    Later(Held<W>),
}

impl<W: io::Write> Written<W> {
    fn new(arguments: &OutputArguments, out: W) -> Self {
        let options = Options {
            timestamps: arguments.timestamps,
            full: arguments.full || !(arguments.quiet || io::stdout().is_terminal()),
            verbose: arguments.verbose,
            // Whoever reads a pipe may be waiting for the next line; a file can wait.
            live: !machine::stdout_is_a_file(),
        };
        if arguments.quiet {
            Self::Later(Held::new(out, options))
        } else {
            Self::Now(TranscriptWriter::new(out, options))
        }
    }

    /// What cannot be written is remembered by the output itself.
    fn finish(&mut self) {
        if let Self::Now(writer) = self {
            let _ = writer.finish();
        }
    }
}

impl<W: io::Write> Observer for Written<W> {
    fn observe(&mut self, event: &Event<'_>) {
        match self {
            Self::Now(writer) => writer.observe(event),
            Self::Later(held) => held.observe(event),
        }
    }
}
