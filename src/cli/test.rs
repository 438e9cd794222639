//! `mailrun test`: sessions as a test suite.

use super::alone;
use super::arguments::RunArguments;
use super::batch::Batches;
use super::blocks::Waiting;
use super::console::{self, Failed, Output};
use super::engine::{self, Way};
use super::outcome::{Watcher, judge};
use super::progress::{Line, Running};
use super::reports::{self, Reports};
use super::sessions::{Loaded, Meaning, warn};
use super::suite::{self, Entry};
use super::transcripts::{Headed, TranscriptFile, Transcripts};
use super::workers::{self, News};
use crate::event::Status;
use crate::exec::{Clock, Settings};
use crate::net::SystemClock;
use crate::report::record::{Judgement, Outside, Record, Totals};
use crate::report::terminal::literals;
use crate::report::{FanOut, InFlight, Log, Recorder, Shared, Towards, TranscriptWriter, annotation, screen};
use crate::transcript::Redactor;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A session's transcript, which waits for its turn.
type Kept = Shared<Waiting<Headed<TranscriptFile>>>;

pub fn main(arguments: &RunArguments, origin: &dyn Fn(&str) -> String) -> Status {
    let (meaning, ca) = match engine::prepare(arguments, origin) {
        Ok(prepared) => prepared,
        Err(status) => return status,
    };
    match test(arguments, meaning, ca, &|_| {}) {
        Ok(status) => status,
        Err((status, message)) => {
            if !message.is_empty() {
                console::error(&message);
            }
            status
        }
    }
}

/// `begun` hears of each session before it is played: tests break it there.
fn test(
    arguments: &RunArguments,
    meaning: Meaning<'_>,
    ca: Vec<u8>,
    begun: &(dyn Fn(usize) + Sync),
) -> Result<Status, (Status, String)> {
    let said = |status| (status, String::new());
    let mut entries = suite::choose(arguments, &meaning).map_err(said)?;
    entries.iter_mut().flatten().for_each(|one| engine::overrule(arguments, one));
    let names: Vec<_> = entries.iter().flatten().map(|one| one.session.name.as_str()).collect();
    let read = engine::read_files(arguments, entries.iter().flatten());
    // Where nothing can run, an older transcript stays.
    let target = arguments.output.transcript.as_deref().filter(|_| !names.is_empty());
    // From here on files are open that a signal must not leave behind.
    let clock = engine::clock();
    let transcripts = Transcripts::create(target, &names, &read)?;
    let (output, failed) = Output::new();
    let mut reports = Reports::open(&arguments.reports, output, &read)?;
    engine::end_at_signals(entries.iter_mut().flatten(), &clock);
    let way = Way::open(arguments, &clock)?;
    // A batch that is alone says itself how far it is; several sessions have one line.
    let alone = entries.len() == 1;
    let batches = Batches::open(arguments, entries.iter().flatten())?.with_bar(alone && !arguments.output.quiet);
    let has_bar = entries.iter().flatten().any(|one| batches.shows_bar(one));
    let settings = engine::settings(arguments, meaning, ca);
    let files = transcript_files(arguments, &entries, &transcripts);
    let mut printer = Printer::new(arguments, transcripts, &failed);
    let mut ends = Vec::new();
    let tester = Tester {
        arguments,
        settings: &settings,
        clock: &clock,
        batches: &batches,
        entries: &entries,
        reports: &reports,
        files,
        stop: AtomicBool::new(false),
    };
    let jobs = usize::from(arguments.select.jobs.unwrap_or(1)).min(entries.len());
    let ways: Vec<Way> = (1..jobs).map(|_| way.another()).collect();
    let began = reports.began();
    let running = Running::default();
    let mut records = Vec::new();
    let mut ways = workers::in_order(
        entries.len(),
        std::iter::once(way).chain(ways).collect(),
        &|number, way| {
            let _running = running.begin(number);
            begun(number);
            tester.play(number, way)
        },
        |news| match news {
            News::Waiting(_) if has_bar => {}
            News::Waiting(done) => {
                let names = running.numbers().into_iter().map(|number| suite::file(&entries[number]).to_string());
                printer.progress(done, entries.len(), began.elapsed(), &names.collect::<Vec<_>>());
            }
            News::Done(number, played) => {
                let played = played.unwrap_or_else(|| Played::broken(&entries[number]));
                ends.push(played.end);
                let record = printer.print(&entries[number], played);
                // Those without a step are told of where events are streamed.
                if tester.reports.wanted() || record.steps.is_empty() {
                    records.push(record);
                }
            }
        },
    );
    records.into_iter().for_each(|record| reports.add(record));
    printer.summary(began.elapsed());
    ends.push(printer.finish());
    ends.push(batches.close());
    ends.push(failed.status());
    // The first one knows the folder.
    let first = if ways.is_empty() { None } else { Some(ways.remove(0)) };
    ways.into_iter().for_each(Way::stop);
    let status = suite::end(&clock, ends);
    if let Some(way) = first {
        way.close(arguments.output.quiet && status == Status::Passed);
    }
    match reports.finish(status, &printer.totals) {
        Ok(()) => Ok(status),
        Err(message) => Err((Status::worst([status, Status::CantCreate]), message)),
    }
}

/// Where the transcript of each entry is to go, beneath its name where there are several.
fn transcript_files(
    arguments: &RunArguments,
    entries: &[Entry],
    transcripts: &Transcripts,
) -> Vec<Option<Headed<TranscriptFile>>> {
    let several = entries.len() > 1 || arguments.sessions.len() > 1;
    let mut index = 0;
    let file_of = |entry: &Entry| {
        let name = suite::file(entry);
        let file = transcripts.out(index, several.then_some(name.as_str()));
        index += usize::from(entry.is_ok());
        file.filter(|_| entry.is_ok())
    };
    entries.iter().map(file_of).collect()
}

/// What came of a session.
struct Played {
    record: Record,
    end: Status,
    transcript: Option<Kept>,
}

impl Played {
    /// A bug ended it.
    fn broken(entry: &Entry) -> Self {
        let mut record = Record::unbegun(suite::file(entry), Judgement::Error, Status::Software);
        record.failures.push(Outside::Said("ended by an internal error".to_owned()));
        Self { record, end: Status::Software, transcript: None }
    }

    fn unbegun(record: Record, end: Status) -> Self {
        Self { record, end, transcript: None }
    }
}

/// Plays sessions, several at a time.
struct Tester<'a> {
    arguments: &'a RunArguments,
    settings: &'a Settings,
    clock: &'a SystemClock,
    batches: &'a Batches<'a>,
    entries: &'a [Entry],
    reports: &'a Reports,
    /// Where the transcript of each session goes.
    files: Vec<Option<Headed<TranscriptFile>>>,
    /// `--fail-fast` has come true.
    stop: AtomicBool,
}

impl Tester<'_> {
    fn play(&self, number: usize, way: &mut Way) -> Played {
        let entry = &self.entries[number];
        let played = match entry {
            Err(broken) => Played::unbegun(suite::broken(broken), broken.status),
            entry if self.clock.interrupted().is_some() => {
                Played::unbegun(suite::not_run(entry, "the run was interrupted"), Status::Passed)
            }
            entry if self.stop.load(Ordering::Relaxed) => {
                Played::unbegun(suite::not_run(entry, "--fail-fast: another one failed"), Status::Passed)
            }
            Ok(one) => self.session(one, number, way),
        };
        if self.arguments.select.fail_fast && played.end != Status::Passed {
            self.stop.store(true, Ordering::Relaxed);
        }
        played
    }

    fn session(&self, one: &Loaded, number: usize, way: &mut Way) -> Played {
        let output = &self.arguments.output;
        let transcript = self.files[number].clone().map(|file| Waiting::new(Towards::File, file));
        let file = transcript.as_ref().map(|kept| {
            let writer = TranscriptWriter::new(kept.lock().spool.clone(), output.in_a_file());
            Shared::new(Towards::File, Log::new(writer))
        });
        let mut recorder = Recorder::new(output.verbose);
        let mut watcher = Watcher::default();
        let mut all = FanOut::new();
        if let Some(file) = &file {
            all.add(file.clone());
        }
        all.add(InFlight::default());
        all.add(&mut watcher);
        all.add(&mut recorder);
        if let Some(stream) = self.reports.stream(number + 1, suite::file_of(one)) {
            all.add(stream);
        }
        let (outcome, summary) = suite::perform(self.batches, one, self.settings, way, self.clock, &mut all);
        let broken = all.broken() > 0;
        drop(all);
        let unwritten = file.and_then(|file| file.lock().finish().err());
        let counted = judge(outcome.as_ref(), one.session.xfail.as_deref(), &watcher);
        let mut record = recorder.finish(suite::file_of(one), counted.judgement, counted.status);
        record.description = suite::description(one);
        record.remarks.splice(0..0, suite::remarks(one, self.arguments, counted.remark));
        record.remarks.extend(summary.unwrap_or_else(|| watcher.summary().into_iter().collect()));
        let mut end = counted.status;
        if broken {
            end = Status::Software;
        } else if let Some(why) = unwritten {
            record.remarks.push(format!("cannot write the transcript: {why}"));
            end = Status::worst([end, Status::CantCreate]);
        }
        Played { record, end, transcript }
    }
}

/// Prints what came of the sessions, in their order.
struct Printer<'a> {
    arguments: &'a RunArguments,
    out: Box<dyn Write>,
    transcripts: Option<Transcripts>,
    totals: Totals,
    look: screen::Look,
    github: bool,
    line: Line,
}

impl<'a> Printer<'a> {
    fn new(arguments: &'a RunArguments, transcripts: Transcripts, failed: &Failed) -> Self {
        let streams = reports::streams(&arguments.reports);
        let colour = if streams { console::colours() } else { console::output_colours() };
        let out: Box<dyn Write> =
            if streams { Box::new(anstream::stderr()) } else { Box::new(Output::sharing(failed)) };
        let (verbose, quiet) = (arguments.output.verbose, arguments.output.quiet);
        let columns = if streams { console::columns(&io::stderr()) } else { console::columns(&io::stdout()) };
        Self {
            arguments,
            out,
            transcripts: Some(transcripts),
            totals: Totals::default(),
            look: screen::Look { colour, verbose, quiet, columns },
            github: std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
            line: Line::default(),
        }
    }

    /// Prints one session whole.
    fn print(&mut self, entry: &Entry, played: Played) -> Record {
        self.line.erase();
        let record = played.record;
        self.totals.add(&record);
        let text = match entry {
            Err(_) => screen::session(&record, None, self.look),
            Ok(one) => {
                if !self.look.quiet {
                    warn(one.session.warnings.clone(), &one.session.sources);
                }
                let redactor =
                    || if self.arguments.output.show_secrets { Redactor::off() } else { literals(&one.session) };
                let hidden = alone::Hidden::of(self.arguments, &one.session, &record);
                let command = alone::command(self.arguments, &one.path.name(), &hidden);
                let batch = &self.arguments.batch;
                let resends = one.session.rows.is_some() && batch.ledger.is_none() && !self.arguments.dry.dry_run;
                let sources = &one.session.sources;
                let source = screen::Source { sources, redactor: &redactor, command: &command, resends };
                screen::session(&record, Some(&source), self.look)
            }
        };
        self.put(&text);
        if self.github {
            annotation::of(&record).iter().for_each(|line| self.put(&format!("{line}\n")));
        }
        if let (Some(kept), Some(transcripts)) = (played.transcript, &mut self.transcripts)
            && let Err(why) = kept.lock().print()
        {
            transcripts.failed(&why);
        }
        record
    }

    fn put(&mut self, text: &str) {
        // What cannot be written is remembered by the output itself.
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    fn summary(&mut self, elapsed: Duration) {
        self.line.erase();
        let bad = self.totals.failed + self.totals.errors > 0;
        if !self.look.quiet || bad {
            let text = screen::summary(&self.totals, elapsed);
            self.put(&text);
        }
    }

    /// Gives the transcripts their names.
    fn finish(&mut self) -> Status {
        match self.transcripts.take().map(Transcripts::finish) {
            Some(Err(message)) => {
                console::error(&message);
                Status::CantCreate
            }
            Some(Ok(())) | None => Status::Passed,
        }
    }

    fn progress(&mut self, done: usize, all: usize, elapsed: Duration, running: &[String]) {
        if !self.look.quiet {
            self.line.draw(done, all, elapsed, running);
        }
    }
}

#[cfg(test)]
mod tests;
