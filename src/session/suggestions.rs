//! Suggestions for mistyped names.

/// The name that was probably meant: at most a third of it is mistyped, or one letter of a short one.
pub fn closest_name<'n>(typed: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // A comparison takes quadratic time.
    if typed.len() > 40 {
        return None;
    }
    let typed = typed.to_lowercase().replace('-', "_");
    // Omitted letters count as one mistake, however many: `paswd`.
    let shortened = |name: &str| {
        let mut letters = name.chars();
        let begins = typed.len() > 2 && typed.len() * 2 > name.len() && typed.chars().next() == name.chars().next();
        begins && typed.chars().all(|typed| letters.any(|letter| letter == typed))
    };
    names
        .map(|name| (strsim::damerau_levenshtein(&typed, &name.to_lowercase().replace('-', "_")), name))
        .filter(|(distance, name)| {
            let near = *distance <= (name.chars().count() / 3).max(1) && *distance < typed.chars().count();
            near || shortened(name)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
