//! A server that goes away for a while: the batch waits, and goes on when the server is back.

use crate::fixture::BatchFixture;
use crate::support::{ManualServer, ServerConnection};

fn accept_mail(connection: &mut ServerConnection) {
    connection.answer_until(&[], &["DATA"]);
    connection.send("354 go\r\n");
    connection.skip_content();
    connection.send("250 2.0.0 kept\r\n");
}

fn greet(server: &ManualServer) -> ServerConnection {
    let mut connection = server.accept();
    connection.send("220 mx\r\n");
    connection
}

#[test]
fn a_batch_bridges_an_outage_and_sends_each_row_once() {
    // With a ledger patience needs no option.
    for patience in [&["--patience", "5m"][..], &[]] {
        let batch = BatchFixture::new(3);
        // No other test listens on this address, so that none of them gets the port meanwhile.
        let address = "127.0.0.77";
        let server = ManualServer::at(address, 0);
        let port = server.port;
        let url = format!("smtp://{address}:{port}");
        let run = batch.mailrun(&["run", "--server", &url, "--ledger", "l.db", "c.toml"]).args(patience).start();
        let mut connection = greet(&server);
        accept_mail(&mut connection);
        connection.answer_until(&[], &["MAIL"]);
        drop(server);
        drop(connection);
        // After the first pause nothing listens yet: the next one is longer.
        run.wait_until_printed("paused for 2s");
        let mut connection = greet(&ManualServer::at(address, port));
        accept_mail(&mut connection);
        accept_mail(&mut connection);
        connection.answer_until(&[], &["QUIT"]);
        connection.send("221 bye\r\n");
        let ran = run.wait().exits(0);
        assert!(ran.stderr.contains("3 sent"), "{ran}");
        assert_eq!(batch.count("sent"), 3);
    }
}

#[test]
fn a_batch_without_patience_ends_with_the_outage() {
    let batch = BatchFixture::new(3);
    let server = ManualServer::at("127.0.0.78", 0);
    let url = format!("smtp://127.0.0.78:{}", server.port);
    let run = batch.mailrun(&["run", "--server", &url, "--ledger", "l.db", "--patience", "0", "c.toml"]).start();
    let mut connection = greet(&server);
    accept_mail(&mut connection);
    connection.answer_until(&[], &["MAIL"]);
    drop(server);
    drop(connection);
    let ran = run.wait().exits(69);
    assert!(ran.stderr.contains("1 sent"), "{ran}");
    assert_eq!(batch.count("sent"), 1);
}
