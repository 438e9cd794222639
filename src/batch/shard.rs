//! `--shard I/N`: the part of the rows, or of the sessions, that this machine runs.

/// Shard I of N, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u64,
    count: u64,
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl Shard {
    /// Parses `2/5`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("invalid shard \"{text}\": write \"1/4\" for the first of four");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let number = |text: &str| text.trim().parse::<u64>().ok().filter(|number| (1..=1_000_000).contains(number));
        let (index, count) = (number(index).ok_or_else(wrong)?, number(count).ok_or_else(wrong)?);
        if index > count {
            return Err(format!("invalid shard \"{text}\": {index} is more than {count}"));
        }
        Ok(Self { index, count })
    }

    /// Whether this shard has the row or session with that key: the same on every machine and in every version.
    pub fn contains(&self, key: &str) -> bool {
        hash(key.as_bytes()) % self.count == self.index - 1
    }
}

/// FNV-1a of 64 bits and then the finalizer of MurmurHash3, so that every bit of the key counts in the remainder.
fn hash(bytes: &[u8]) -> u64 {
    let mut hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_key_is_in_one_share(key in ".*", count in 1_u64..50) {
            let shares = (1..=count).filter(|index| Shard { index: *index, count }.contains(&key));
            prop_assert_eq!(shares.count(), 1);
        }
    }

    #[test]
    fn shards_have_similar_sizes_and_are_stable() {
        let keys: Vec<String> = (0..10_000).map(|number| format!("user{number}@example.com")).collect();
        for index in 1..=4 {
            let size = keys.iter().filter(|key| Shard { index, count: 4 }.contains(key)).count();
            assert!((2300..2700).contains(&size), "{index}: {size}");
        }
        // Another version, on another machine, must compute the same shards.
        assert_eq!(hash(b"a@example.com") % 1000, 95);
    }

    #[test]
    fn a_share_is_written_as_a_fraction() {
        assert_eq!(Shard::parse("2/5"), Ok(Shard { index: 2, count: 5 }));
        for text in ["0/5", "6/5", "1", "a/b", "1/0", "-1/3", ""] {
            assert!(Shard::parse(text).is_err(), "{text}");
        }
    }
}
