//! The fixtures of `import`.

use super::*;

/// Each fixture with its format, and what its session has.
pub const FIXTURES: &[(&str, LogFormat, &[&str])] = &[
    (
        "rfc-style.txt",
        LogFormat::Transcript,
        &["send = \"RCPT TO:<Nobody@harbour.example>\"\nexpect = 550", "..at noon"],
    ),
    ("client-marked.txt", LogFormat::Transcript, &["send = \"VRFY queen\"\nexpect = 252"]),
    (
        "transcript.txt",
        LogFormat::Transcript,
        &[
            "pipeline = [",
            "{ send = \"DATA\", expect = 354 }",
            "raw = { hex = \"53 75",
            "raw = \"NOOP\\n\"\nexpect = 500",
            "sleep = \"10ms\"",
            "send = \"{{ auth_login_password }}\"\nexpect = 535",
            "bdat = \"Subject: x\\r\\n\\r\\n\"\nlast = true\nexpect = 250",
        ],
    ),
    (
        "swaks.txt",
        LogFormat::Swaks,
        &[
            "server = \"smtp://mx.forest.example:25\"",
            "starttls = true",
            "verify = false",
            "send = \"AUTH PLAIN {{ auth_plain }}\"\nexpect = 535",
            "auth_plain = { env = \"AUTH_PLAIN\" }",
            "expect = 450",
        ],
    ),
    (
        "swaks-pipelined.txt",
        LogFormat::Swaks,
        &[
            "server = \"lmtp://127.0.0.1:2525\"",
            "{ send = \"RCPT TO:<hare@forest.example>\", expect = 550 }",
            "raw = \"QUIT\\r\\n\"",
        ],
    ),
    (
        "curl.txt",
        LogFormat::Curl,
        &["server = \"smtp://mx.cliff.example:587\"", "starttls = true", "placeholder", "expect = 552"],
    ),
    (
        "telnet.txt",
        LogFormat::Telnet,
        &[
            "server = \"smtp://mx.plain.example:25\"",
            "send = \"\"\nexpect = 500",
            "250 neither\n.\n\"\"\"\nexpect = 451",
        ],
    ),
    (
        "s_client.txt",
        LogFormat::SClient,
        &[
            "server = \"smtp://mx.vault.example:465\"",
            "tls = true",
            "send = \"rcpt to:<box@vault.example>\"",
            "send = \"QUIT\"\nexpect = [221, \"close\"]",
        ],
    ),
    ("s_client-starttls.txt", LogFormat::SClient, &["starttls = true", "send = \"NOOP\"\nexpect = 250"]),
    (
        "postfix.txt",
        LogFormat::Postfix,
        &["1 more connection", "placeholder", "expect = 250  # 2.0.0 Ok: queued as 4ABC", "close = true"],
    ),
    (
        "exim.txt",
        LogFormat::Exim,
        &[
            "server = \"smtp://mx.hill.example:25\"",
            "starttls = true",
            "{ send = \"DATA\", expect = 354 }",
            "placeholder",
        ],
    ),
    (
        "exim-test.txt",
        LogFormat::EximTest,
        &[
            "server = \"smtp://127.0.0.1:1225\"",
            "send = \"starttls\"\nexpect = 220",
            "tls = true",
            "sleep = \"1000ms\"",
        ],
    ),
    (
        "phpmailer.txt",
        LogFormat::PhpMailer,
        &["server = \"smtp://mx.shop.example:587\"", "{{ auth_login_user }}", "paid", "expect = 554"],
    ),
    (
        "nodemailer.txt",
        LogFormat::Nodemailer,
        &["server = \"smtp://192.0.2.20:587\"", "starttls = true", "{{ auth_plain }}", "placeholder"],
    ),
    (
        "smtplib.txt",
        LogFormat::Smtplib,
        &[
            "server = \"smtp://mx.snake.example:587\"",
            "starttls = true",
            "send = \"AUTH PLAIN {{ auth_plain }}\"\nexpect = 235",
            "Subject: late\n\n.dot\n",
            "expect = 451",
            "send = \"quit\"\nexpect = 221",
        ],
    ),
    (
        "ruby.txt",
        LogFormat::Ruby,
        &[
            "server = \"smtp://127.0.0.1:2525\"",
            "send = \"{{ auth_login_password }}\"\nexpect = 235",
            "placeholder",
            "send = \"QUIT\"\nexpect = 221",
        ],
    ),
    (
        "net-smtp.txt",
        LogFormat::NetSmtp,
        &["starttls = true", "\nhello\n.dot\n250 x\n  indented\n\"\"\"\nexpect = 250", "send = \"QUIT\""],
    ),
    (
        "msmtp.txt",
        LogFormat::Msmtp,
        &[
            "server = \"smtp://127.0.0.1:2525\"",
            "starttls = true",
            "{ send = \"RCPT TO:<b@otter.example>\", expect = 250 }",
            "\nhello\n.dot\n\"\"\"\nexpect = 250",
        ],
    ),
    (
        "mutt.txt",
        LogFormat::Mutt,
        &[
            "server = \"smtp://127.0.0.1:2525\"",
            "starttls = true",
            "send = \"{{ auth_login_password }}\"\nexpect = 235",
            "\nhello\n.dot\n\"\"\"\nexpect = 250",
        ],
    ),
    (
        "javamail.txt",
        LogFormat::JavaMail,
        &[
            "server = \"smtp://127.0.0.1:2525\"",
            "# a guess: the log does not show AUTH LOGIN",
            "send = \"{{ auth_login_password }}\"\nexpect = 235",
            "\n.dot\n250 not\nDEBUG SMTP: x\n\nend\n\"\"\"\nexpect = 250",
        ],
    ),
    (
        "sendmail.txt",
        LogFormat::Sendmail,
        &[
            "server = \"smtp://mx.burrow.example\"",
            "{ send = \"DATA\", expect = 354 }",
            "placeholder",
            "expect = 451",
            "send = \"QUIT\"\nexpect = 221",
        ],
    ),
    (
        "curl-trace.txt",
        LogFormat::Curl,
        &[
            "server = \"smtp://127.0.0.1:2525\"",
            "send = \"AUTH PLAIN\"\nexpect = 334",
            "send = \"{{ auth_plain }}\"\nexpect = 235",
            "From: me@x.test\nTo: you@x.test\nSubject: hi\n\nhello\n.dot\n",
        ],
    ),
    (
        "curl-trace-ascii.txt",
        LogFormat::Curl,
        &["starttls = true", "# a guess: a dot of this content", "Subject: hi\n\nhello\n.dot\n\"\"\"\nexpect = 250"],
    ),
    (
        "gnutls-cli.txt",
        LogFormat::SClient,
        &[
            "server = \"smtp://127.0.0.1:2525\"",
            "send = \"EHLO 127.0.0.1\"\nexpect = 250",
            "starttls = true",
            "\nhello\n250 not a reply\n\"\"\"\nexpect = 250",
        ],
    ),
    (
        "exim-chunking.txt",
        LogFormat::Exim,
        &["server = \"smtp://192.0.2.7:25\"", "{ bdat = \"Subject: placeholder", "{ send = \"QUIT\", expect = 221 }"],
    ),
    (
        "postfix-client.txt",
        LogFormat::Postfix,
        &[
            "server = \"smtp://mx.shrew.example:25\"",
            "{ send = \"DATA\", expect = 354 }",
            "placeholder",
            "raw = \"QUIT\\r\\n\"",
        ],
    ),
    (
        "tshark.txt",
        LogFormat::Tshark,
        &[
            "send = \"RCPT TO:<you@x.test>\"\nexpect = 250",
            "\nhello\n\n\n\"\"\"\nexpect = 250",
            "send = \"QUIT\"\nexpect = 221",
        ],
    ),
];
