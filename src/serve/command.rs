//! `mailrun serve FILE -- COMMAND…`: runs a command that finds the server in its environment.

use super::server::RunningServer;
use super::summary::Summary;
use std::ffi::OsString;
use std::io;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// How long connections may continue after the command has ended.
const GRACE: Duration = Duration::from_secs(2);

/// Runs `command` with `MAILRUN_SERVER` set to the server's URL, then ends the server. The run passed only if the
/// command succeeded and [`Summary::passed`] is true. The error is that the command cannot be started.
///
/// `started` is called with the command's process id.
pub fn run_with_command(
    server: RunningServer,
    command: &[OsString],
    started: impl FnOnce(u32),
) -> Result<(ExitStatus, Summary), io::Error> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no command was given"));
    };
    let mut child = Command::new(program).args(arguments).env("MAILRUN_SERVER", &server.url).spawn()?;
    started(child.id());
    let status = child.wait()?;
    Ok((status, server.stop(GRACE)))
}
