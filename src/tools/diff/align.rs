//! Finds which exchanges of two dialogues belong together.

use super::dialogue::ObservedExchange;

/// The largest table that is computed, in cells. Of longer dialogues the exchanges are paired in order.
const MAX_CELLS: usize = 4_000_000;

/// An exchange of A with the one of B that belongs to it; `None` if there is none.
pub type AlignedPair = (Option<usize>, Option<usize>);

/// Pairs the exchanges of two connections in order: the pairs with the most equal commands, then with the most equal
/// verbs. The name in EHLO does not matter.
pub fn align(a: &[ObservedExchange], b: &[ObservedExchange]) -> Vec<AlignedPair> {
    let alike = |(x, y): (&ObservedExchange, &ObservedExchange)| likeness(x, y) == FULL;
    let before = a.iter().zip(b).take_while(|pair| alike(*pair)).count();
    let (a_rest, b_rest) = (&a[before..], &b[before..]);
    let after = a_rest.iter().rev().zip(b_rest.iter().rev()).take_while(|pair| alike(*pair)).count();
    let (a_mid, b_mid) = (&a_rest[..a_rest.len() - after], &b_rest[..b_rest.len() - after]);
    let mut pairs: Vec<AlignedPair> = (0..before).map(|at| (Some(at), Some(at))).collect();
    let shift = |(x, y): AlignedPair| (x.map(|x| x + before), y.map(|y| y + before));
    pairs.extend(align_table(a_mid, b_mid).into_iter().map(shift));
    let (a_end, b_end) = (a.len() - after, b.len() - after);
    pairs.extend((0..after).map(|at| (Some(a_end + at), Some(b_end + at))));
    pairs
}

const FULL: u32 = 3;

/// How much two commands are alike: 0 if their verbs differ.
fn likeness(a: &ObservedExchange, b: &ObservedExchange) -> u32 {
    match a.verb() == b.verb() {
        false => 0,
        true if a.command == b.command || matches!(a.verb().as_str(), "EHLO" | "HELO" | "LHLO") => FULL,
        true => 1,
    }
}

/// A weighted longest common subsequence.
fn align_table(a: &[ObservedExchange], b: &[ObservedExchange]) -> Vec<AlignedPair> {
    if a.len().saturating_mul(b.len()) > MAX_CELLS {
        return (0..a.len().max(b.len()))
            .map(|at| ((at < a.len()).then_some(at), (at < b.len()).then_some(at)))
            .collect();
    }
    let width = b.len() + 1;
    // The best score from (x, y) to the end.
    let mut best = vec![0_u32; (a.len() + 1) * width];
    for x in (0..a.len()).rev() {
        for y in (0..b.len()).rev() {
            let paired = match likeness(&a[x], &b[y]) {
                0 => 0,
                score => score + best[(x + 1) * width + y + 1],
            };
            best[x * width + y] = paired.max(best[(x + 1) * width + y]).max(best[x * width + y + 1]);
        }
    }
    let (mut x, mut y, mut pairs) = (0, 0, Vec::new());
    while x < a.len() && y < b.len() {
        let here = best[x * width + y];
        let score = likeness(&a[x], &b[y]);
        if score > 0 && here == score + best[(x + 1) * width + y + 1] {
            pairs.push((Some(x), Some(y)));
            (x, y) = (x + 1, y + 1);
        } else if here == best[(x + 1) * width + y] {
            pairs.push((Some(x), None));
            x += 1;
        } else {
            pairs.push((None, Some(y)));
            y += 1;
        }
    }
    pairs.extend((x..a.len()).map(|x| (Some(x), None)));
    pairs.extend((y..b.len()).map(|y| (None, Some(y))));
    pairs
}
