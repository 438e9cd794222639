//! `mailrun serve FILE -- COMMAND…`: a command that finds a server in its environment.

use super::server::RunningServer;
use super::summary::Summary;
use std::ffi::OsString;
use std::io;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// How long connections may go on when the command has ended.
const GRACE: Duration = Duration::from_secs(2);

/// Runs `command` with `MAILRUN_SERVER` set to the server's URL; then ends the server. Passed is only where the
/// command succeeded and [`Summary::passed`] says yes, too. The error is the command's, which could not be started.
///
/// `started` is told the command's process id.
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
