//! A script for bash, which opens connections by itself (`/dev/tcp`).

use super::error::ExportError;
use super::recorded_dialogue::{RecordedDialogue, WireAction, WireEvent};
use super::script::{END, begin, command, functions, step_comment};
use super::shell_words::quote;
use crate::exec::{CloseMode, Server, ServerAddress};

const FORMAT: &str = "sh";

/// Writes the script.
pub fn write(dialogue: &RecordedDialogue) -> Result<String, ExportError> {
    let mut text = begin(dialogue, FORMAT, "bash 4 or later");
    if let Some(ServerAddress::Tcp { host, port }) = dialogue.server().map(|server| &server.address) {
        text += &functions(&quote(host), *port);
    }
    let (mut last_step, mut last_connection) = (None, None);
    for event in &dialogue.actions {
        text += &step_comment(dialogue, event, &mut last_step);
        let descriptor = event.connection + 3;
        if last_connection.replace(event.connection) != Some(event.connection) {
            text += &format!("to={descriptor} from={descriptor}\n");
        }
        text += &match command(&event.action) {
            Some(command) => command,
            None => own_command(dialogue, event, descriptor)?,
        };
    }
    Ok(text + END)
}

fn own_command(dialogue: &RecordedDialogue, event: &WireEvent, descriptor: usize) -> Result<String, ExportError> {
    let cannot = |why: &str, help: &str| Err(dialogue.cannot_express(event, FORMAT, why, help));
    match &event.action {
        WireAction::Connect { server: Server { address: ServerAddress::Unix(_), .. }, .. } => {
            cannot("bash opens no UNIX sockets", "give a server with --server smtp://HOST:PORT")
        }
        WireAction::Connect { is_own: false, .. } => {
            Ok(format!("exec {descriptor}<>\"/dev/tcp/$host/$port\" || stop 'cannot connect'\n"))
        }
        WireAction::Connect { server: Server { address: ServerAddress::Tcp { host, port }, .. }, .. } => {
            Ok(format!("exec {descriptor}<>/dev/tcp/{}/{port} || stop 'cannot connect'\n", quote(host)))
        }
        WireAction::StartTls(_) => cannot("it needs TLS", "--as openssl has TLS"),
        WireAction::Close(CloseMode::Fin) => Ok(format!("exec {descriptor}>&-\n")),
        WireAction::Close(CloseMode::Reset) => cannot("bash cannot reset a connection", "end it with `close = true`"),
        WireAction::Close(_) => cannot("bash cannot close one half of a connection", "end it with `close = true`"),
        _ => Ok(String::new()),
    }
}
