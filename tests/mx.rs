//! `--mx`: the server is the best mail exchanger of a domain. The tests have a name server of their own on loopback.

mod support;

use mailrun::exec::{ConnectOptions, RunOptions, ServerTarget, TlsTrust};
use mailrun::net::certificate::ServerCertificate;
use mailrun::net::{Nameservers, SystemClock, SystemNetwork};
use mailrun::serve::{Behaviour, Config, SinkOptions};
use mailrun::source::SystemSources;
use mailrun::tools::probe::{ProbeOptions, run_probe};
use simple_dns::rdata::{CNAME, MX, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, RCODE, ResourceRecord};
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{EmbeddedServer, Finished, Folder};

/// Answers for the names below. Returns its port and the number of questions so far.
fn name_server() -> (u16, Arc<AtomicUsize>) {
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a loopback port is free");
        // The same port may be taken for TCP.
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("it is bound")) {
            break (udp, tcp);
        }
    };
    let port = udp.local_addr().expect("it is bound").port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, peer)) = udp.recv_from(&mut buffer) {
            count.fetch_add(1, Ordering::SeqCst);
            for reply in replies(&buffer[..length], false) {
                udp.send_to(&reply, peer).expect("loopback takes it");
            }
        }
    });
    std::thread::spawn(move || {
        for mut stream in tcp.incoming().flatten() {
            let mut length = [0; 2];
            stream.read_exact(&mut length).expect("a question comes");
            let mut question = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut question).expect("the whole question comes");
            for reply in replies(&question, true) {
                let length = u16::try_from(reply.len()).expect("replies are short");
                stream.write_all(&length.to_be_bytes()).and_then(|()| stream.write_all(&reply)).expect("it is read");
            }
        }
    });
    (port, asked)
}

fn replies(question: &[u8], tcp: bool) -> Vec<Vec<u8>> {
    let query = Packet::parse(question).expect("mailrun asks in a way that can be read");
    let asked = query.questions[0].qname.to_string();
    let id = query.id();
    assert!(query.has_flags(PacketFlag::RECURSION_DESIRED));
    let mut reply = query.into_reply();
    let mx = |owner: &'static str, preference: u16, exchange: &'static str| {
        let data = RData::MX(MX { preference, exchange: Name::new_unchecked(exchange) });
        ResourceRecord::new(Name::new_unchecked(owner), CLASS::IN, 60, data)
    };
    match asked.as_str() {
        "best.example" => {
            reply.answers.extend([mx("best.example", 20, "mx2.example"), mx("best.example", 10, "mx1.example")])
        }
        "next.example" => {
            reply.answers.extend([mx("next.example", 10, "mx2.example"), mx("next.example", 20, "mx1.example")])
        }
        "down.example" => {
            reply.answers.extend([mx("down.example", 10, "mx2.example"), mx("down.example", 20, "mx2.example")])
        }
        "null.example" => reply.answers.push(mx("null.example", 0, "")),
        "none.example" => {}
        "alias.example" => {
            let alias = RData::CNAME(CNAME(Name::new_unchecked("best.example")));
            reply.answers.push(ResourceRecord::new(Name::new_unchecked("alias.example"), CLASS::IN, 60, alias));
            reply.answers.push(mx("best.example", 10, "mx1.example"));
        }
        "long.example" if !tcp => reply.set_flags(PacketFlag::TRUNCATION),
        "long.example" => reply.answers.extend((0..100).map(|_| mx("long.example", 10, "mx1.example"))),
        "forged.example" => {
            let mut forged = reply.clone();
            forged.set_id(id.wrapping_add(1));
            forged.answers.push(mx("forged.example", 0, "mx2.example"));
            reply.answers.push(mx("forged.example", 10, "mx1.example"));
            return [forged, reply].iter().map(|packet| packet.build_bytes_vec().expect("it can be written")).collect();
        }
        "broken.example" => *reply.rcode_mut() = RCODE::ServerFailure,
        "silent.example" => return Vec::new(),
        _ => *reply.rcode_mut() = RCODE::NameError,
    }
    vec![reply.build_bytes_vec_compressed().expect("it can be written")]
}

/// A name server and a sink: mx1.example resolves to the sink, mx2.example to an address where nothing listens.
struct MxFixture {
    sink: EmbeddedServer,
    folder: Folder,
    dns: u16,
    asked: Arc<AtomicUsize>,
}

impl MxFixture {
    fn new(certificate: &str) -> Self {
        let mut config = Config::new(Behaviour::Sink(SinkOptions::default()));
        config.certificate = Some(ServerCertificate::generate(&[certificate]).expect("a certificate can be made"));
        let sink = EmbeddedServer::start(config);
        let (folder, (dns, asked)) = (Folder::new().with("ca.pem", &sink.ca_pem), name_server());
        let fixture = Self { sink, folder, dns, asked };
        fixture.session(&format!("server = \"smtp://unused.example:{}\"", fixture.sink.port));
        fixture
    }

    fn session(&self, top: &str) {
        let text = format!(
            "{top}\ntls = {{ ca = \"ca.pem\" }}\nstep = [ {{ login = true }}, {{ quit = true, assert = [\"'SIZE' in ehlo.capabilities\"] }} ]\n"
        );
        self.folder.write("case.toml", text);
    }

    fn run(&self, domain: &str, options: &[&str]) -> Finished {
        // Only one name server never answers.
        let limit = if domain == "silent.example" { "1s" } else { "60s" };
        let run = self.folder.mailrun(["run", "--mx", domain, "--connect-timeout", limit]).args(options);
        let hosts = [("mx1.example", "127.0.0.1"), ("mx2.example", "127.0.0.2"), ("none.example", "127.0.0.1")];
        let resolve = hosts.map(|(host, address)| format!("--resolve={host}:{}:{address}", self.sink.port));
        run.args(resolve).args(["case.toml"]).env("MAILRUN_DNS", format!("127.0.0.1:{}", self.dns)).run()
    }

    fn ends(&self, domain: &str, status: i32, words: &[&str]) -> String {
        let output = self.run(domain, &[]);
        let text = output.text();
        assert_eq!(output.status, status, "{domain}: {text}");
        for words in words {
            assert!(text.contains(words), "{domain}: {words}: {text}");
        }
        text
    }
}

#[test]
fn the_best_exchanger_that_can_be_connected_to_is_the_server() {
    // The certificate is for the exchanger, so this also tests that the exchanger's name is verified.
    let fixture = MxFixture::new("mx1.example");
    let best = "*: mail exchanger of best.example: mx1.example, preference 10\n*: connected to 127.0.0.1:";
    fixture.ends("best.example", 0, &[best, "TLS started: TLSv1.3, CN=mx1.example, verified"]);
    fixture.ends("BEST.example.", 0, &[best]);
    let next = "*: cannot connect to the mail exchanger mx2.example: connection refused\n\
                *: mail exchanger of next.example: mx1.example, preference 20\n";
    fixture.ends("next.example", 0, &[next]);
    fixture.ends("alias.example", 0, &["mail exchanger of alias.example: mx1.example, preference 10"]);
    fixture.ends("long.example", 0, &["mail exchanger of long.example: mx1.example, preference 10"]);
    fixture.ends("forged.example", 0, &["mail exchanger of forged.example: mx1.example, preference 10"]);
}

#[test]
fn a_domain_without_mx_records_is_its_own_exchanger() {
    let fixture = MxFixture::new("none.example");
    fixture.ends("none.example", 0, &["*: mail exchanger of none.example: itself, since it has no MX record\n"]);
    fixture.ends("best.example", 77, &["mx1.example"]);
}

#[test]
fn the_status_says_why_there_is_no_exchanger() {
    let fixture = MxFixture::new("mx1.example");
    fixture.ends(
        "null.example",
        68,
        &["cannot connect to null.example: the name does not resolve: the domain accepts no mail", "RFC 7505"],
    );
    fixture.ends(
        "nowhere.example",
        68,
        &["cannot connect to nowhere.example: the name does not resolve: there is no such domain"],
    );
    fixture.ends("broken.example", 68, &["SERVFAIL"]);
    fixture.ends("silent.example", 68, &["the name server did not answer: timed out (127.0.0.1:"]);
    fixture.ends(
        "down.example",
        69,
        &["cannot connect to the mail exchangers of down.example: mx2.example: connection refused; mx2"],
    );
}

#[test]
fn a_name_server_is_asked_once_for_many_connections() {
    let fixture = MxFixture::new("mx1.example");
    let output = fixture.run("best.example", &["--repeat", "20"]);
    assert_eq!(output.status, 0, "{}", output.stderr);
    assert_eq!(fixture.asked.load(Ordering::SeqCst), 1);
}

#[test]
fn options_are_checked_before_a_question_is_sent() {
    let fixture = MxFixture::new("mx1.example");
    let refused = |domain: &str, options: &[&str], words: &str| {
        let output = fixture.run(domain, options);
        let errors = &output.stderr;
        assert_eq!(output.status, 64, "{errors}");
        assert!(errors.contains(words), "{errors}");
    };
    refused("best.example", &["--server", "smtp://mx1.example"], "cannot be used with");
    refused("b\u{fc}cher.example", &[], "xn--");
    refused("192.0.2.1", &[], "expected a domain");

    let run = fixture.folder.mailrun(["run", "case.toml"]);
    let output = run.env("MAILRUN_MX", "best.example").env("MAILRUN_DNS", "nowhere").run();
    assert_eq!(output.status, 64);
    assert!(output.stderr.contains("MAILRUN_DNS: \"nowhere\" is not ADDRESS:PORT"));
    assert_eq!(fixture.asked.load(Ordering::SeqCst), 0);
}

#[test]
fn a_session_needs_no_server_and_a_dry_run_sends_no_question() {
    let fixture = MxFixture::new("mx1.example");
    fixture.session("");
    let output = fixture.run("best.example", &["--dry-run"]);
    let text = output.text();
    assert_eq!(output.status, 0, "{text}");
    assert!(text.contains("connected to best.example:25 (dry run)"), "{text}");
    assert_eq!(fixture.asked.load(Ordering::SeqCst), 0);
    fixture.session("server = \"smtp+unix:///run/smtp\"");
    fixture.ends("best.example", 65, &["case.toml:1:10: error: smtp+unix:///run/smtp is a UNIX socket"]);
}

#[test]
fn the_shell_finds_the_exchanger_of_a_domain() {
    let fixture = MxFixture::new("mx1.example");
    let shell = fixture.folder.mailrun(["shell", "--mx", "down.example", "--connect-timeout", "60s"]);
    // Nothing listens there: port 25 is not for tests.
    let shell = shell.args(["--resolve=mx2.example:25:127.0.0.79"]).stdin("QUIT\n");
    let shell = shell.env("MAILRUN_DNS", format!("127.0.0.1:{}", fixture.dns)).run().exits(69);
    assert!(shell.stderr.contains("mx2.example"), "{shell}");
    let both = fixture.folder.mailrun(["shell", "--mx", "down.example", "smtp://127.0.0.1:1"]).run().exits(64);
    assert!(both.stderr.contains("--mx"), "{both}");
}

#[test]
fn a_probe_stays_with_the_exchanger_that_it_found() {
    let fixture = MxFixture::new("mx1.example");
    let port = fixture.sink.port;
    let resolve = [("mx1.example", [127, 0, 0, 1]), ("mx2.example", [127, 0, 0, 2])];
    let clock = SystemClock::new();
    let name_server = Nameservers::Given(vec![([127, 0, 0, 1], fixture.dns).into()]);
    let mut network = SystemNetwork::with_clock(&clock).with_nameservers(name_server);
    let options = ProbeOptions {
        run: RunOptions {
            target: ServerTarget {
                url: Some(format!("smtp://unused.example:{port}")),
                mx: Some("best.example".to_owned()),
                recipient: None,
            },
            connect: ConnectOptions {
                resolve: resolve.map(|(host, address)| (host.to_owned(), port, address.into())).to_vec(),
                ..ConnectOptions::default()
            },
            trust: TlsTrust { ca: fixture.sink.ca_pem.clone().into_bytes(), ..TlsTrust::default() },
            ..RunOptions::default()
        },
        verify: true,
        timeout: Some(Duration::from_secs(30)),
        connect_timeout: Duration::from_secs(30),
    };
    let files = SystemSources::new(fixture.folder.root(), &[], false).expect("the folder is there");
    let report = run_probe(options, &files, &mut network, &clock).expect("the URL is valid");
    assert_eq!(report.server, format!("smtp://mx1.example:{port}"));
    assert_eq!(report.failure, None);
    assert!(!report.warnings.iter().any(|one| one.kind.starts_with("certificate")), "{:?}", report.warnings);
    assert_eq!(fixture.asked.load(Ordering::SeqCst), 1, "one question for all connections");
}
