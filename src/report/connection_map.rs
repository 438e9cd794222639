//! Values by connection. The connection of the last event is looked up first, since it is usually the next one's, too.

pub struct ConnectionMap<T> {
    list: Vec<(String, T)>,
    last: usize,
}

impl<T> Default for ConnectionMap<T> {
    fn default() -> Self {
        Self { list: Vec::new(), last: 0 }
    }
}

impl<T: Default> ConnectionMap<T> {
    /// The value of a connection, if there is one.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        if self.list.get(self.last).is_none_or(|(last, _)| last != name) {
            self.last = self.list.iter().position(|(other, _)| other == name)?;
        }
        self.list.get_mut(self.last).map(|(_, known)| known)
    }

    /// The value of a connection, which is added if it is new.
    pub fn get_or_insert(&mut self, name: &str) -> &mut T {
        if self.get_mut(name).is_none() {
            self.last = self.list.len();
            self.list.push((name.to_owned(), T::default()));
        }
        &mut self.list[self.last].1
    }

    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.list.iter().map(|(_, known)| known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own() {
        let mut known = ConnectionMap::<u32>::default();
        for name in ["main", "main", "2", "main", "2", "3"] {
            *known.get_or_insert(name) += 1;
        }
        assert_eq!(known.values().copied().collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!(known.get_mut("2").copied(), Some(2));
        assert_eq!(known.get_mut("4"), None);
        assert_eq!(known.get_mut("3").copied(), Some(1), "who asked in vain changed nothing");
    }
}
