//! Scripts that are transcripts of odd clients and servers.

use super::cases::Case;

pub const RECORDED_FAULTS: &[Case] = &[
    Case {
        why: "the octets of a pipelined BDAT end inside a line",
        transcript: "*: match command\nC: BDAT 3\nC: abcBDAT 4 LAST\nC: de\nC: NOOP\nS: 250 1\nS: 250 2\nS: 250 3\n*: closed by the server\n",
        sent: b"BDAT 2\r\nxxBDAT 5 LAST\r\nyyyyyNOOP\r\n",
        said: "250 1\r\n250 2\r\n250 3\r\n<close>",
        problem: None,
    },
    Case {
        why: "a dot after a bare LF does not end content",
        transcript: "*: match command\nC: DATA\nS: 354 go\nC: a\\n\nC: .\nC: MAIL FROM:<x>\nC: .\nS: 250 one\n*: closed by the server\n",
        sent: b"DATA\r\na\n.\r\nMAIL FROM:<x>\r\n.\r\n",
        said: "354 go\r\n250 one\r\n<close>",
        problem: None,
    },
    Case {
        why: "but a script can be that of a server that takes it for the end",
        transcript: "*: match command\nC: DATA\nS: 354 go\nC: a\\n\nC: .\\n\nC: RSET\\n\nS: 250 one\nS: 250 two\nC: QUIT\nS: 221 bye\n",
        sent: b"DATA\r\na\n.\nRSET\nQUIT\r\n",
        said: "354 go\r\n250 one\r\n250 two\r\n221 bye\r\n<close>",
        problem: None,
    },
    Case {
        why: "a client may go on with content that was answered before its end",
        transcript: "*: match command\nC: DATA\nS: 354 go\nC: a\nC: b\nS: 552 no\n*: closed by the client\n",
        sent: b"DATA\r\na\r\nb\r\nc\r\nd",
        said: "354 go\r\n552 no\r\n<close>",
        problem: None,
    },
    Case {
        why: "and its QUIT is answered, whatever it sends before that",
        transcript: "*: match command\nC: DATA\nS: 354 go\nC: a\nS: 552 no\n",
        sent: b"DATA\r\na\r\nb\r\n.\r\nQUIT\r\n",
        said: "354 go\r\n552 no\r\n221 2.0.0 bye\r\n<close>",
        problem: None,
    },
    Case {
        why: "content of a lenient server is not compared, as other content",
        transcript: "*: match command\nC: DATA\nS: 354 go\nC: a\\n\nC: .\nS: 250 one\nC: QUIT\nS: 221 bye\n",
        sent: b"DATA\r\nother\r\nlines\r\n.\r\nQUIT\r\n",
        said: "354 go\r\n250 one\r\n221 bye\r\n<close>",
        problem: None,
    },
    Case {
        why: "the name of EHLO is not compared, even if the script has none",
        transcript: "*: match command\nC: EHLO\nS: 250 x\nC: HELO a\nS: 250 x\n*: closed by the server\n",
        sent: b"EHLO client.example\r\nHELO\r\n",
        said: "250 x\r\n250 x\r\n<close>",
        problem: None,
    },
    Case {
        why: "a word that a secret continues is compared as far as it is known",
        transcript: "*: match verb\nC: X[secret]\nS: 250 a\nC: X [secret]\nS: 250 b\n*: closed by the server\n",
        sent: b"Xhunter2\r\nX y\r\n",
        said: "250 a\r\n250 b\r\n<close>",
        problem: None,
    },
    Case {
        why: "bytes without a line end are waited for if nothing is compared",
        transcript: "*: match any\nC: \\x0d\nC: !\\x11\\c\nS: 220 x\nC: NO\\c\nS: 250 a\n*: closed by the server\n",
        sent: b"\r\r\n!\x12OK",
        said: "220 x\r\n250 a\r\n<close>",
        problem: None,
    },
    Case {
        why: "so are those of which the first word is compared",
        transcript: "*: match verb\nC: NOOP x\\c\nS: 250 a\nC: QUIT\nS: 221 bye\n",
        sent: b"noop yQUIT\r\n",
        said: "250 a\r\n221 bye\r\n<close>",
        problem: None,
    },
    Case {
        why: "a handshake that the server refused is refused",
        transcript: "C: STARTTLS\nS: 220 go\n*: TLS handshake failed: the server closed the connection in the handshake (a.toml:9)\n*: closed by the client\n",
        sent: b"STARTTLS\r\n\x16\x03\x01",
        said: "220 go\r\n<close>",
        problem: None,
    },
    Case {
        why: "and so is one whose failure was expected",
        transcript: "C: STARTTLS\nS: 220 go\n*: TLS handshake failed as expected: the server reset the connection in the handshake\n*: closed by the client\n",
        sent: b"STARTTLS\r\n\x16\x03\x01",
        said: "220 go\r\n<reset>",
        problem: None,
    },
    Case {
        why: "with TLS 1.3 the server refuses after the handshake",
        transcript: "C: STARTTLS\nS: 220 go\n*: TLS started: TLSv1.3\n*: closed by the client\n*: TLS handshake failed as expected: the server refused the client's certificate\n",
        sent: b"STARTTLS\r\n",
        said: "220 go\r\n<tls><close>",
        problem: None,
    },
    Case {
        why: "a client that does not begin the handshake is a mismatch",
        transcript: "C: STARTTLS\nS: 220 go\n*: TLS handshake failed: the server refused: no TLS version in common\n",
        sent: b"STARTTLS\r\n",
        said: "220 go\r\n421 script mismatch\r\n<close>",
        problem: Some("expected a TLS handshake, got the end of the connection"),
    },
];
