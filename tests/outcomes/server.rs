//! The server of these cases, which has one fault until it is healed.

use crate::support::{self, FaultServer, When};

/// The point of the fault. From MAIL on only the second row is affected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    Greeting,
    Ehlo,
    Starttls,
    Auth,
    Mail,
    /// The reply for the recipient whose name begins with `b`.
    Rcpt,
    /// The reply to DATA.
    Data,
    /// Within the content.
    Midway,
    /// The reply to the content; over LMTP the one for `b`.
    Content,
    Quit,
}

/// The kind of the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 451
    Later,
    /// 550
    No,
    /// 421, then the connection is closed.
    Bye,
    Close,
    Reset,
    Silence,
    /// A line that is not SMTP, then silence.
    Garbage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerKind {
    pub pipelining: bool,
    pub chunking: bool,
    pub lmtp: bool,
}

/// Starts a server with that fault at that point.
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
    let in_second = |point| always(point).in_mail_from(SECOND_ROW);
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
