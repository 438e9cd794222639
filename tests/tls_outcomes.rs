//! Every way in which a handshake can end, for both TLS libraries and both versions in use: its status, whether `xfail`
//! covers it, and whether `expect = "handshake-failure"` passes.

mod support;

use mailrun::net::certificate::ServerCertificate;
use openssl::pkey::PKey;
use openssl::ssl::{Ssl, SslContext, SslMethod, SslVersion};
use openssl::x509::X509;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use support::{Folder, ManualServer};

/// What the server does after its 220 to STARTTLS.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    /// A fatal alert.
    Alert,
    Close,
    Reset,
    /// It says nothing.
    Stall,
    /// It chooses TLS 1.1, which this side did not offer.
    Version,
    /// It chooses a cipher that this side did not offer.
    Cipher,
    /// It sends bytes that have the form of a ServerHello, and then nothing that can be verified.
    Garbage,
    /// Its signature of the key exchange is wrong: one of its bits is changed on the way. In TLS 1.3 the signature is encrypted, and
    /// the record is what is wrong.
    Signature,
    /// Its certificate is out of date.
    Certificate,
    /// It has something to say in plain text.
    PlainText,
    Success,
}

fn context(days: i64, version: SslVersion) -> (SslContext, String) {
    let made = ServerCertificate::generate_valid(&["localhost"], -30, days).expect("a certificate can be made");
    let mut builder = SslContext::builder(SslMethod::tls_server()).expect("a context");
    builder.set_security_level(0);
    let key = PKey::private_key_from_pem(made.key_pem.as_bytes()).expect("a key in PEM");
    builder.set_private_key(&key).expect("its key");
    builder.set_certificate(&X509::from_pem(made.chain_pem.as_bytes()).expect("PEM")).expect("its certificate");
    builder.set_min_proto_version(Some(SslVersion::TLS1)).expect("a version");
    builder.set_max_proto_version(Some(version)).expect("a version");
    (builder.build(), made.ca_pem)
}

/// A connection on which the last bit of the server's signature is changed.
struct ChangesSignature(TcpStream);

impl Read for ChangesSignature {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for ChangesSignature {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut bytes = bytes.to_vec();
        let mut start = 0;
        while start + 5 < bytes.len() {
            let end = start + 5 + usize::from(u16::from_be_bytes([bytes[start + 3], bytes[start + 4]]));
            // A ServerKeyExchange (RFC 5246 §7.4.3), or a record of TLS 1.3 that hides what it holds.
            let signs = bytes[start] == 23 || (bytes[start] == 22 && bytes[start + 5] == 12);
            if signs && end <= bytes.len() {
                bytes[end - 1] ^= 1;
            }
            start = end;
        }
        self.0.write_all(&bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// A ServerHello with the client's session ID, this cipher and this version (RFC 8446 §4.1.3).
fn server_hello(client_hello: &[u8], cipher: u16, version: &str) -> Vec<u8> {
    let id_length = usize::from(client_hello[43]);
    let id = &client_hello[44..44 + id_length];
    let mut body = vec![3, if version == "1.1" { 2 } else { 3 }];
    body.extend([7; 32]);
    body.push(client_hello[43]);
    body.extend(id);
    body.extend(cipher.to_be_bytes());
    body.push(0);
    if version == "1.3" {
        body.extend([0, 6, 0, 43, 0, 2, 3, 4]);
    }
    let mut message = vec![2, 0, 0, body.len() as u8];
    message.extend(body);
    let mut record = vec![22, 3, 3, 0, message.len() as u8];
    record.extend(message);
    record
}

fn end_handshake(mut socket: TcpStream, ending: Ending, version: &str, context: &SslContext) {
    let mut hello = [0; 4096];
    let reads_hello = !matches!(ending, Ending::Certificate | Ending::Signature | Ending::Success);
    if reads_hello && socket.read(&mut hello).expect("a ClientHello") < 45 {
        return; // the client gave up, and its result says why
    }
    match ending {
        Ending::Alert => socket.write_all(&[21, 3, 3, 0, 2, 2, 40]).expect("an alert is written"),
        Ending::Close => {}
        Ending::Reset => {
            socket2::Socket::from(socket).set_linger(Some(Duration::ZERO)).expect("an option of sockets");
        }
        Ending::Stall => drop(socket.read_to_end(&mut Vec::new())),
        Ending::Cipher => {
            let cipher = if version == "1.3" { 0x1305 } else { 0x0005 };
            socket.write_all(&server_hello(&hello, cipher, version)).expect("a ServerHello is written");
            drop(socket.read_to_end(&mut Vec::new()));
        }
        Ending::Version => {
            socket.write_all(&server_hello(&hello, 0x002f, "1.1")).expect("a ServerHello is written");
            drop(socket.read_to_end(&mut Vec::new()));
        }
        Ending::Garbage => {
            socket.write_all(&[22, 3, 3, 0, 8, 2, 0, 0, 4, 1, 2, 3, 4]).expect("a record is written");
            drop(socket.read_to_end(&mut Vec::new()));
        }
        Ending::Signature => {
            let refused = Ssl::new(context).expect("a connection").accept(ChangesSignature(socket));
            assert!(refused.is_err(), "the client accepts a wrong signature");
        }
        Ending::PlainText => socket.write_all(b"454 4.7.0 TLS is broken here\r\n").expect("a line is written"),
        Ending::Certificate | Ending::Success => {
            let Ok(mut tls) = Ssl::new(context).expect("a connection").accept(socket) else { return };
            let mut received = Vec::new();
            let mut byte = [0];
            while tls.read(&mut byte).is_ok_and(|count| count == 1) {
                received.push(byte[0]);
                if received.ends_with(b"QUIT\r\n") {
                    let _ = tls.write_all(b"221 bye\r\n");
                    return;
                }
            }
        }
    }
}

/// Runs one session; gives its status and all that was printed.
fn run(ending: Ending, version: &str, tls: &str, starttls: &str, head: &str) -> (i32, String) {
    let newest = if version == "1.2" { SslVersion::TLS1_2 } else { SslVersion::TLS1_3 };
    let (context, ca) = context(if ending == Ending::Certificate { -3 } else { 30 }, newest);
    let folder = Folder::new();
    folder.write("ca.pem", &ca);
    let server = ManualServer::start();
    folder.write(
        "s.toml",
        format!(
            "server = 'smtp://localhost:{}'\nconnect_timeout = '{}'\n{head}\n[tls]\nca = 'ca.pem'\nmin_version = '{version}'\n\
             max_version = '{version}'\n{tls}\n[[step]]\nexpect = 220\n[[step]]\n{starttls}\n",
            server.port,
            if ending == Ending::Stall { "300ms" } else { "20s" },
        ),
    );
    let words = version.to_owned();
    let serving = std::thread::spawn(move || {
        // native-tls connects once more to read a certificate of TLS 1.3 that is not trusted.
        let mut client = server.accept();
        client.send("220 mx ESMTP\r\n");
        client.answer_until(&["STARTTLS"], &["STARTTLS"]);
        client.send("220 go\r\n");
        end_handshake(client.into_stream(), ending, &words, &context);
    });
    let ran = folder.mailrun(["test", "s.toml"]).run().status_and_text();
    serving.join().expect("the server did its part");
    ran
}

#[test]
fn each_ending_has_its_status_and_both_libraries_agree() {
    for (ending, status, xfail, words) in [
        (Ending::Alert, 76, 0, "the server refused the handshake"),
        (Ending::Close, 76, 0, "the server closed the connection in the handshake"),
        (Ending::Reset, 76, 0, "the server reset the connection in the handshake"),
        (Ending::Stall, 75, 75, "timeout: waited 300ms for the TLS handshake"),
        (Ending::Version, 78, 78, "TLS handshake refused by this side: no TLS version in common"),
        (Ending::Cipher, 78, 78, "TLS handshake refused by this side: no cipher in common"),
        (Ending::Garbage, 76, 0, "TLS handshake failed"),
        (Ending::Signature, 76, 0, "TLS handshake failed"),
        (Ending::Certificate, 77, 0, "certificate not trusted"),
        (Ending::PlainText, 76, 0, "what the server sent is not TLS"),
        (Ending::Success, 0, 1, "passed"),
    ] {
        for version in ["1.2", "1.3"] {
            for library in ["", "security_level = 1"] {
                let step = "starttls = true";
                let (code, text) = run(ending, version, library, step, "");
                assert_eq!(code, status, "{ending:?}, TLS {version}, {library:?}:\n{text}");
                assert!(text.contains(words), "{ending:?}, TLS {version}, {library:?}:\n{text}");
                let (code, text) = run(ending, version, library, step, "xfail = 'why'");
                assert_eq!(code, xfail, "{ending:?} with xfail, TLS {version}, {library:?}:\n{text}");
            }
        }
    }
}

#[test]
fn a_handshake_that_is_to_fail_passes_only_if_the_server_refuses_it() {
    for (ending, status) in [
        (Ending::Alert, 0),
        (Ending::Close, 0),
        (Ending::Reset, 0),
        (Ending::Stall, 75),
        (Ending::Version, 78),
        (Ending::Cipher, 78),
        (Ending::Garbage, 76),
        (Ending::Signature, 76),
        (Ending::Certificate, 77),
        (Ending::PlainText, 76),
        (Ending::Success, 1),
    ] {
        for version in ["1.2", "1.3"] {
            // It limits the handshake, too.
            let limit = if ending == Ending::Stall { "2s" } else { "20s" };
            let step = format!("starttls = true\ntimeout = '{limit}'\nexpect = 'handshake-failure'");
            let (code, text) = run(ending, version, "", &step, "");
            assert_eq!(code, status, "{ending:?}, TLS {version}:\n{text}");
        }
    }
}
