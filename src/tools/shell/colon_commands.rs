//! The colon commands: their names, and what `:help` says.

/// The colon commands.
pub const COMMANDS: [&str; 15] = [
    ":auth",
    ":b64",
    ":body",
    ":close",
    ":connect",
    ":expect",
    ":help",
    ":hex",
    ":raw",
    ":run",
    ":save",
    ":tls",
    ":transcript",
    ":unb64",
    ":wait",
];

/// What `:help` says.
pub const HELP: &str = "\
Lines are sent as they are, with CRLF. STARTTLS does the handshake. After a 354, lines are content up to a lone dot.
:auth [MECHANISM]   logs in; the password is asked for
:body FILE          DATA, and the file as content      :raw BYTES          bytes; \\r \\n \\xNN are escapes
:b64 TEXT           sends TEXT in base64, hidden        :unb64 TEXT         shows what base64 says
:wait               waits for a reply                   :expect 250         compares the last reply
:close [reset]      ends the connection                 :connect            opens another one
:tls                the handshake alone                 :hex on|off         bytes below the lines
:transcript FILE    logs to a file too                  :save [--clean] FILE  writes a session file
:run SESSION        runs a session file                 ::x                 sends :x
";
