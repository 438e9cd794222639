//! What is known of each connection, found by its name: the one that spoke last mostly speaks again.

pub struct ByConnection<T> {
    list: Vec<(String, T)>,
    last: usize,
}

impl<T> Default for ByConnection<T> {
    fn default() -> Self {
        Self { list: Vec::new(), last: 0 }
    }
}

impl<T: Default> ByConnection<T> {
    /// What is known of one that was heard of.
    pub fn known(&mut self, name: &str) -> Option<&mut T> {
        if self.list.get(self.last).is_none_or(|(last, _)| last != name) {
            self.last = self.list.iter().position(|(other, _)| other == name)?;
        }
        self.list.get_mut(self.last).map(|(_, known)| known)
    }

    /// What is known of one that may be new.
    pub fn of(&mut self, name: &str) -> &mut T {
        if self.known(name).is_none() {
            self.last = self.list.len();
            self.list.push((name.to_owned(), T::default()));
        }
        &mut self.list[self.last].1
    }

    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.list.iter().map(|(_, known)| known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own() {
        let mut known = ByConnection::<u32>::default();
        for name in ["main", "main", "2", "main", "2", "3"] {
            *known.of(name) += 1;
        }
        assert_eq!(known.all().copied().collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!(known.known("2").copied(), Some(2));
        assert_eq!(known.known("4"), None);
        assert_eq!(known.known("3").copied(), Some(1), "who asked in vain changed nothing");
    }
}
