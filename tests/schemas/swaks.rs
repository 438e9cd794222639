//! What `mailrun export --as swaks` prints is run by swaks itself, and sends the bytes that a run sends.

use crate::support::{Folder, PROGRAM, tool};

const HELLO: &str = "[[step]]\nexpect = 220\n[[step]]\nehlo = 'c.example'\n";
const MAIL: &str = "[[step]]\nsend = 'MAIL FROM:<a@example.com>'\nexpect = 250\n[[step]]\nsend = 'RCPT TO:<b@example.com>'\nexpect = '25x'\n";
const DATA: &str = "[[step]]\nsend = 'DATA'\nexpect = 354\n";
const QUIT: &str = "[[step]]\nquit = true\n";

const HELLO_SERVED: &str = "S: 220 x\nC: EHLO c.example\nS: 250-x\nS: 250 AUTH PLAIN LOGIN\n";
const MAIL_SERVED: &str = "C: MAIL FROM:<a@example.com>\nS: 250 ok\nC: RCPT TO:<b@example.com>\nS: 250 ok\n";
const DATA_SERVED: &str = "C: DATA\nS: 354 go\nC: x\nC: .\nS: 250 ok\n";
const QUIT_SERVED: &str = "C: QUIT\nS: 221 bye\n";
const STARTTLS_SERVED: &str = "S: 220 x\nC: EHLO c.example\nS: 250-x\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n*: TLS started\nC: EHLO c.example\nS: 250 x\n";
const LOGIN_SERVED: &str = "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: x\nS: 334 UGFzc3dvcmQ6\nC: y\nS: 235 ok\n";

/// A session, and the script of a server for it.
struct Exported {
    why: &'static str,
    session: String,
    script: String,
}

impl Exported {
    /// `head` comes before the steps, which end with QUIT.
    fn new(why: &'static str, head: &str, steps: &str, script: &str) -> Self {
        let server = if head.contains("smtps") { "" } else { "server = 'smtp://localhost:2525'\n" };
        Self { why, session: format!("{server}{head}{steps}{QUIT}"), script: format!("{script}{QUIT_SERVED}") }
    }

    fn content(why: &'static str, bytes: &[u8]) -> Self {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let body = format!("{HELLO}{MAIL}{DATA}[[step]]\nraw = {{ hex = '{hex}' }}\nexpect = 250\n");
        Self::new(why, "", &body, &format!("{HELLO_SERVED}{MAIL_SERVED}{DATA_SERVED}"))
    }

    /// The bytes of both sides while a command of the shell ran with the server.
    fn served(&self, folder: &Folder, command: &str) -> String {
        let tls = if self.session.contains("smtps") { &["--tls"][..] } else { &[] };
        let served = folder
            .mailrun(["serve", "--match", "any", "--hex", "--transcript", "server.log"])
            .args(tls)
            .args(["server.txt", "--", "sh", "-c", command])
            .env("MAILRUN", PROGRAM)
            .env("PASSWORD", "hunter2 $x'%41\\")
            .run();
        let said = format!("{}: {command}: {}{}", self.why, served.stdout, served.stderr);
        assert!(!said.contains("*: expected"), "{said}");
        // The client's port, and who was first to close, differ from run to run.
        let log = folder.read("server.log");
        log.lines()
            .filter(|line| !line.starts_with("*: c") && !line.starts_with("*: TLS"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn assert_same_bytes(&self) {
        let folder = Folder::new().with("s.toml", &self.session).with("server.txt", &self.script);
        let ran = self.served(&folder, "\"$MAILRUN\" run s.toml >run.log 2>&1");
        assert!(ran.contains("C: QUIT"), "{}: {ran}{}", self.why, folder.read("run.log"));
        let swaks = "\"$MAILRUN\" export s.toml --as swaks --server \"$MAILRUN_SERVER\" >s.sh && timeout 20 sh s.sh >swaks.log 2>&1";
        let exported = self.served(&folder, swaks);
        assert_eq!(exported, ran, "{}: {}{}", self.why, folder.read("s.sh"), folder.read("swaks.log"));
    }
}

#[test]
#[ignore = "needs swaks: make test-schemas"]
fn swaks_sends_the_bytes_that_a_run_sends() {
    let version = tool("swaks").arg("--version").output().expect("swaks is installed: make test-schemas installs it");
    assert!(version.status.success(), "{version:?}");
    let auth = |mechanism: &str, user: &str| {
        format!(
            "{HELLO}[[step]]\nauth = {{ user = \"{user}\", password = '{{{{ pw }}}}', mechanism = '{mechanism}', allow_plaintext = true }}\n"
        )
    };
    let secret = "[secrets]\npw = { env = 'PASSWORD' }\n";
    let insecure = "[tls]\nverify = false\n";
    let many: String =
        (0..30).map(|n| format!("[[step]]\nsend = 'RCPT TO:<r{n}@example.com>'\nexpect = '25x'\n")).collect();
    let many_served: String = (0..30).map(|n| format!("C: RCPT TO:<r{n}@example.com>\nS: 250 ok\n")).collect();
    let bytes: Vec<u8> = (0..=255).filter(|byte| !b"\r\n".contains(byte)).collect();
    let message = "client_name = 'c.example'\n[message]\nfrom = 'a@example.com'\nto = ['b@example.com', 'c@example.com']\nsubject = 'ü'\n\
                   text = \".x\\ny\"\nmessage_id = '<x@example.com>'\ndate = 'Mon, 02 Nov 2026 10:00:00 +0000'\n";
    let mut table = vec![
        Exported::new("the connection alone", "", "[[step]]\nexpect = 220\n", "S: 220 x\n"),
        Exported::new(
            "HELO",
            "",
            &format!("{}{MAIL}", HELLO.replace("ehlo = 'c.example'", "send = 'HELO c.example'\nexpect = 250")),
            &format!("S: 220 x\nC: HELO c.example\nS: 250 x\n{MAIL_SERVED}"),
        ),
        Exported::new("EHLO", "", &HELLO.replace("c.example", "[127.0.0.1]"), HELLO_SERVED),
        Exported::new(
            "a refused recipient",
            "",
            &format!("{HELLO}{}", MAIL.replace("'25x'", "550")),
            &format!("{HELLO_SERVED}{}", MAIL_SERVED.replace("b@example.com>\nS: 250", "b@example.com>\nS: 550")),
        ),
        Exported::new(
            "odd addresses",
            "",
            &format!("{HELLO}{}", MAIL.replace("a@example.com", "").replace("b@example.com", "\"b $x\"%d@example.com")),
            &format!("{HELLO_SERVED}{MAIL_SERVED}"),
        ),
        Exported::new(
            "many recipients",
            "",
            &format!("{HELLO}{MAIL}{many}{DATA}[[step]]\nbody = 'x'\nexpect = 250\n"),
            &format!("{HELLO_SERVED}{MAIL_SERVED}{many_served}{DATA_SERVED}"),
        ),
        Exported::new("PLAIN", secret, &auth("PLAIN", "ann"), &format!("{HELLO_SERVED}C: AUTH PLAIN x\nS: 235 ok\n")),
        Exported::new("LOGIN", secret, &auth("LOGIN", "a'<b>"), &format!("{HELLO_SERVED}{LOGIN_SERVED}")),
        Exported::new(
            "STARTTLS",
            insecure,
            &format!(
                "{HELLO}[[step]]\nstarttls = true\n[[step]]\nehlo = 'c.example'\n{MAIL}{DATA}[[step]]\nbody = 'x'\nexpect = 250\n"
            ),
            &format!("{STARTTLS_SERVED}{MAIL_SERVED}{DATA_SERVED}"),
        ),
        Exported::new(
            "TLS from the first byte",
            &format!("server = 'smtps://localhost:2525'\n{insecure}"),
            &format!("{HELLO}{MAIL}"),
            &format!("{HELLO_SERVED}{MAIL_SERVED}"),
        ),
        Exported::content("every byte", &[b"x", &bytes[..], b"\r\n.\r\n"].concat()),
        Exported::content("dots", b"..\r\n..x\r\nx.\r\n\r\n..\r\n.\r\n"),
        Exported::content("bare CR and LF", b"a\nb\rc\r\n\r\n\n.\n\r\n.\r\n"),
        Exported::content("a hyphen first", b"-n x\r\n.\r\n"),
        Exported::content("what swaks would replace", b"%DATE% \\n @file\r\nFrom \r\n.\r\n"),
        Exported::content("many writes", &[b"line\r\n".repeat(30_000), b".\r\n".to_vec()].concat()),
    ];
    // The session of a message has its own QUIT.
    let rcpt = "C: RCPT TO:<b@example.com>\nS: 250 ok\n";
    let script = format!("{HELLO_SERVED}{MAIL_SERVED}{rcpt}{DATA_SERVED}");
    let mut own = Exported::new("a message", message, "", &script);
    own.session = own.session.replace(QUIT, "");
    table.push(own);
    table.iter().for_each(Exported::assert_same_bytes);
    // A secret that swaks would misread stops the script before it connects.
    let folder =
        Folder::new().with("s.toml", format!("server = 'smtp://127.0.0.1:1'\n{secret}{}{QUIT}", auth("PLAIN", "ann")));
    folder.write("s.sh", folder.mailrun(["export", "s.toml", "--as", "swaks"]).run().exits(0).stdout);
    let stopped = tool("sh").arg(folder.path("s.sh")).env("PASSWORD", "-hunter2").output().expect("there is a shell");
    assert_eq!(stopped.status.code(), Some(64), "{stopped:?}");
}
