//! `--wait`: a server that is not up yet is tried again, also where something in front of it takes connections and ends them at
//! once, as docker-proxy does.

use mailrun::net::certificate::ServerCertificate;
use mailrun::serve::{self, Config};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const SESSION: &str = "client_name = 't'\ntimeout = '20s'\nconnect_timeout = '20s'\n";
const GREETED: &str = "step = [ { expect = 220, assert = ['reply.elapsed < 15'] }, { quit = true } ]\n";

/// How the connections end that come before the server is up.
#[derive(Clone, Copy)]
enum EarlyEnd {
    Closed,
    Reset,
}

/// Forwards connections to `server`, but for the first `early` ones.
fn forwarder(server: String, early: usize, ends: EarlyEnd) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for (number, client) in listener.incoming().flatten().enumerate() {
            match (number < early, ends) {
                (true, EarlyEnd::Closed) => {}
                (true, EarlyEnd::Reset) => {
                    let socket = socket2::SockRef::from(&client);
                    socket.set_linger(Some(Duration::ZERO)).expect("it is a socket");
                }
                (false, _) => {
                    let server = TcpStream::connect(&server).expect("the server is there");
                    pipe(&client, &server);
                    pipe(&server, &client);
                }
            }
        }
    });
    port
}

fn pipe(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count) = from.read(&mut buffer) {
            if count == 0 || to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        // The other side may be gone already.
        let _ = to.shutdown(Shutdown::Write);
    });
}

fn run(url: &str, session: &str, options: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("s.toml");
    std::fs::write(&file, format!("{SESSION}{session}")).expect("it can be written");
    Command::new(env!("CARGO_BIN_EXE_mailrun"))
        .args(["run", "--server", url])
        .args(options)
        .arg(&file)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .expect("mailrun starts")
}

fn told(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat()
}

#[test]
fn a_connection_that_ends_before_the_servers_first_byte_is_tried_again() {
    let proxied = "step = [ { proxy = { version = 1, source = '192.0.2.1:4000', destination = '192.0.2.2:25' } }, { expect = 220 } ]";
    for (tls, ends, session, why) in [
        (false, EarlyEnd::Closed, GREETED, "the server has the first word"),
        (false, EarlyEnd::Reset, GREETED, "a reset is no server either"),
        (true, EarlyEnd::Closed, GREETED, "the client has it"),
        (true, EarlyEnd::Reset, GREETED, "the same"),
        (false, EarlyEnd::Closed, proxied, "the client has it, without TLS"),
    ] {
        let mut config =
            Config::script("*: connected\n*: match verb\nS: 220 mx\nC: QUIT\nS: 221 bye\n").expect("a script");
        if session == proxied {
            config = Config::new(serve::Behaviour::Sink(serve::SinkOptions::default()));
        }
        config.tls = tls;
        config.certificate = Some(ServerCertificate::generate(&["localhost"]).expect("a certificate can be made"));
        let server = serve::start(config).expect("a loopback port is free");
        let scheme = if tls { "smtps" } else { "smtp" };
        let url = format!("{scheme}://127.0.0.1:{}", forwarder(server.address.clone(), 3, ends));
        let output = run(&url, session, &["--insecure", "--wait", "60s"]);
        assert_eq!(output.status.code(), Some(0), "{why}:\n{}", told(&output));
        let connected = String::from_utf8_lossy(&output.stdout).matches("*: connected to").count();
        assert_eq!(connected, 1, "{why}: tries are not told:\n{}", told(&output));
        server.stop(Duration::from_secs(5));
    }
}

#[test]
fn what_ends_all_connections_is_never_up_and_fails_when_the_wait_is_over() {
    let url = format!("smtp://127.0.0.1:{}", forwarder(String::new(), usize::MAX, EarlyEnd::Closed));
    for options in [&["--wait", "300ms"][..], &[]] {
        let output = run(&url, GREETED, options);
        assert_eq!(output.status.code(), Some(69), "{}", told(&output));
        assert!(told(&output).contains("the connection was lost"), "{}", told(&output));
    }
}

#[test]
fn a_421_is_a_reply_of_a_server_that_is_up() {
    let server = serve::start(Config::script("*: connected\nS: 421 4.3.2 starting\n").expect("a script"));
    let server = server.expect("a loopback port is free");
    let output = run(&format!("smtp://{}", server.address), GREETED, &["--wait", "60s"]);
    assert_eq!(output.status.code(), Some(75), "{}", told(&output));
    server.stop(Duration::from_secs(5));
}

#[test]
fn the_time_that_the_greeting_took_counts_from_connecting_on() {
    let script = "*: connected\n*: wait 700ms\nS: 220 mx\n*: match verb\nC: QUIT\nS: 221 bye\n";
    // Half of it: the server may have begun to wait before the client knew that it was connected.
    let late = "step = [ { expect = 220, assert = ['reply.elapsed >= 0.35'] }, { quit = true } ]";
    for options in [&["--wait", "60s"][..], &[]] {
        let server = serve::start(Config::script(script).expect("a script")).expect("a loopback port is free");
        let output = run(&format!("smtp://{}", server.address), late, options);
        assert_eq!(output.status.code(), Some(0), "{options:?}: {}", told(&output));
        server.stop(Duration::from_secs(5));
    }
}
