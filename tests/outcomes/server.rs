//! The server of these cases: it goes wrong at one point, as long as it is told to.

use crate::support::{self, FaultServer, When};

/// Where something goes wrong. From MAIL on it does so for the second row alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    Greeting,
    Ehlo,
    Starttls,
    Auth,
    Mail,
    /// Of the recipient whose name begins with `b`.
    Rcpt,
    /// The reply to DATA.
    Data,
    /// Content has begun.
    Midway,
    /// The reply to all of the content: over LMTP that of `b`.
    Content,
    Quit,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 451
    Later,
    /// 550
    No,
    /// 421, and the end.
    Bye,
    Close,
    Reset,
    Silence,
    /// What is not SMTP, and then nothing more.
    Garbage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerKind {
    pub pipelining: bool,
    pub chunking: bool,
    pub lmtp: bool,
}

/// Starts a server that goes wrong there.
pub fn start(kind: ServerKind, point: Point, fault: Fault) -> FaultServer {
    let mut offers = vec!["AUTH PLAIN"];
    offers.extend(kind.pipelining.then_some("PIPELINING"));
    offers.extend(kind.chunking.then_some("CHUNKING"));
    offers.extend((point == Point::Starttls).then_some("STARTTLS"));
    let server = FaultServer::builder().offering(&offers).faults(faults(kind, point, fault));
    if kind.lmtp { server.lmtp().start() } else { server.start() }
}

fn faults(kind: ServerKind, point: Point, fault: Fault) -> Vec<When> {
    use support::Point::{Command, Content, ContentReply, Greeting};
    const SECOND_ROW: &str = "<u2@";
    let fault = match fault {
        Fault::Later => support::Fault::Reply("451 4.0.0 later"),
        Fault::No => support::Fault::Reply("550 5.0.0 no"),
        Fault::Bye => support::Fault::ReplyThenClose("421 4.7.0 bye"),
        Fault::Garbage => support::Fault::ReplyThenSilence("what is SMTP?"),
        Fault::Silence => support::Fault::Silence,
        Fault::Close => support::Fault::Close,
        Fault::Reset => support::Fault::Reset,
    };
    let always = |point| When::at(point, fault);
    let in_second = |point| always(point).from_sender(SECOND_ROW);
    match point {
        Point::Greeting => vec![always(Greeting)],
        Point::Ehlo => vec![always(Command("EHLO")), always(Command("LHLO"))],
        Point::Starttls => vec![always(Command("STARTTLS"))],
        Point::Auth => vec![always(Command("AUTH"))],
        Point::Mail => vec![in_second(Command("MAIL"))],
        Point::Rcpt => vec![in_second(Command("RCPT")).with("<b.")],
        Point::Data => vec![in_second(Command("DATA"))],
        Point::Midway => vec![in_second(Content)],
        Point::Content if kind.lmtp => vec![in_second(ContentReply).with("b.")],
        Point::Content => vec![in_second(ContentReply)],
        Point::Quit => vec![always(Command("QUIT"))],
    }
}
