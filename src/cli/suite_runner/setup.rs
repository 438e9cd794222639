//! What `run` and `test` need before the first session: options that make sense, settings, the way to the servers.

use super::dry_run;
use super::dry_run::DryRunNetwork;
use super::machine;
use super::retrying_network::RetryingNetwork;
use crate::cli::arguments::RunArguments;
use crate::cli::arguments::values;
use crate::cli::output::console;
use crate::cli::output::transcript_files::{FileId, file_id};
use crate::cli::sessions::diagnostics::source_error_status;
use crate::cli::sessions::load::{LoadedSession, SessionInputs};
use crate::event::Status;
use crate::exec::{Clock, ConnectOptions, Network, RunOptions, TlsFile};
use crate::net::{Nameservers, SystemClock, SystemNetwork, check_pem};
use crate::output::{flush_all, flush_for_signal};
use crate::report::messages_in_flight;
use crate::source::io_error_text;
use crate::source::read_argument_file;
use crate::transcript::escape_unprintable;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where name servers are given in place of this machine's, for tests.
const DNS_VARIABLE: &str = "MAILRUN_DNS";

/// What can be wrong with the options beyond their form. The error is said already.
pub fn prepare<'a>(
    arguments: &'a RunArguments,
    origin: &dyn Fn(&str) -> String,
) -> Result<(SessionInputs<'a>, Vec<u8>), Status> {
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
    let mut inputs = SessionInputs::new(&arguments.inputs, origin)?;
    inputs.quiet = arguments.output.quiet;
    inputs.mx = arguments.connect.mx.is_some();
    let mut ca = Vec::new();
    for path in &arguments.connect.ca {
        let pem = read_argument_file(path).map_err(|why| {
            let (status, why) = source_error_status(why);
            console::error(&format!("{}: {why}", origin("ca")));
            status
        })?;
        check_pem(TlsFile::Trusted(&pem)).map_err(|why| {
            console::error(&format!(
                "{}: {}: {why}",
                origin("ca"),
                escape_unprintable(path.as_os_str().as_encoded_bytes())
            ));
            Status::DataErr
        })?;
        ca.extend_from_slice(&pem);
        ca.push(b'\n');
    }
    Ok((inputs, ca))
}

pub fn settings(arguments: &RunArguments, inputs: SessionInputs<'_>, ca: Vec<u8>) -> RunOptions {
    RunOptions {
        server: arguments.inputs.server.clone(),
        mx: arguments.connect.mx.clone(),
        variables: inputs.variables,
        show_secrets: arguments.output.show_secrets,
        seed: arguments.inputs.seed,
        connect: ConnectOptions {
            source: None,
            ipv4_only: arguments.connect.ipv4,
            ipv6_only: arguments.connect.ipv6,
            resolve: arguments.connect.resolve.clone(),
            // The executor knows until when it is a domain, and what a session begins with.
            mx: false,
            expects_greeting: false,
        },
        ca,
        check_tls_file: Some(check_pem),
        dry_run: arguments.dry.dry_run,
        hostname: machine::hostname(),
        zone: machine::time_zone(),
    }
}

/// Puts the command line's words in place of the file's.
pub fn apply_options(arguments: &RunArguments, one: &mut LoadedSession) {
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
pub enum NetworkMode {
    Live(RetryingNetwork),
    DryRun(Box<DryRunNetwork>, MailFolder),
}

/// Where a dry run's mails are kept.
#[derive(Clone)]
pub struct MailFolder {
    pub folder: PathBuf,
    /// Nobody asked for it by name.
    temporary: bool,
}

impl NetworkMode {
    pub fn open(arguments: &RunArguments, clock: &SystemClock) -> Result<Self, (Status, String)> {
        if !arguments.dry.dry_run {
            let sockets = SystemNetwork::with_clock(clock).with_nameservers(nameservers()?);
            return Ok(Self::Live(RetryingNetwork::new(sockets, arguments.connect.wait, clock.clone())));
        }
        let named = |path: &Path| escape_unprintable(path.as_os_str().as_encoded_bytes());
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
            (Status::CantCreate, format!("cannot make {what} for the dry run's mail: {}", io_error_text(&why)))
        })?;
        let dry = DryRunNetwork::new(&folder, SystemNetwork::with_clock(clock));
        Ok(Self::DryRun(Box::new(dry), MailFolder { folder, temporary: arguments.dry.sink.is_none() }))
    }

    /// One more of the same, for sessions that run at the same time.
    pub fn for_another_worker(&self) -> Self {
        match self {
            Self::Live(patient) => Self::Live(patient.clone()),
            Self::DryRun(dry, kept) => {
                Self::DryRun(Box::new(DryRunNetwork::new(&kept.folder, dry.sockets().clone())), kept.clone())
            }
        }
    }

    /// The network that a session is played over.
    pub fn network_for(&mut self, one: &LoadedSession, settings: &RunOptions) -> &mut (dyn Network + Send) {
        match self {
            Self::Live(patient) => patient,
            Self::DryRun(dry, _) => {
                dry.prepare(dry_run::sink_password(one, settings), dry_run::certificate_names(one));
                dry.as_mut()
            }
        }
    }

    /// Ends what [`NetworkMode::for_another_worker`] gave.
    pub fn stop(self) {
        if let Self::DryRun(mut dry, _) = self {
            dry.stop();
        }
    }

    /// `silent`: nothing is said, and so nobody would find a temporary folder.
    pub fn close(self, silent: bool) {
        let Self::DryRun(mut dry, MailFolder { folder, temporary }) = self else { return };
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
            console::print_line(&format!(
                "dry run: the mail is in {}",
                escape_unprintable(folder.as_os_str().as_encoded_bytes())
            ));
        }
    }
}

/// Who is asked for mail exchangers: `MAILRUN_DNS`, or who this machine asks.
fn nameservers() -> Result<Nameservers, (Status, String)> {
    match std::env::var(DNS_VARIABLE) {
        Err(std::env::VarError::NotPresent) => Ok(Nameservers::System),
        Ok(text) if text.trim().is_empty() => Ok(Nameservers::System),
        Ok(text) => match values::nameservers(&text) {
            Ok(list) => Ok(Nameservers::Given(list)),
            Err(why) => Err((Status::Usage, format!("{DNS_VARIABLE}: {why}"))),
        },
        Err(why) => Err((Status::Usage, format!("{DNS_VARIABLE}: {why}"))),
    }
}

/// The files that the run reads and no output may replace: sessions with their includes, variables, certificates.
pub fn input_files<'a>(arguments: &RunArguments, sessions: impl Iterator<Item = &'a LoadedSession>) -> Vec<FileId> {
    let named = arguments.inputs.vars.iter().chain(&arguments.connect.ca).filter_map(|path| file_id(path));
    let mut files: Vec<_> = named.collect();
    for one in sessions {
        let includes = one.session.source_map.names().skip(1).map(|name| one.path.folder().join(name));
        let own = PathBuf::from(one.path.name());
        files.extend(std::iter::once(own).chain(includes).filter_map(|path| file_id(&path)));
    }
    files
}

/// Commands and questions of the sessions end at a signal.
pub fn stop_sources_at_signals<'a>(sessions: impl Iterator<Item = &'a mut LoadedSession>, clock: &SystemClock) {
    for one in sessions {
        let clock = clock.clone();
        one.files.set_interrupt_check(Arc::new(move || clock.interrupted().is_some()));
    }
}

/// A clock that notices signals, where it can, and has transcripts written where the program waits.
pub fn clock() -> SystemClock {
    let clock = SystemClock::with_signals(finalize_partial).unwrap_or_else(|why| {
        console::error(&format!("signals end the program at once: {why}"));
        SystemClock::new()
    });
    clock.with_idle_callback(flush_all)
}

/// A second signal came.
fn finalize_partial(signal: &'static str) {
    flush_for_signal(signal, |left| {
        for file in left {
            let [name, target] =
                [&file.name, &file.target].map(|path| escape_unprintable(path.as_os_str().as_encoded_bytes()));
            console::error(&format!("the transcript is {name}: what stands in {target} is of an older run"));
        }
        console::error(&match messages_in_flight() {
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
