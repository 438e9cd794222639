//! `--wait` retries until the server is up, also if a proxy such as docker-proxy accepts connections before and closes
//! them at once.

mod support;

use mailrun::serve::{self, Config};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;
use support::{EmbeddedServer, Finished, Folder};

const SESSION: &str = "client_name = 't'\ntimeout = '20s'\nconnect_timeout = '20s'\n";
const GREETED: &str = "step = [ { expect = 220, assert = ['reply.elapsed < 15'] }, { quit = true } ]\n";

/// How the proxy ends connections before the server is up.
#[derive(Clone, Copy)]
enum EarlyEnd {
    Closed,
    Reset,
}

/// Forwards connections to the port `server`; the first `early` ones are ended.
fn forwarder(server: u16, early: usize, ends: EarlyEnd) -> u16 {
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
                    let server = TcpStream::connect(("127.0.0.1", server)).expect("the server is there");
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
        // The other side may be gone.
        let _ = to.shutdown(Shutdown::Write);
    });
}

fn run(url: &str, session: &str, options: &[&str]) -> Finished {
    let folder = Folder::new().with("s.toml", format!("{SESSION}{session}"));
    folder.mailrun(["run", "--server", url, "s.toml"]).args(options).run()
}

#[test]
fn a_connection_that_ends_before_the_first_byte_of_the_server_is_retried() {
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
        let server = EmbeddedServer::start(config);
        let scheme = if tls { "smtps" } else { "smtp" };
        let url = format!("{scheme}://127.0.0.1:{}", forwarder(server.port, 3, ends));
        let output = run(&url, session, &["--insecure", "--wait", "60s"]);
        assert_eq!(output.status, 0, "{why}:\n{}", output);
        let connected = output.stdout.matches("*: connected to").count();
        assert_eq!(connected, 1, "{why}: attempts are not shown:\n{output}");
        server.stop();
    }
}

#[test]
fn a_proxy_without_a_server_fails_after_the_wait() {
    let url = format!("smtp://127.0.0.1:{}", forwarder(0, usize::MAX, EarlyEnd::Closed));
    for options in [&["--wait", "300ms"][..], &[]] {
        let output = run(&url, GREETED, options);
        assert_eq!(output.status, 69, "{}", output);
        assert!(output.text().contains("expected an open connection"), "{output}");
    }
}

#[test]
fn a_421_is_a_reply_of_a_server_that_is_up() {
    let server = EmbeddedServer::script("*: connected\nS: 421 4.3.2 starting\n");
    let output = run(&server.url("smtp"), GREETED, &["--wait", "60s"]);
    assert_eq!(output.status, 75, "{}", output);
    server.stop();
}

#[test]
fn the_elapsed_time_of_the_greeting_starts_when_the_connection_is_made() {
    let script = "*: connected\n*: wait 2s\nS: 220 mx\n*: match verb\nC: QUIT\nS: 221 bye\n";
    // Less than the wait: the server may start it before the client knows that it is connected.
    let late = "step = [ { expect = 220, assert = ['reply.elapsed >= 0.5'] }, { quit = true } ]";
    for options in [&["--wait", "60s"][..], &[]] {
        let server = EmbeddedServer::script(script);
        let output = run(&server.url("smtp"), late, options);
        assert_eq!(output.status, 0, "{options:?}: {}", output);
        server.stop();
    }
}
