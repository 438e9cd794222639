//! A domain's mail exchangers (RFC 5321 §5.1): `--mx`.

mod query;
mod resolver;

pub use resolver::Nameservers;

use super::clock::SystemClock;
use query::MxAnswer;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The longest time that an answer is kept, whatever its TTL.
const MAX_CACHE_TIME: Duration = Duration::from_secs(300);

/// A host that accepts a domain's mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MxHost {
    pub host: String,
    /// `None`: the domain itself, which has no MX record.
    pub preference: Option<u16>,
}

/// Looks up mail exchangers. Clones share the answers, for as long as their TTL allows.
#[derive(Clone, Debug, Default)]
pub struct MxResolver {
    nameservers: Nameservers,
    found: Arc<Mutex<Option<CachedAnswer>>>,
}

#[derive(Debug)]
struct CachedAnswer {
    domain: String,
    until: Instant,
    list: Vec<MxHost>,
}

impl MxResolver {
    /// Asks these name servers.
    pub fn new(nameservers: Nameservers) -> Self {
        Self { nameservers, found: Arc::default() }
    }

    /// The mail exchangers of a domain, at least one, in the order in which to try them; or why there is none.
    pub fn look_up(&self, domain: &str, deadline: Instant, clock: &SystemClock) -> Result<Vec<MxHost>, String> {
        // While one connection asks, the others wait for its answer.
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = found.as_ref()
            && found.domain == domain
            && Instant::now() < found.until
        {
            return Ok(shuffle_by_preference(found.list.clone()));
        }
        let answer = resolver::query_mx(&self.nameservers, domain, deadline, clock)?;
        let (list, ttl) = hosts_in_answer(domain, answer)?;
        let until = Instant::now() + MAX_CACHE_TIME.min(Duration::from_secs(ttl.into()));
        *found = Some(CachedAnswer { domain: domain.to_owned(), until, list: list.clone() });
        Ok(shuffle_by_preference(list))
    }
}

/// The mail exchangers that an answer names, and its TTL.
fn hosts_in_answer(domain: &str, answer: MxAnswer) -> Result<(Vec<MxHost>, u32), String> {
    match answer {
        MxAnswer::NoDomain => Err("there is no such domain".to_owned()),
        // RFC 5321 §5.1: without MX records the domain itself stands for one, with preference 0.
        MxAnswer::Records { list, ttl } if list.is_empty() => {
            Ok((vec![MxHost { host: domain.to_owned(), preference: None }], ttl))
        }
        MxAnswer::Records { list, ttl } => {
            // RFC 7505 §3: a single "." refuses mail. Next to other records it means nothing.
            let named: Vec<_> = list.into_iter().filter(|(_, host)| host.as_deref() != Some("")).collect();
            if named.is_empty() {
                return Err("the domain accepts no mail: its MX record is \".\" (RFC 7505)".to_owned());
            }
            let hosts = named
                .into_iter()
                .filter_map(|(preference, host)| host.map(|host| MxHost { host, preference: Some(preference) }));
            match hosts.collect::<Vec<_>>() {
                hosts if hosts.is_empty() => Err("its MX records name no host".to_owned()),
                hosts => Ok((hosts, ttl)),
            }
        }
    }
}

/// The lowest preference first; hosts of the same preference in random order, to share the load (RFC 5321 §5.1).
fn shuffle_by_preference(mut list: Vec<MxHost>) -> Vec<MxHost> {
    fastrand::shuffle(&mut list);
    list.sort_by_key(|exchange| exchange.preference);
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    type Records<'r> = &'r [(u16, Option<&'r str>)];

    fn hosts(records: Records<'_>) -> Result<Vec<String>, String> {
        let list = records.iter().map(|(preference, host)| (*preference, host.map(str::to_owned))).collect();
        let (list, _) = hosts_in_answer("example.com", MxAnswer::Records { list, ttl: 60 })?;
        Ok(shuffle_by_preference(list).into_iter().map(|exchange| exchange.host).collect())
    }

    #[test]
    fn exchangers_are_tried_in_the_order_of_their_preference() {
        type Hosts<'h> = Result<Vec<&'h str>, &'h str>;
        let table: [(Records<'_>, Hosts<'_>, &str); 6] = [
            (&[(20, Some("b")), (10, Some("a")), (30, Some("c"))], Ok(vec!["a", "b", "c"]), "the lowest first"),
            (&[], Ok(vec!["example.com"]), "none: the domain itself"),
            (&[(0, Some(""))], Err("accepts no mail"), "a null MX"),
            (&[(0, Some("")), (10, Some("a"))], Ok(vec!["a"]), "a null MX next to others is ignored"),
            (&[(5, None), (10, Some("a"))], Ok(vec!["a"]), "what is not a host name is skipped"),
            (&[(5, None)], Err("name no host"), "nothing else is there"),
        ];
        for (records, expected, why) in table {
            match (hosts(records), expected) {
                (Ok(hosts), Ok(expected)) => assert_eq!(hosts, expected, "{why}"),
                (Err(error), Err(words)) => assert!(error.contains(words), "{why}: {error}"),
                (other, _) => panic!("{why}: {other:?}"),
            }
        }
    }

    #[test]
    fn those_of_one_preference_share_the_load() {
        let records = [(10, Some("a")), (10, Some("b")), (20, Some("c"))];
        let tries = || (0..200).map(|_| hosts(&records).expect("there are hosts"));
        assert!(tries().any(|hosts| hosts == ["a", "b", "c"]), "each comes first now and then");
        assert!(tries().any(|hosts| hosts == ["b", "a", "c"]), "each comes first now and then");
        assert!(tries().all(|hosts| hosts[2] == "c"), "the higher preference never");
    }
}
