//! The DNS query for MX records and its response, as bytes (RFC 1035).

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, ResourceRecord, TYPE};

/// The most aliases that are followed.
const MAX_ALIASES: usize = 16;

/// What a name server knows of a domain.
#[derive(Debug, PartialEq, Eq)]
pub enum MxAnswer {
    /// Preference and host: the host is empty if it is the root, `None` if it is not a host name.
    Records {
        list: Vec<(u16, Option<String>)>,
        ttl: u32,
    },
    NoDomain,
}

/// How to treat a message from a name server.
#[derive(Debug, PartialEq, Eq)]
pub enum DnsResponse {
    Answer(MxAnswer),
    /// There is more than fits: ask again over TCP.
    Truncated,
    /// The server failed or refused.
    Refused(String),
    /// Not a response to this query.
    Other,
}

/// The query for a domain's MX records.
pub fn build_question(domain: &str, id: u16) -> Result<Vec<u8>, String> {
    let name = Name::new(domain).map_err(|_| "it is not a valid domain name".to_owned())?;
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(name, QTYPE::TYPE(TYPE::MX), QCLASS::CLASS(CLASS::IN), false));
    packet.build_bytes_vec().map_err(|_| "it is not a valid domain name".to_owned())
}

/// Parses a message. Only one that repeats the query's number and question is a response to it (RFC 5452 §4).
pub fn parse_response(bytes: &[u8], domain: &str, id: u16) -> DnsResponse {
    let Ok(packet) = Packet::parse(bytes) else { return DnsResponse::Other };
    let asked = packet.questions.first().is_some_and(|question| {
        question.qtype == QTYPE::TYPE(TYPE::MX) && dotted(&question.qname).eq_ignore_ascii_case(domain)
    });
    if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) || !asked || packet.questions.len() != 1 {
        return DnsResponse::Other;
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return DnsResponse::Truncated;
    }
    match packet.rcode() {
        RCODE::NoError => DnsResponse::Answer(mx_records(&packet.answers, domain)),
        RCODE::NameError => DnsResponse::Answer(MxAnswer::NoDomain),
        RCODE::ServerFailure => DnsResponse::Refused("the name server failed (SERVFAIL)".to_owned()),
        RCODE::Refused => DnsResponse::Refused("the name server refused the question".to_owned()),
        other => DnsResponse::Refused(format!("the name server answered {other:?}")),
    }
}

/// The MX records of the domain, or of the name that it is an alias for.
fn mx_records(answers: &[ResourceRecord<'_>], domain: &str) -> MxAnswer {
    let mut owner = domain.to_owned();
    for _ in 0..MAX_ALIASES {
        let alias = answers.iter().find_map(|record| match &record.rdata {
            RData::CNAME(target) if dotted(&record.name).eq_ignore_ascii_case(&owner) => Some(dotted(target)),
            _ => None,
        });
        match alias {
            Some(target) => owner = target,
            None => break,
        }
    }
    let mut ttl = u32::MAX;
    let mut list = Vec::new();
    for record in answers {
        if let RData::MX(mx) = &record.rdata
            && dotted(&record.name).eq_ignore_ascii_case(&owner)
        {
            ttl = ttl.min(record.ttl);
            list.push((mx.preference, host_name(&mx.exchange)));
        }
    }
    MxAnswer::Records { ttl: if list.is_empty() { 0 } else { ttl }, list }
}

/// The name in dotted form.
fn dotted(name: &Name<'_>) -> String {
    let labels: Vec<_> = name.as_bytes().map(|label| String::from_utf8_lossy(label).into_owned()).collect();
    labels.join(".")
}

/// The name in dotted form, if it is a host name. The labels of others could contain dots or control characters.
fn host_name(name: &Name<'_>) -> Option<String> {
    let plain = |label: &[u8]| label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    name.as_bytes().all(plain).then(|| dotted(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use simple_dns::rdata::{CNAME, MX};

    fn name(text: &str) -> Name<'_> {
        Name::new_unchecked(text)
    }

    fn reply(question: &str, flags: PacketFlag, rcode: RCODE, records: Vec<(&str, RData<'_>)>) -> Vec<u8> {
        let mut packet = Packet::new_reply(7);
        packet.set_flags(flags);
        *packet.rcode_mut() = rcode;
        packet.questions.push(Question::new(name(question), QTYPE::TYPE(TYPE::MX), QCLASS::CLASS(CLASS::IN), false));
        let records = records.into_iter().map(|(owner, data)| ResourceRecord::new(name(owner), CLASS::IN, 300, data));
        packet.answers.extend(records);
        packet.build_bytes_vec_compressed().expect("it can be written")
    }

    fn mx(preference: u16, exchange: &str) -> RData<'_> {
        RData::MX(MX { preference, exchange: name(exchange) })
    }

    #[test]
    fn a_question_asks_for_recursion() {
        let bytes = build_question("example.com", 0x1234).expect("a domain");
        assert_eq!(&bytes[..12], [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&bytes[12..], b"\x07example\x03com\0\0\x0f\0\x01");
    }

    #[test]
    fn answers_are_read() {
        let alias = || ("example.com", RData::CNAME(CNAME(name("alias.example"))));
        let none = PacketFlag::empty();
        let list = |list: &[(u16, &str)], ttl| {
            let list = list.iter().map(|(preference, host)| (*preference, Some((*host).to_owned()))).collect();
            DnsResponse::Answer(MxAnswer::Records { list, ttl })
        };
        let table = [
            (
                reply("EXAMPLE.com", none, RCODE::NoError, vec![("example.com", mx(10, "mx.example.com"))]),
                list(&[(10, "mx.example.com")], 300),
                "letters of either case",
            ),
            (
                reply("example.com", none, RCODE::NoError, vec![alias(), ("alias.example", mx(5, "a.example"))]),
                list(&[(5, "a.example")], 300),
                "an alias",
            ),
            (
                reply("example.com", none, RCODE::NoError, vec![("other.example", mx(5, "evil.example"))]),
                list(&[], 0),
                "another domain's records do not count",
            ),
            (reply("example.com", none, RCODE::NoError, vec![alias()]), list(&[], 0), "an alias without exchangers"),
            (
                reply("example.com", none, RCODE::NoError, vec![("example.com", mx(0, ""))]),
                list(&[(0, "")], 300),
                "null",
            ),
            (
                reply("example.com", none, RCODE::NameError, vec![]),
                DnsResponse::Answer(MxAnswer::NoDomain),
                "no such domain",
            ),
            (reply("example.com", PacketFlag::TRUNCATION, RCODE::NoError, vec![]), DnsResponse::Truncated, "too long"),
            (reply("example.net", none, RCODE::NoError, vec![]), DnsResponse::Other, "another question's"),
            (b"nonsense".to_vec(), DnsResponse::Other, "nonsense"),
            (build_question("example.com", 7).expect("a domain"), DnsResponse::Other, "a question is no answer"),
        ];
        for (bytes, expected, why) in table {
            assert_eq!(parse_response(&bytes, "example.com", 7), expected, "{why}");
            assert_eq!(parse_response(&bytes, "example.com", 8), DnsResponse::Other, "{why}, under another number");
        }
        let failed = reply("example.com", none, RCODE::ServerFailure, vec![]);
        assert!(
            matches!(parse_response(&failed, "example.com", 7), DnsResponse::Refused(why) if why.contains("SERVFAIL"))
        );
    }

    #[test]
    fn an_alias_of_itself_comes_to_an_end() {
        let circle = vec![
            ("example.com", RData::CNAME(CNAME(name("b.example")))),
            ("b.example", RData::CNAME(CNAME(name("example.com")))),
        ];
        let bytes = reply("example.com", PacketFlag::empty(), RCODE::NoError, circle);
        assert!(
            matches!(parse_response(&bytes, "example.com", 7), DnsResponse::Answer(MxAnswer::Records { list, .. }) if list.is_empty())
        );
    }

    proptest! {
        #[test]
        fn nothing_that_comes_can_do_harm(bytes: Vec<u8>, at in 0..80_usize, byte: u8) {
            parse_response(&bytes, "example.com", 7);
            // Nearly right, with a byte changed: counts, pointers, lengths.
            let mut near = reply("example.com", PacketFlag::empty(), RCODE::NoError, vec![
                ("example.com", mx(10, "mx.example.com")), ("example.com", mx(20, "mx2.example.com")),
            ]);
            let at = at % near.len();
            near[at] = byte;
            parse_response(&near, "example.com", 7);
        }
    }
}
