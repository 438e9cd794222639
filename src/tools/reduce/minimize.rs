//! Delta debugging: a small part of a list for which a check still holds.

/// The search was ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// How thoroughly a list is searched.
#[derive(Clone, Copy, Debug)]
pub struct SearchDepth {
    /// The fewest adjacent items that are removed at a time. With 1 no item of the result can be removed alone.
    pub finest: usize,
    /// When no item can be removed alone, runs of up to this many adjacent items are tried at every place. A run of items that
    /// need each other, such as DATA and its content, is found this way.
    pub longest_run: usize,
}

impl SearchDepth {
    /// No item of the result can be removed alone.
    pub const SINGLE: Self = Self { finest: 1, longest_run: 1 };
}

/// Removes as many of the items `0..count` as it can. `holds` gets the items that remain, ascending; it holds for all of them.
/// Gives the items that remain.
///
/// Items are removed from the end: what follows a fault goes first.
///
/// # Errors
/// [`Stopped`] as soon as `holds` gives it.
pub fn minimize(
    count: usize,
    depth: SearchDepth,
    holds: &mut dyn FnMut(&[usize]) -> Result<bool, Stopped>,
) -> Result<Vec<usize>, Stopped> {
    if count == 0 || holds(&[])? {
        return Ok(Vec::new());
    }
    let mut kept: Vec<usize> = (0..count).collect();
    let finest = depth.finest.max(1);
    let mut size = count.div_ceil(2).max(finest);
    loop {
        let removed = remove_chunks(&mut kept, size, holds)?;
        if size > finest {
            size = (size / 2).min(kept.len().div_ceil(2)).max(finest);
        } else if !removed && !remove_runs(&mut kept, depth.longest_run, holds)? {
            return Ok(kept);
        }
    }
}

/// Tries to remove each chunk of `size` items. Gives whether one was removed.
fn remove_chunks(
    kept: &mut Vec<usize>,
    size: usize,
    holds: &mut dyn FnMut(&[usize]) -> Result<bool, Stopped>,
) -> Result<bool, Stopped> {
    let mut removed = false;
    let mut end = kept.len();
    while end > 0 {
        let start = end.saturating_sub(size);
        removed |= try_without(kept, start, end, holds)?;
        end = start;
    }
    Ok(removed)
}

/// Tries to remove the runs of 2 to `longest` items at every place, until one is removed.
fn remove_runs(
    kept: &mut Vec<usize>,
    longest: usize,
    holds: &mut dyn FnMut(&[usize]) -> Result<bool, Stopped>,
) -> Result<bool, Stopped> {
    for size in 2..=longest.min(kept.len()) {
        for start in (0..=kept.len() - size).rev() {
            if try_without(kept, start, start + size, holds)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn try_without(
    kept: &mut Vec<usize>,
    start: usize,
    end: usize,
    holds: &mut dyn FnMut(&[usize]) -> Result<bool, Stopped>,
) -> Result<bool, Stopped> {
    let rest = [&kept[..start], &kept[end..]].concat();
    // That nothing is left was tried first of all.
    let holds = !rest.is_empty() && holds(&rest)?;
    if holds {
        *kept = rest;
    }
    Ok(holds)
}
