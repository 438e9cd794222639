//! What the scripts of `sh` and `openssl` have in common.

use super::recorded_dialogue::{AwaitedReply, RecordedDialogue, WireAction, WireEvent};
use super::shell_words::{comment, printf_arguments, seconds};
use std::fmt::Write;
use std::time::Duration;

/// How long a reply is awaited if the session does not say (RFC 5321 §4.5.3.2.7).
const REPLY_WAIT: Duration = Duration::from_secs(300);

/// The functions of a script. `$to` and `$from` are the descriptors of the current connection.
const FUNCTIONS: &str = r#"LC_ALL=C
said=
stop() { printf '%s\n' "$*" >&2; exit 1; }
show() { local text=${1%$'\r'}; printf 'S: %s\n' "${text//[^[:print:]]/.}"; }

# send FORMAT [SECRET…]: one write of exactly these bytes
send() {
  printf 'C: %s\n' "$1"
  printf -- "$@" | dd obs=1048576 2>/dev/null 1>&"$to"
}

# reply SECONDS PATTERN…: reads a reply; its code must match a pattern. `close`: the server may close instead
reply() {
  local within=$1 line status pattern; shift
  said=
  while :; do
    line=
    IFS= read -r -t "$within" -u "$from" line; status=$?
    [ -z "$line" ] || show "$line"
    if [ "$status" -ne 0 ]; then
      [ "$status" -le 128 ] || stop "no reply within $within s, expected $*"
      for pattern; do [ "$pattern" != close ] || return 0; done
      stop "the connection ended, expected $*"
    fi
    said="$said ${line%$'\r'} "
    [ "${line:3:1}" = - ] || break
  done
  for pattern; do case ${line:0:3} in $pattern) return 0 ;; esac; done
  stop "expected $*, got ${line%$'\r'}"
}

# closed SECONDS: waits for the server to close
closed() {
  local line status=0
  while [ "$status" -eq 0 ]; do
    line=
    IFS= read -r -t "$1" -u "$from" line; status=$?
    [ -z "$line" ] || show "$line"
  done
  [ "$status" -le 128 ] || stop "the server did not close within $1 s"
}

# silence SECONDS: the server must send nothing
silence() {
  local line='' status
  IFS= read -r -t "$1" -u "$from" line; status=$?
  [ "$status" -gt 128 ] && [ -z "$line" ] || stop "expected silence, got $line"
}

# line SECONDS: reads a line, whatever it is
line() {
  local line=''
  IFS= read -r -t "$1" -u "$from" line || [ -n "$line" ] || stop "no line within $1 s"
  show "$line"
}

# lacks KEYWORD: the last reply must not offer it
lacks() {
  case $said in *[-\ ]$1[-\ ]*) stop "the server offers $1, which mailrun uses: export with --as openssl" ;; esac
}
"#;

/// The beginning of a script, which any shell gives to bash.
pub fn begin(dialogue: &RecordedDialogue, format: &str, needs: &str) -> String {
    let name = comment(&dialogue.name);
    let mut text = format!(
        "#!/bin/sh\n# The dialogue of {name}, as `mailrun export --as {format}` writes it. Needs {needs}.\n\
         # Usage: sh SCRIPT [HOST [PORT]]. Exit status: 0 if each reply has the code that the session expects, otherwise 1.\n\
         # Enhanced codes, texts and asserts are not checked. A message is sent as to a server that offers no extension.\n"
    );
    for variable in &dialogue.variables {
        let _ = writeln!(text, ": \"${{{variable}:?set it to the secret}}\"; export {variable}");
    }
    text + "exec bash -s -- \"$@\" <<'END_OF_SCRIPT'\n"
}

/// The functions, and where to connect.
pub fn functions(host: &str, port: u16) -> String {
    format!("host=${{1:-{host}}} port=${{2:-{port}}}\n{FUNCTIONS}")
}

/// The end of a script.
pub const END: &str = "END_OF_SCRIPT\n";

/// A comment that names a step, before its first action.
pub fn step_comment(dialogue: &RecordedDialogue, event: &WireEvent, last: &mut Option<usize>) -> String {
    if *last == Some(event.step) {
        return String::new();
    }
    *last = Some(event.step);
    match dialogue.steps.get(event.step) {
        Some(step) => {
            let place = &step.place;
            comment(&format!("# step {}: {} ({}:{})", step.number, step.title, place.file, place.line)) + "\n"
        }
        None => String::new(),
    }
}

/// The command for an action on the current connection; `None` for what a format does in its own way.
pub fn command(action: &WireAction) -> Option<String> {
    Some(match action {
        WireAction::Send(pieces) => format!("send {}\n", printf_arguments(pieces)),
        WireAction::Reply(reply) => reply_command(reply),
        WireAction::AwaitClose(within) => format!("closed {}\n", seconds(*within)),
        WireAction::Silence(duration) => format!("silence {}\n", seconds(*duration)),
        WireAction::AwaitLine => format!("line {}\n", seconds(REPLY_WAIT)),
        WireAction::LacksStarttls => "lacks STARTTLS\n".to_owned(),
        WireAction::Pause(duration) => format!("sleep {}\n", seconds(*duration)),
        WireAction::Connect { .. } | WireAction::StartTls(_) | WireAction::EndTls | WireAction::Close(_) => {
            return None;
        }
    })
}

fn reply_command(reply: &AwaitedReply) -> String {
    let mut patterns: Vec<String> = reply.codes.iter().map(|code| format!("'{code}'")).collect();
    if reply.or_close {
        patterns.push("close".to_owned());
    }
    format!("reply {} {}\n", seconds(reply.timeout.unwrap_or(REPLY_WAIT)), patterns.join(" "))
}
