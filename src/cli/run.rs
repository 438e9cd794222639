//! `mailrun run`: sessions, each with its transcript: one after another as it happens, or several at a time in whole
//! blocks.

use super::arguments::RunArguments;
use super::batch::Batches;
use super::blocks::Block;
use super::console::{self, Failed, Output};
use super::engine::{self, Way};
use super::machine;
use super::outcome::{Watcher, delivered, judge};
use super::reports::{self, Reports};
use super::sessions::{Loaded, Meaning, warn};
use super::suite::{self, Entry};
use super::transcripts::{Headed, Transcripts};
use super::workers::{self, News};
use super::written::Written;
use crate::event::Status;
use crate::exec::{Clock, Settings};
use crate::net::SystemClock;
use crate::report::record::{Judgement, Outside, Record, Totals};
use crate::report::terminal::literals;
use crate::report::{FanOut, InFlight, Log, Options, Recorder, Shared, Terminal, Towards, TranscriptWriter};
use crate::transcript::{Redactor, Shown, printable};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

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
    entries.iter_mut().flatten().for_each(|one| engine::overrule(arguments, one));
    let names: Vec<_> = entries.iter().flatten().map(|one| one.session.name.as_str()).collect();
    let several = names.len() > 1;
    let read = engine::read_files(arguments, entries.iter().flatten());
    // Where nothing can run, an older transcript stays.
    let target = arguments.output.transcript.as_deref().filter(|_| !names.is_empty());
    // From here on files are open that a signal must not leave behind.
    let clock = engine::clock();
    // Before anything is sent: a run whose record cannot be kept does not begin.
    let mut transcripts = match Transcripts::create(target, &names, &read) {
        Ok(transcripts) => transcripts,
        Err((status, message)) => {
            console::error(&message);
            return status;
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
    engine::end_at_signals(entries.iter_mut().flatten(), &clock);
    let mut way = match Way::open(arguments, &clock) {
        Ok(way) => way,
        Err((status, message)) => {
            console::error(&message);
            return status;
        }
    };
    let jobs = usize::from(arguments.select.jobs.unwrap_or(1)).min(entries.len());
    let batches = match Batches::open(arguments, entries.iter().flatten()) {
        Ok(batches) => batches.with_bar(jobs == 1 && !arguments.output.quiet),
        Err((status, message)) => {
            console::error(&message);
            return status;
        }
    };
    let settings = engine::settings(arguments, meaning, ca);
    let mut ends = Vec::new();
    let mut totals = Totals::default();
    let player = Player {
        arguments,
        settings: &settings,
        clock: &clock,
        batches: &batches,
        failed: &failed,
        reports: &reports,
        several,
        stop: AtomicBool::new(false),
    };
    let mut records = Vec::new();
    let mut keep = |played: Played| {
        ends.extend(played.ends);
        totals.add(&played.record);
        // Those without a step are told of where events are streamed.
        if player.reports.wanted() || played.record.steps.is_empty() {
            records.push(played.record);
        }
    };
    if jobs > 1 {
        way = player.abreast(&entries, way, jobs, &mut transcripts, &mut keep);
    } else {
        player.one_by_one(&entries, &mut way, &mut transcripts, &mut keep);
    }
    records.into_iter().for_each(|record| reports.add(record));
    ends.push(batches.close());
    ends.push(failed.status());
    if let Err(message) = transcripts.finish() {
        console::error(&message);
        ends.push(Status::CantCreate);
    }
    let status = suite::end(&clock, ends);
    way.close(arguments.output.quiet && status == Status::Passed);
    match reports.finish(status, &totals) {
        Ok(()) => status,
        Err(message) => {
            console::error(&message);
            Status::worst([status, Status::CantCreate])
        }
    }
}

/// Where a dry run's mails are, each in the file that the sink named.
fn kept(folder: &Path, watcher: &Watcher) -> Vec<String> {
    let files = watcher.deliveries.queue_ids().iter().map(|id| folder.join(format!("{id}.eml")));
    files
        .filter(|file| file.exists())
        .map(|file| format!("dry run: kept as {}", printable(file.as_os_str().as_encoded_bytes())))
        .collect()
}

/// What came of a session.
struct Played {
    record: Record,
    ends: Vec<Status>,
    /// What is said of it when it has ended.
    said: Vec<String>,
    unwritten: Option<io::Error>,
}

impl Played {
    fn unbegun(record: Record, end: Option<Status>) -> Box<Self> {
        Box::new(Self { record, ends: end.into_iter().collect(), said: Vec::new(), unwritten: None })
    }

    /// A bug ended it.
    fn broken(entry: &Entry) -> Self {
        let mut record = Record::unbegun(suite::file(entry), Judgement::Error, Status::Software);
        record.failures.push(Outside::Said("ended by an internal error".to_owned()));
        *Self::unbegun(record, Some(Status::Software))
    }

    /// Says what there is to say, and hands on what is kept.
    fn tell(mut self, keep: &mut dyn FnMut(Self)) {
        self.said.drain(..).for_each(|line| console::say(&line));
        keep(self);
    }
}

/// Where a session's output goes.
struct Outputs {
    out: Box<dyn io::Write + Send>,
    errors: Box<dyn io::Write + Send>,
    transcript: Option<Box<dyn io::Write + Send>>,
    /// Whether somebody may be waiting for the next line.
    live: bool,
}

/// Plays sessions.
struct Player<'a> {
    arguments: &'a RunArguments,
    settings: &'a Settings,
    clock: &'a SystemClock,
    batches: &'a Batches<'a>,
    failed: &'a Failed,
    reports: &'a Reports,
    several: bool,
    /// `--fail-fast` has come true.
    stop: AtomicBool,
}

impl Player<'_> {
    /// Each session is shown as it happens.
    fn one_by_one(
        &self,
        entries: &[Entry],
        way: &mut Way,
        transcripts: &mut Transcripts,
        keep: &mut dyn FnMut(Played),
    ) {
        let mut index = 0;
        for (number, entry) in entries.iter().enumerate() {
            let played = match self.begin(entry) {
                Err(played) => *played,
                Ok(one) => {
                    self.warn(one);
                    let transcript = transcripts.out(index, self.header(one).as_deref());
                    let outputs = Outputs {
                        out: Box::new(Headed::new(self.header(one).as_deref(), self.out())),
                        errors: Box::new(anstream::stderr()),
                        transcript: transcript.map(|file| Box::new(file) as Box<dyn io::Write + Send>),
                        // Whoever reads a pipe may be waiting for the next line. In a file a batch's lines are gathered
                        // until the program waits; for a few lines that would spare nothing.
                        live: !(machine::stdout_is_a_file() && self.batches.are_many(one)),
                    };
                    self.play(one, number, way, outputs)
                }
            };
            index += usize::from(entry.is_ok());
            if let Some(why) = &played.unwritten {
                transcripts.failed(why);
            }
            played.tell(keep);
        }
    }

    /// Several sessions at a time: what each prints is kept until its turn has come, and then printed whole.
    fn abreast(
        &self,
        entries: &[Entry],
        way: Way,
        jobs: usize,
        transcripts: &mut Transcripts,
        keep: &mut dyn FnMut(Played),
    ) -> Way {
        let mut ways: Vec<Way> = (1..jobs).map(|_| way.another()).collect();
        ways.insert(0, way);
        let play = |number: usize, way: &mut Way| match self.begin(&entries[number]) {
            Err(played) => (*played, None),
            Ok(one) => {
                let index = entries.iter().take(number).flatten().count();
                let transcript = transcripts.out(index, self.header(one).as_deref());
                let block = Block::new(self.out(), transcript);
                let outputs = Outputs {
                    out: Box::new(Headed::new(self.header(one).as_deref(), block.out.lock().spool.clone())),
                    errors: Box::new(block.errors.clone()),
                    transcript: block.transcript.as_ref().map(|file| Box::new(file.lock().spool.clone()) as _),
                    live: false,
                };
                let played = self.play(one, number, way, outputs);
                (played, Some(block))
            }
        };
        let mut unwritten = Vec::new();
        let mut ways = workers::in_order(entries.len(), ways, &play, |news| {
            let News::Done(number, done) = news else { return };
            let entry = &entries[number];
            let (mut played, block) = done.unwrap_or_else(|| (Played::broken(entry), None));
            if let (Ok(one), Some(block)) = (entry, block) {
                self.warn(one);
                let copied = block.print(&mut anstream::stderr());
                played.unwritten = played.unwritten.or(copied.err());
            }
            unwritten.extend(played.unwritten.take());
            played.tell(keep);
        });
        unwritten.iter().for_each(|why| transcripts.failed(why));
        let first = ways.remove(0);
        ways.into_iter().for_each(Way::stop);
        first
    }

    /// The session, where it is to be played now.
    fn begin<'e>(&self, entry: &'e Entry) -> Result<&'e Loaded, Box<Played>> {
        match entry {
            Err(broken) => {
                self.ended(broken.status);
                Err(Played::unbegun(suite::broken(broken), Some(broken.status)))
            }
            entry if self.clock.interrupted().is_some() => {
                Err(Played::unbegun(suite::not_run(entry, "the run was interrupted"), None))
            }
            entry if self.stop.load(Ordering::Relaxed) => {
                Err(Played::unbegun(suite::not_run(entry, "--fail-fast: another one failed"), None))
            }
            Ok(one) => Ok(one),
        }
    }

    fn ended(&self, status: Status) {
        if self.arguments.select.fail_fast && status != Status::Passed {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn warn(&self, one: &Loaded) {
        if !self.arguments.output.quiet {
            warn(one.session.warnings.clone(), &one.session.sources);
        }
    }

    /// Tells several sessions apart.
    fn header(&self, one: &Loaded) -> Option<String> {
        self.several.then(|| printable(one.path.name().as_bytes()))
    }

    /// Where transcripts are shown.
    fn out(&self) -> Box<dyn io::Write + Send> {
        // Standard output holds only JSON where that is streamed.
        if reports::streams(&self.arguments.reports) {
            Box::new(anstream::stderr())
        } else {
            Box::new(Output::sharing(self.failed))
        }
    }

    /// Plays one session, and says how it counts.
    fn play(&self, one: &Loaded, number: usize, way: &mut Way, outputs: Outputs) -> Played {
        let options = &self.arguments.output;
        let name = printable(one.path.name().as_bytes());
        // The failure of a session that shall fail is no news for --quiet.
        let silent = options.quiet && one.session.xfail.is_some();
        let redactor = if options.show_secrets { Redactor::off() } else { literals(&one.session) };
        let Outputs { mut out, mut errors, transcript, live } = outputs;
        if silent {
            (out, errors) = (Box::new(io::sink()), Box::new(io::sink()));
        }
        let terminal = Terminal::new(errors, one.session.sources.clone(), redactor, console::colours())
            .within(console::columns(&std::io::stderr()));
        let terminal = if self.several { terminal.called(Shown::new(one.path.name())) } else { terminal };
        let mut terminal = if options.quiet { terminal.quiet() } else { terminal };
        let written = Shared::new(Towards::Screen, Written::new(options, live, out));
        let file = transcript.map(|file| {
            let how = Options { live: !self.batches.are_many(one), ..options.in_a_file() };
            Shared::new(Towards::File, Log::new(TranscriptWriter::new(file, how)))
        });
        let mut watcher = Watcher::default();
        let mut recorder = self.reports.counts().then(|| Recorder::new(options.verbose));
        let mut all = FanOut::new();
        if let Some(file) = &file {
            all.add(file.clone());
        }
        all.add(written.clone());
        all.add(InFlight::default());
        all.add(&mut watcher);
        all.add(&mut terminal);
        if let Some(recorder) = &mut recorder {
            all.add(recorder);
        }
        if let Some(stream) = self.reports.stream(number + 1, Shown::new(one.path.name())) {
            all.add(stream);
        }
        // A bug ends this session; its transcript is kept, and the others run.
        let (outcome, summary) = suite::perform(self.batches, one, self.settings, way, self.clock, &mut all);
        let broken = all.broken() > 0;
        drop(all);
        written.lock().finish();
        let unwritten = file.and_then(|file| file.lock().finish().err());
        let counted = judge(outcome.as_ref(), one.session.xfail.as_deref(), &watcher);
        let (status, judgement) = (counted.status, counted.judgement);
        self.ended(status);
        let remarks = suite::remarks(one, self.arguments, counted.remark);
        // What became of the rows stands in place of what became of each message.
        let delivered = summary.unwrap_or_else(|| delivered(one, outcome.as_ref(), &watcher).into_iter().collect());
        let mut said = Vec::new();
        if !options.quiet || status != Status::Passed {
            said.extend(remarks.iter().map(|line| format!("{name}: {line}")));
            said.extend(
                delivered.iter().map(|line| if self.several { format!("{name}: {line}") } else { line.clone() }),
            );
            if let Way::Dry(_, place) = way {
                said.extend(kept(&place.folder, &watcher));
            }
        }
        let file = suite::file_of(one);
        let mut record = match recorder {
            Some(recorder) => recorder.finish(file, judgement, status),
            None => Record::unbegun(file, judgement, status),
        };
        record.description = suite::description(one);
        record.remarks = remarks.into_iter().chain(delivered).collect();
        let ends = if broken { vec![status, Status::Software] } else { vec![status] };
        Played { record, ends, said, unwritten }
    }
}
