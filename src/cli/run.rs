//! `mailrun run`: sessions one after another, each with its transcript.

use super::arguments::{OutputArguments, RunArguments};
use super::console::{self, Output};
use super::dry_run::DryRun;
use super::outcome::{Counted, Watcher, judge};
use super::sessions::{Loaded, Meaning, warn};
use super::transcripts::{Headed, Transcripts};
use super::{dry_run, machine};
use crate::event::{Event, Observer, Status};
use crate::exec::{self, Clock, ConnectOptions, Network, Settings};
use crate::net::{Sockets, SystemClock};
use crate::report::terminal::literals;
use crate::report::{FanOut, Held, Options, Terminal, TranscriptWriter};
use crate::transcript::{Redactor, printable};
use std::io::{self, IsTerminal};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

pub fn main(arguments: &RunArguments, origin: &dyn Fn(&str) -> String) -> Status {
    match prepare(arguments, origin) {
        Ok((meaning, ca)) => run(arguments, meaning, ca),
        Err(status) => status,
    }
}

/// What can be wrong with the options beyond their form. The error is said already.
fn prepare<'a>(arguments: &'a RunArguments, origin: &dyn Fn(&str) -> String) -> Result<(Meaning<'a>, Vec<u8>), Status> {
    // In the environment it may stand for other runs, which are dry.
    if arguments.dry.sink.is_some() && !arguments.dry.dry_run && origin("sink") == "--sink" {
        console::error("--sink is where --dry-run keeps the mail: give --dry-run too");
        return Err(Status::Usage);
    }
    let meaning = Meaning::new(&arguments.meaning, origin)?;
    let mut ca = Vec::new();
    for path in &arguments.connect.ca {
        let pem = std::fs::read(path).map_err(|why| {
            let name = printable(path.as_os_str().as_encoded_bytes());
            console::error(&format!("{}: cannot read {name}: {why}", origin("ca")));
            Status::NoInput
        })?;
        ca.extend_from_slice(&pem);
        ca.push(b'\n');
    }
    Ok((meaning, ca))
}

fn run(arguments: &RunArguments, meaning: Meaning<'_>, ca: Vec<u8>) -> Status {
    let (mut loaded, mut ends) = meaning.read(&arguments.sessions);
    let names: Vec<_> = loaded.iter().map(|one| one.session.name.as_str()).collect();
    // Where nothing can run, an older transcript stays.
    let target = arguments.output.transcript.as_deref().filter(|_| !loaded.is_empty());
    // Before anything is sent: a run whose record cannot be kept does not begin.
    let mut transcripts = match Transcripts::create(target, &names) {
        Ok(transcripts) => transcripts,
        Err(message) => {
            console::error(&message);
            return Status::CantCreate;
        }
    };
    let mut network = match Way::open(arguments) {
        Ok(network) => network,
        Err((status, message)) => {
            console::error(&message);
            return status;
        }
    };
    let clock = SystemClock::with_signals().unwrap_or_else(|why| {
        console::error(&format!("signals end the program at once: {why}"));
        SystemClock::new()
    });
    let settings = settings(arguments, meaning, ca);
    let (mut output, failed) = Output::new();
    let several = loaded.len() > 1;
    for (index, one) in loaded.iter_mut().enumerate() {
        if clock.interrupted().is_some() {
            break;
        }
        if one.session.rows.is_some() || one.session.retry.is_some() {
            console::error("[rows] and [retry] are read and not run yet: this version of mailrun cannot do it");
            ends.push(Status::DataErr);
            continue;
        }
        overrule(arguments, one);
        let player = Player { arguments, settings: &settings, clock: &clock, several };
        ends.extend(player.play(one, index, &mut network, &mut output, &mut transcripts));
    }
    ends.push(failed.status());
    if let Err(message) = transcripts.finish() {
        console::error(&message);
        ends.push(Status::CantCreate);
    }
    network.close(arguments.output.quiet);
    match clock.interrupted().map(|interrupt| interrupt.name) {
        Some("SIGTERM") => Status::Terminated,
        Some(_) => Status::Interrupted,
        None => Status::worst(ends),
    }
}

fn settings(arguments: &RunArguments, meaning: Meaning<'_>, ca: Vec<u8>) -> Settings {
    Settings {
        server: arguments.meaning.server.clone(),
        variables: meaning.variables,
        show_secrets: arguments.output.show_secrets,
        seed: arguments.meaning.seed,
        connect: ConnectOptions {
            source: None,
            ipv4_only: arguments.connect.ipv4,
            ipv6_only: arguments.connect.ipv6,
            resolve: arguments.connect.resolve.clone(),
        },
        ca,
        dry_run: arguments.dry.dry_run,
        hostname: machine::hostname(),
        zone: machine::zone(),
    }
}

/// Puts the command line's words in place of the file's.
fn overrule(arguments: &RunArguments, one: &mut Loaded) {
    let connect = &arguments.connect;
    if connect.timeout.is_some() {
        one.session.timeout = connect.timeout;
    }
    if let Some(timeout) = connect.connect_timeout {
        one.session.connect_timeout = timeout;
    }
    if connect.insecure {
        one.session.tls.verify = false;
    }
    // A session on a loopback address that says nothing of TLS does not verify; whoever gives a CA wants it to.
    if !connect.ca.is_empty() {
        one.session.has_tls = true;
    }
}

/// Where connections lead.
enum Way {
    Net(Sockets),
    /// And whether the folder is a temporary one.
    Dry(Box<DryRun>, PathBuf),
}

impl Way {
    fn open(arguments: &RunArguments) -> Result<Self, (Status, String)> {
        if !arguments.dry.dry_run {
            return Ok(Self::Net(Sockets::new()));
        }
        let folder = match &arguments.dry.sink {
            Some(folder) => std::fs::create_dir_all(folder).map(|()| folder.clone()),
            None => tempfile::Builder::new().prefix("mailrun-").tempdir().map(tempfile::TempDir::keep),
        };
        let folder = folder
            .map_err(|why| (Status::CantCreate, format!("cannot make a folder for the dry run's mail: {why}")))?;
        Ok(Self::Dry(Box::new(DryRun::new(&folder, Sockets::new())), folder))
    }

    fn close(self, quiet: bool) {
        let Self::Dry(mut dry, folder) = self else { return };
        dry.stop();
        // An empty folder is of no use to anybody; a folder that was given and is not empty stays.
        let empty = std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_none());
        if empty && std::fs::remove_dir(&folder).is_ok() {
            return;
        }
        if !quiet {
            console::say(&format!("dry run: the mail is in {}", printable(folder.as_os_str().as_encoded_bytes())));
        }
    }
}

/// Plays sessions.
struct Player<'a> {
    arguments: &'a RunArguments,
    settings: &'a Settings,
    clock: &'a SystemClock,
    several: bool,
}

impl Player<'_> {
    /// Plays one session and gives how it counts.
    fn play(
        &self,
        one: &Loaded,
        index: usize,
        way: &mut Way,
        output: &mut Output,
        transcripts: &mut Transcripts,
    ) -> Vec<Status> {
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
        let mut terminal = if options.quiet { terminal.quiet() } else { terminal };
        let header = self.several.then_some(name.as_str());
        let out: Box<dyn io::Write + Send> = if silent { Box::new(io::sink()) } else { Box::new(output) };
        let mut written = Written::new(options, Headed::new(header, out));
        let mut file = transcripts.writer(index, self.file_options(), header);
        let mut watcher = Watcher::default();
        let mut all = FanOut::new();
        if let Some(file) = &mut file {
            all.add(file);
        }
        all.add(&mut written);
        all.add(&mut watcher);
        all.add(&mut terminal);

        let network: &mut dyn Network = match way {
            Way::Net(sockets) => sockets,
            Way::Dry(dry, _) => {
                dry.prepare(dry_run::password(one, self.settings), dry_run::names(one));
                dry.as_mut()
            }
        };
        // A bug ends this session; its transcript is kept, and the others run.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            exec::run(&one.session, self.settings, &one.files, network, self.clock, &mut all)
        }));
        let broken = all.broken() > 0;
        drop(all);
        written.finish();
        let unwritten = file.and_then(|mut file| file.finish().err());
        if let Some(why) = unwritten {
            transcripts.failed(&why);
        }
        let Counted { status, remark } = judge(outcome.ok().as_ref(), one.session.xfail.as_deref(), &watcher);
        let worth_saying = !options.quiet || status != Status::Passed;
        let unverified = "certificates were not verified: --insecure".to_owned();
        let unverified = self.arguments.connect.insecure.then_some(unverified);
        for line in remark.into_iter().chain(unverified).filter(|_| worth_saying) {
            console::say(&format!("{name}: {line}"));
        }
        if let Some(line) = watcher.deliveries.summary().filter(|_| worth_saying) {
            console::say(&if self.several { format!("{name}: {line}") } else { line });
        }
        if broken { vec![status, Status::Software] } else { vec![status] }
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
