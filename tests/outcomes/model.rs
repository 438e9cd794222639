//! The states that the contract allows in each case. `refused`: a 5xx to RCPT, DATA, BDAT or the content. `deferred`: a 4xx,
//! a 5xx before RCPT, or a connection lost before the content was complete. `unknown`: the content was complete and no
//! reply came.

use crate::server::{Fault, Point, ServerKind};
use crate::support::Folder;

/// The states that a recipient may be in.
pub type States = &'static [&'static str];

const SENT: States = &["sent"];
const REFUSED: States = &["refused"];
/// Not sent yet, and the next run sends it.
const OWED: States = &["pending", "deferred"];
const UNKNOWN: States = &["unknown"];
/// In flight: the content may or may not have left before the connection ended.
const FLYING: States = &["pending", "deferred", "unknown"];

#[derive(Clone, Debug)]
pub struct Case {
    pub kind: ServerKind,
    pub point: Point,
    pub fault: Fault,
    pub rows: bool,
    pub several: bool,
    pub skip: bool,
    pub in_flight: u32,
}

pub struct Recipient {
    pub row: String,
    pub name: String,
    pub expected: States,
}

impl Case {
    pub fn is_sensible(&self) -> bool {
        let prelude = matches!(self.point, Point::Greeting | Point::Ehlo | Point::Starttls | Point::Auth);
        // Before the message its form does not matter.
        let one = !self.several && !self.skip && self.kind.pipelining == self.kind.chunking;
        let replies = matches!(self.fault, Fault::Later | Fault::No | Fault::Garbage);
        (!prelude || one)
            // LMTP implies no STARTTLS.
            && (self.point != Point::Starttls || !self.kind.lmtp)
            // Cases that differ little are run with fewer options.
            && (self.skip == self.several || !(matches!(self.point, Point::Midway | Point::Quit) || self.fault == Fault::Reset))
            && (self.point != Point::Data || !self.kind.chunking)
            // A reply within the content cannot be distinguished from the reply to it.
            && (self.point != Point::Midway || !replies)
            && (self.in_flight == 1 || (self.rows && self.kind.pipelining && self.kind.chunking))
    }

    /// A folder with the session and its rows.
    pub fn folder(&self) -> Folder {
        Folder::new().with("c.toml", self.session()).with("p.csv", "user\nu1\nu2\nu3\n")
    }

    fn session(&self) -> String {
        let user = if self.rows { "{{ row.user }}" } else { "u2" };
        let names = if self.several { "abc" } else { "b" };
        let to: Vec<String> = names.chars().map(|name| format!("\"{name}.{user}@x.example\"")).collect();
        let auth = "[auth]\nuser = \"u\"\npassword = \"{{ password }}\"\nallow_plaintext = true\n\
                    [secrets]\npassword = \"long enough\"\n";
        format!(
            "client_name = \"t\"\n[message]\nfrom = \"{user}@x.example\"\nto = [{}]\nsubject = \"s\"\ntext = \"t\"\n\
             on_refused = \"{}\"\n{}{}",
            to.join(", "),
            if self.skip { "skip" } else { "abort" },
            if self.point == Point::Auth { auth } else { "" },
            match self.rows {
                true => format!("[rows]\nfile = \"p.csv\"\nkey = \"user\"\nin_flight = {}\n", self.in_flight),
                false => String::new(),
            }
        )
    }

    pub fn recipients(&self) -> Vec<Recipient> {
        let rows: &[&str] = if self.rows { &["u1", "u2", "u3"] } else { &["-"] };
        let names = if self.several { "abc" } else { "b" };
        let each = rows.iter().flat_map(|row| names.chars().map(move |name| (*row, name)));
        each.map(|(row, name)| Recipient {
            row: row.to_owned(),
            name: format!("{name}.{}@x.example", if self.rows { row } else { "u2" }),
            expected: self.expected(row, name),
        })
        .collect()
    }

    fn expected(&self, row: &str, name: char) -> States {
        let ends = !matches!(self.fault, Fault::Later | Fault::No);
        match self.point {
            Point::Greeting | Point::Auth => return OWED,
            // HELO is tried. If STARTTLS is refused on a loopback address the session continues unencrypted.
            Point::Ehlo if self.fault == Fault::No && !self.kind.lmtp => return SENT,
            Point::Starttls if !ends => return SENT,
            Point::Ehlo | Point::Starttls => return OWED,
            // After a delivered message it changes nothing.
            Point::Quit => return SENT,
            _ => {}
        }
        let flies = self.in_flight > 1 && ends;
        match row {
            "u1" => return SENT,
            // Its content may have left together with that of the row before.
            "u3" if flies => return &["sent", "pending", "deferred", "unknown"],
            "u3" => return SENT,
            _ => {}
        }
        // 421 is a reply.
        let silent = ends && self.fault != Fault::Bye;
        match self.point {
            Point::Rcpt if !ends => match (self.fault, self.skip) {
                (Fault::No, _) if name == 'b' => REFUSED,
                (_, true) if name != 'b' => SENT,
                _ => OWED,
            },
            Point::Data if self.fault == Fault::No => REFUSED,
            // 421 answers the first recipient, and no more replies come.
            Point::Midway if self.kind.lmtp && self.several && name != 'a' && self.fault == Fault::Bye => UNKNOWN,
            Point::Content if self.kind.lmtp && name == 'a' => SENT,
            Point::Content if self.kind.lmtp && name == 'c' => {
                if ends {
                    UNKNOWN
                } else {
                    SENT
                }
            }
            // The content is so short that all of it has left, whatever the server read.
            Point::Midway | Point::Content if silent => UNKNOWN,
            Point::Content if self.fault == Fault::No => REFUSED,
            _ if flies => FLYING,
            _ => OWED,
        }
    }
}
