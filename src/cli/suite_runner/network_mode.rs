//! Where the connections of a run lead: to the servers, or to the sink of a dry run.

use super::dry_run::{self, DryRunNetwork};
use super::retrying_network::RetryingNetwork;
use crate::cli::arguments::{ConnectArguments, RunArguments, values};
use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::cli::sessions::load::LoadedSession;
use crate::exec::{Network, RunOptions};
use crate::net::{Nameservers, SystemClock, SystemNetwork};
use crate::source::io_error_text;
use crate::transcript::escape_unprintable;
use std::path::{Path, PathBuf};

/// The variable that names the DNS servers for `--mx` instead of those of the system.
const DNS_VARIABLE: &str = "MAILRUN_DNS";

/// Real connections, or those of a dry run.
pub enum NetworkMode {
    Live(RetryingNetwork),
    DryRun(Box<DryRunNetwork>, MailFolder),
}

/// The folder where a dry run keeps the mail.
#[derive(Clone)]
pub struct MailFolder {
    pub folder: PathBuf,
    /// It was not given with `--sink`.
    temporary: bool,
}

impl NetworkMode {
    /// Opens the network; for a dry run it creates the folder for the mail.
    pub fn open(arguments: &RunArguments, clock: &SystemClock) -> Result<Self, CommandError> {
        if !arguments.dry.dry_run {
            return Ok(Self::Live(live_network(&arguments.connect, clock)?));
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
            CommandError::cannot_create(format!(
                "cannot create {what} for the mail of the dry run: {}",
                io_error_text(&why)
            ))
        })?;
        let dry = DryRunNetwork::new(&folder, SystemNetwork::with_clock(clock));
        Ok(Self::DryRun(Box::new(dry), MailFolder { folder, temporary: arguments.dry.sink.is_none() }))
    }

    /// Another one of the same kind, for a session that runs in parallel.
    pub fn for_another_worker(&self) -> Self {
        match self {
            Self::Live(network) => Self::Live(network.clone()),
            Self::DryRun(dry, kept) => {
                Self::DryRun(Box::new(DryRunNetwork::new(&kept.folder, dry.sockets().clone())), kept.clone())
            }
        }
    }

    /// The network for one session.
    pub fn network_for(&mut self, loaded: &LoadedSession, options: &RunOptions) -> &mut (dyn Network + Send) {
        match self {
            Self::Live(network) => network,
            Self::DryRun(dry, _) => {
                dry.prepare(dry_run::sink_password(loaded, options), dry_run::certificate_names(loaded));
                dry.as_mut()
            }
        }
    }

    /// Stops one that [`NetworkMode::for_another_worker`] has made.
    pub fn stop(self) {
        if let Self::DryRun(mut dry, _) = self {
            dry.stop();
        }
    }

    /// Stops the dry run. The folder is printed, unless `silent`: then a temporary folder is removed.
    pub fn close(self, silent: bool) {
        let Self::DryRun(mut dry, MailFolder { folder, temporary }) = self else { return };
        dry.stop();
        if silent && temporary && std::fs::remove_dir_all(&folder).is_ok() {
            return;
        }
        // An empty folder is removed, even one that was given.
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

/// Real connections, with the name servers of the environment and `--wait`.
pub fn live_network(connect: &ConnectArguments, clock: &SystemClock) -> Result<RetryingNetwork, CommandError> {
    let sockets = SystemNetwork::with_clock(clock).with_nameservers(nameservers()?);
    Ok(RetryingNetwork::new(sockets, connect.wait, clock.clone()))
}

/// The name servers for MX records: those of `MAILRUN_DNS`, otherwise those of the system.
pub fn nameservers() -> Result<Nameservers, CommandError> {
    match std::env::var(DNS_VARIABLE) {
        Err(std::env::VarError::NotPresent) => Ok(Nameservers::System),
        Ok(text) if text.trim().is_empty() => Ok(Nameservers::System),
        Ok(text) => match values::nameservers(&text) {
            Ok(list) => Ok(Nameservers::Given(list)),
            Err(why) => Err(CommandError::usage(format!("{DNS_VARIABLE}: {why}"))),
        },
        Err(why) => Err(CommandError::usage(format!("{DNS_VARIABLE}: {why}"))),
    }
}
