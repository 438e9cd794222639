//! What `run` and `test` need before the first session: options that make sense, settings, the way to the servers.

use super::arguments::RunArguments;
use super::console;
use super::dry_run::DryRun;
use super::patient::Patient;
use super::sessions::{Loaded, Meaning, why_not};
use super::transcripts::{Identity, identity};
use super::{dry_run, machine, values};
use crate::event::Status;
use crate::exec::{Clock, ConnectOptions, Network, Settings, TlsFile};
use crate::net::{Nameservers, Sockets, SystemClock, inspect};
use crate::report::{end_at_once, in_flight, write_out};
use crate::source::read_named;
use crate::source::words;
use crate::transcript::printable;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where name servers are given in place of this machine's, for tests.
const DNS: &str = "MAILRUN_DNS";

/// What can be wrong with the options beyond their form. The error is said already.
pub fn prepare<'a>(
    arguments: &'a RunArguments,
    origin: &dyn Fn(&str) -> String,
) -> Result<(Meaning<'a>, Vec<u8>), Status> {
    // In the environment it may stand for other runs, which are dry.
    if arguments.dry.sink.is_some() && !arguments.dry.dry_run && origin("sink") == "--sink" {
        console::error("--sink is where --dry-run keeps the mail: give --dry-run too");
        return Err(Status::Usage);
    }
    if let (Some(from), Some(to)) = (arguments.part.from_step, arguments.part.to_step)
        && from > to
    {
        console::error(&format!("{} {from} comes behind {} {to}", origin("from-step"), origin("to-step")));
        return Err(Status::Usage);
    }
    let mut meaning = Meaning::new(&arguments.meaning, origin)?;
    meaning.quiet = arguments.output.quiet;
    meaning.mx = arguments.connect.mx.is_some();
    let mut ca = Vec::new();
    for path in &arguments.connect.ca {
        let pem = read_named(path).map_err(|why| {
            let (status, why) = why_not(why);
            console::error(&format!("{}: {why}", origin("ca")));
            status
        })?;
        inspect(TlsFile::Trusted(&pem)).map_err(|why| {
            console::error(&format!("{}: {}: {why}", origin("ca"), printable(path.as_os_str().as_encoded_bytes())));
            Status::DataErr
        })?;
        ca.extend_from_slice(&pem);
        ca.push(b'\n');
    }
    Ok((meaning, ca))
}

pub fn settings(arguments: &RunArguments, meaning: Meaning<'_>, ca: Vec<u8>) -> Settings {
    Settings {
        server: arguments.meaning.server.clone(),
        mx: arguments.connect.mx.clone(),
        variables: meaning.variables,
        show_secrets: arguments.output.show_secrets,
        seed: arguments.meaning.seed,
        connect: ConnectOptions {
            source: None,
            ipv4_only: arguments.connect.ipv4,
            ipv6_only: arguments.connect.ipv6,
            resolve: arguments.connect.resolve.clone(),
            // The executor knows until when it is a domain, and what a session begins with.
            mx: false,
            greeted: false,
        },
        ca,
        inspect: Some(inspect),
        dry_run: arguments.dry.dry_run,
        hostname: machine::hostname(),
        zone: machine::zone(),
    }
}

/// Puts the command line's words in place of the file's.
pub fn overrule(arguments: &RunArguments, one: &mut Loaded) {
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
pub enum Way {
    Net(Patient),
    Dry(Box<DryRun>, Kept),
}

/// Where a dry run's mails are kept.
#[derive(Clone)]
pub struct Kept {
    pub folder: PathBuf,
    /// Nobody asked for it by name.
    temporary: bool,
}

impl Way {
    pub fn open(arguments: &RunArguments, clock: &SystemClock) -> Result<Self, (Status, String)> {
        if !arguments.dry.dry_run {
            let sockets = Sockets::interrupted_by(clock).asking(nameservers()?);
            return Ok(Self::Net(Patient::new(sockets, arguments.connect.wait, clock.clone())));
        }
        let named = |path: &Path| printable(path.as_os_str().as_encoded_bytes());
        let (folder, what) = match &arguments.dry.sink {
            Some(folder) => {
                (std::fs::create_dir_all(folder).map(|()| folder.clone()), format!("the folder {}", named(folder)))
            }
            None => {
                let made = tempfile::Builder::new().prefix("mailrun-").tempdir().map(tempfile::TempDir::keep);
                (made, format!("a folder in {}", named(&std::env::temp_dir())))
            }
        };
        let folder = folder.map_err(|why| {
            (Status::CantCreate, format!("cannot make {what} for the dry run's mail: {}", words(&why)))
        })?;
        let dry = DryRun::new(&folder, Sockets::interrupted_by(clock));
        Ok(Self::Dry(Box::new(dry), Kept { folder, temporary: arguments.dry.sink.is_none() }))
    }

    /// One more of the same, for sessions that run at the same time.
    pub fn another(&self) -> Self {
        match self {
            Self::Net(patient) => Self::Net(patient.clone()),
            Self::Dry(dry, kept) => Self::Dry(Box::new(DryRun::new(&kept.folder, dry.sockets().clone())), kept.clone()),
        }
    }

    /// The network that a session is played over.
    pub fn ready(&mut self, one: &Loaded, settings: &Settings) -> &mut (dyn Network + Send) {
        match self {
            Self::Net(patient) => patient,
            Self::Dry(dry, _) => {
                dry.prepare(dry_run::password(one, settings), dry_run::names(one));
                dry.as_mut()
            }
        }
    }

    /// Ends what [`Way::another`] gave.
    pub fn stop(self) {
        if let Self::Dry(mut dry, _) = self {
            dry.stop();
        }
    }

    /// `silent`: nothing is said, and so nobody would find a temporary folder.
    pub fn close(self, silent: bool) {
        let Self::Dry(mut dry, Kept { folder, temporary }) = self else { return };
        dry.stop();
        if silent && temporary && std::fs::remove_dir_all(&folder).is_ok() {
            return;
        }
        // An empty folder is of no use to anybody; a folder that was given and is not empty stays.
        let empty = std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_none());
        if empty && std::fs::remove_dir(&folder).is_ok() {
            return;
        }
        if !silent {
            console::say(&format!("dry run: the mail is in {}", printable(folder.as_os_str().as_encoded_bytes())));
        }
    }
}

/// Who is asked for mail exchangers: `MAILRUN_DNS`, or who this machine asks.
fn nameservers() -> Result<Nameservers, (Status, String)> {
    match std::env::var(DNS) {
        Err(std::env::VarError::NotPresent) => Ok(Nameservers::System),
        Ok(text) if text.trim().is_empty() => Ok(Nameservers::System),
        Ok(text) => match values::nameservers(&text) {
            Ok(list) => Ok(Nameservers::Given(list)),
            Err(why) => Err((Status::Usage, format!("{DNS}: {why}"))),
        },
        Err(why) => Err((Status::Usage, format!("{DNS}: {why}"))),
    }
}

/// The files that the run reads and no output may replace: sessions with their includes, variables, certificates.
pub fn read_files<'a>(arguments: &RunArguments, sessions: impl Iterator<Item = &'a Loaded>) -> Vec<Identity> {
    let named = arguments.meaning.vars.iter().chain(&arguments.connect.ca).filter_map(|path| identity(path));
    let mut files: Vec<_> = named.collect();
    for one in sessions {
        let includes = one.session.sources.names().skip(1).map(|name| one.path.folder().join(name));
        let own = PathBuf::from(one.path.name());
        files.extend(std::iter::once(own).chain(includes).filter_map(|path| identity(&path)));
    }
    files
}

/// Commands and questions of the sessions end at a signal.
pub fn end_at_signals<'a>(sessions: impl Iterator<Item = &'a mut Loaded>, clock: &SystemClock) {
    for one in sessions {
        let clock = clock.clone();
        one.files.until(Arc::new(move || clock.interrupted().is_some()));
    }
}

/// A clock that notices signals, where it can, and has transcripts written where the program waits.
pub fn clock() -> SystemClock {
    let clock = SystemClock::with_signals(put_away).unwrap_or_else(|why| {
        console::error(&format!("signals end the program at once: {why}"));
        SystemClock::new()
    });
    clock.while_waiting(write_out)
}

/// A second signal came.
fn put_away(signal: &'static str) {
    end_at_once(signal, |left| {
        for file in left {
            let [name, target] = [&file.name, &file.target].map(|path| printable(path.as_os_str().as_encoded_bytes()));
            console::error(&format!("the transcript is {name}: what stands in {target} is of an older run"));
        }
        console::error(&match in_flight() {
            0 => format!("ended at once by a second signal, {signal}"),
            1 => format!(
                "ended at once by a second signal, {signal}: the outcome of the message in flight is unknown: it may have \
                 been delivered, or not"
            ),
            more => format!(
                "ended at once by a second signal, {signal}: the outcome of {more} messages in flight is unknown: they may \
                 have been delivered, or not"
            ),
        });
    });
}
