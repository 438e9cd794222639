//! What a 4yz or a 5yz to a command of a mail transaction says, and of whom.

use super::run_script;
use super::server::ServerAct::{self, Bdat, Content, Fin, Hear, Say};

/// What the server refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Mail,
    Rcpt,
    /// DATA, or BDAT with its content.
    Data,
    /// The content after 354.
    Content,
}

/// A server, by what it is and offers.
#[derive(Clone, Copy, Debug)]
struct Kind {
    lmtp: bool,
    pipelining: bool,
    chunking: bool,
}

const CODES: [u16; 19] =
    [450, 451, 452, 454, 455, 500, 501, 502, 503, 504, 521, 530, 550, 551, 552, 553, 554, 555, 556];

/// What the contract says: the recipient's outcome, the exit status, and whether the connection ends without QUIT.
fn expected(refused: Refused, code: u16, chunking: bool) -> (&'static str, u8, bool) {
    let says_nothing = refused == Refused::Data && matches!(code, 500 | 502 | 503 | 504);
    match (refused, code) {
        (_, 400..500) => ("Deferred", 75, false),
        (Refused::Mail, 552) => ("Refused", 1, false),
        (Refused::Mail, _) => ("Deferred", 1, false),
        _ if says_nothing => ("Deferred", 78, chunking),
        _ => ("Refused", 1, false),
    }
}

fn say(replies: &[&str]) -> ServerAct {
    Say(replies.iter().map(|reply| format!("{reply}\r\n")).collect::<String>().leak())
}

fn script(kind: Kind, refused: Refused, code: u16, quits: bool) -> Vec<ServerAct> {
    let hello = if kind.lmtp { Hear("LHLO me") } else { Hear("EHLO me") };
    let mut offers = vec!["250-mx"];
    offers.extend(kind.pipelining.then_some("250-PIPELINING"));
    offers.extend(kind.chunking.then_some("250-CHUNKING"));
    let mut acts = vec![Say("220 mx\r\n"), hello, say(&[&offers[..], &["250 HELP"]].concat())];
    let refusal = format!("{code} no");
    let replies: &[&str] = match refused {
        Refused::Mail => &[&refusal, "503 no transaction", "503 no transaction"],
        Refused::Rcpt => &["250 ok", &refusal, "503 no recipient"],
        Refused::Data => &["250 ok", "250 ok", &refusal],
        Refused::Content => &["250 ok", "250 ok", "354 go"],
    };
    let commands = [Hear("MAIL"), Hear("RCPT"), if kind.chunking { Bdat } else { Hear("DATA") }];
    if kind.pipelining {
        acts.extend(commands);
        acts.push(say(replies));
    } else {
        let most = [Refused::Mail, Refused::Rcpt].iter().position(|one| *one == refused).map_or(3, |index| index + 1);
        let each = commands.into_iter().zip(replies).take(most);
        acts.extend(each.flat_map(|(command, reply)| [command, say(&[reply])]));
    }
    if refused == Refused::Content {
        acts.extend([Content, say(&[&refusal])]);
    }
    if quits {
        acts.extend([Hear("QUIT"), Say("221 bye\r\n"), Fin]);
    }
    acts
}

#[test]
fn each_refusal_says_something_of_the_recipient_the_sender_or_the_server() {
    let flags = [false, true];
    let kinds = flags.into_iter().flat_map(|lmtp| {
        let each = flags.into_iter().flat_map(|pipelining| flags.map(|chunking| (pipelining, chunking)));
        each.map(move |(pipelining, chunking)| Kind { lmtp, pipelining, chunking })
    });
    for (kind, code) in kinds.flat_map(|kind| CODES.map(|code| (kind, code))) {
        for refused in [Refused::Mail, Refused::Rcpt, Refused::Data, Refused::Content] {
            if refused == Refused::Content && kind.chunking {
                continue; // its reply is the one to BDAT
            }
            let (outcome, status, closes) = expected(refused, code, kind.chunking);
            let scheme = if kind.lmtp { "lmtp" } else { "smtp" };
            let toml = format!(
                "server = '{scheme}://127.0.0.1:24'\n[message]\nfrom = 'a@example.com'\nto = ['b@example.com']\n\
                 subject = 'n'\ntext = 'hi'\n"
            );
            let ran = super::run_in_pieces(&toml, &[script(kind, refused, code, !closes)], usize::MAX);
            let what = format!("{code} to {refused:?}, {kind:?}: {}", ran.log);
            assert!(ran.log.contains(&format!("b@example.com {outcome}")), "{what}");
            assert_eq!(ran.outcome.status.code(), status, "{what}");
            assert_eq!(ran.wire().contains("QUIT"), !closes, "{what}");
        }
    }
}

#[test]
fn the_implied_quit_after_a_refusal_is_answered_within_two_seconds_or_not_at_all() {
    let toml = "[message]\nfrom = 'a@example.com'\nto = ['b@example.com']\nsubject = 'n'\ntext = 'hi'\n";
    let server = [Say("220 mx\r\n"), Hear("EHLO me"), Say("250 mx\r\n"), Hear("MAIL"), Say("550 no\r\n"), Hear("QUIT")];
    let ran = run_script(toml, &server);
    assert_eq!((ran.outcome.status.code(), ran.elapsed.as_secs()), (1, 2), "{}", ran.log);
}
