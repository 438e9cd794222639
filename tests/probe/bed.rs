//! A server as a probe finds it: what it offers, which TLS versions it speaks, and how long its certificate is valid.

use mailrun::net::certificate::ServerCertificate;
use openssl::pkey::PKey;
use openssl::ssl::{Ssl, SslContext, SslMethod, SslVersion};
use openssl::x509::X509;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A server as a probe finds it.
#[derive(Clone)]
pub struct Bed {
    pub greeting: &'static str,
    /// What EHLO offers before and in TLS; STARTTLS among it is the bed's own business.
    pub offers: [&'static [&'static str]; 2],
    /// The replies to these verbs. EHLO, STARTTLS and QUIT have replies of their own.
    pub answers: &'static [(&'static str, &'static str)],
    /// Sent in the same write as the reply to STARTTLS.
    pub injected: &'static str,
    pub oldest: SslVersion,
    pub newest: SslVersion,
    pub names: &'static [&'static str],
    /// How many days the certificate is still valid.
    pub days: i64,
    /// TLS from the first byte.
    pub implicit: bool,
    /// Whether its client trusts the issuer.
    pub trusted: bool,
}

pub const MODERN: Bed = Bed {
    greeting: "220 mx.example ESMTP",
    offers: [&["PIPELINING", "SIZE 12345", "STARTTLS"], &["PIPELINING", "SIZE 12345", "AUTH PLAIN LOGIN"]],
    answers: &[],
    injected: "",
    oldest: SslVersion::TLS1_2,
    newest: SslVersion::TLS1_3,
    names: &["localhost"],
    days: 100,
    implicit: false,
    trusted: true,
};

pub struct RunningBed {
    pub port: u16,
    pub ca: String,
    /// All lines that clients sent.
    pub lines: Arc<Mutex<Vec<String>>>,
}

impl Bed {
    pub fn start(&self) -> RunningBed {
        let made = ServerCertificate::generate_valid(self.names, -30, self.days).expect("a certificate can be made");
        let mut builder = SslContext::builder(SslMethod::tls_server()).expect("a context");
        builder.set_security_level(0);
        let key = PKey::private_key_from_pem(made.key_pem.as_bytes()).expect("a key in PEM");
        builder.set_private_key(&key).expect("its key");
        builder.set_certificate(&X509::from_pem(made.chain_pem.as_bytes()).expect("PEM")).expect("its certificate");
        builder.set_min_proto_version(Some(self.oldest)).expect("a version");
        builder.set_max_proto_version(Some(self.newest)).expect("a version");
        let context = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (bed, kept) = (self.clone(), lines.clone());
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (bed, context, kept) = (bed.clone(), context.clone(), kept.clone());
                std::thread::spawn(move || bed.serve(socket, &context, &kept));
            }
        });
        RunningBed { port, ca: made.ca_pem, lines }
    }

    /// Serves one connection, until the client is gone.
    pub fn serve(&self, socket: TcpStream, context: &SslContext, kept: &Mutex<Vec<String>>) -> Option<()> {
        let accept = |socket| Ssl::new(context).ok()?.accept(socket).ok();
        socket.set_nodelay(true).ok()?;
        if self.implicit {
            let mut tls = accept(socket)?;
            write!(tls, "{}\r\n", self.greeting).ok()?;
            return self.dialogue(&mut tls, 1, kept).map(drop);
        }
        let mut plain = socket;
        write!(plain, "{}\r\n", self.greeting).ok()?;
        self.dialogue(&mut plain, 0, kept)?;
        self.dialogue(&mut accept(plain)?, 1, kept).map(drop)
    }

    /// Answers commands, until STARTTLS was accepted.
    pub fn dialogue(&self, stream: &mut (impl Read + Write), stage: usize, kept: &Mutex<Vec<String>>) -> Option<()> {
        loop {
            let line = read_line(stream)?;
            kept.lock().expect("no test panics here").push(line.clone());
            let verb = line.split(' ').next().unwrap_or_default();
            let own = self.answers.iter().find(|(known, _)| *known == verb).map(|(_, reply)| *reply);
            match (verb, own) {
                (_, Some(reply)) => write!(stream, "{reply}\r\n").ok()?,
                ("EHLO", None) => {
                    let offers: String = self.offers[stage].iter().map(|offer| format!("250-{offer}\r\n")).collect();
                    write!(stream, "250-mx.example\r\n{offers}250 HELP\r\n").ok()?;
                }
                ("STARTTLS", None) => {
                    // In one write, so that what is injected has come when the client looks.
                    stream.write_all(format!("220 go\r\n{}", self.injected).as_bytes()).ok()?;
                    return Some(());
                }
                ("QUIT", None) => {
                    write!(stream, "221 bye\r\n").ok()?;
                    return None;
                }
                ("HELO", None) => write!(stream, "250 mx.example\r\n").ok()?,
                _ => write!(stream, "502 no\r\n").ok()?,
            }
        }
    }
}

pub fn read_line(stream: &mut impl Read) -> Option<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.last() != Some(&b'\n') {
        match stream.read(&mut byte) {
            Ok(1) => line.push(byte[0]),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&line).trim_end().to_owned())
}

impl RunningBed {
    pub fn url(&self, bed: &Bed) -> String {
        format!("{}://localhost:{}", if bed.implicit { "smtps" } else { "smtp" }, self.port)
    }
}
