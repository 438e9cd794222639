//! Which file imports from which: a path leads to the file that defines the item, through re-exports and aliases. From
//! that come the cycles inside a room, and imports against a stated order of modules.

use crate::modules::{Meaning, Module};
use crate::source::SourceFile;
use std::collections::{BTreeMap, BTreeSet};

/// All modules by their path from the crate's root, each with the index of its file.
struct ModuleTree<'f>(BTreeMap<&'f [String], (usize, &'f Module)>);

/// A name that a `use` brought into a module.
type Alias = (Vec<String>, String);

/// An import of one file from another, each by its index.
pub type Edges = BTreeMap<(usize, usize), String>;

/// The imports between files of the same room, each with its first place: `src/a/b.rs:3: super::X`.
pub fn edges(files: &[SourceFile]) -> Edges {
    let modules = ModuleTree::new(files);
    let mut edges = Edges::new();
    for (from, file) in files.iter().enumerate() {
        for mention in &file.mentions {
            for to in modules.resolve(&mention.scope, &mention.path, &mut Vec::new()) {
                if to != from && file.room().is_some() && file.room() == files[to].room() {
                    let place = || format!("{}:{}: {}", file.path, mention.line, mention.path.join("::"));
                    edges.entry((from, to)).or_insert_with(place);
                }
            }
        }
    }
    edges
}

impl<'f> ModuleTree<'f> {
    fn new(files: &'f [SourceFile]) -> Self {
        let mut tree = BTreeMap::new();
        for (index, file) in files.iter().enumerate() {
            for module in &file.modules {
                // lib.rs and main.rs are both the root: main.rs has no modules of its own.
                tree.entry(module.path.as_slice()).or_insert((index, module));
            }
        }
        Self(tree)
    }

    /// The files that define what a path names. A path that ends at a module names no item. `open` holds the aliases that
    /// are being followed, by module and name: none is followed within itself.
    fn resolve(&self, scope: &[String], path: &[String], open: &mut Vec<Alias>) -> BTreeSet<usize> {
        let climbs = path.iter().take_while(|segment| *segment == "super").count();
        match path.first().map(String::as_str) {
            Some("crate" | "mailrun") => self.walk(&[], &path[1..], open),
            Some("self") => {
                let climbs = path[1..].iter().take_while(|segment| *segment == "super").count();
                self.walk(&scope[..scope.len().saturating_sub(climbs)], &path[1 + climbs..], open)
            }
            Some("super") => self.walk(&scope[..scope.len().saturating_sub(climbs)], &path[climbs..], open),
            _ => self.walk(scope, path, open),
        }
    }

    fn walk(&self, module: &[String], path: &[String], open: &mut Vec<Alias>) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let (Some((file, here)), Some((name, rest))) = (self.0.get(module), path.split_first()) else { return found };
        for (_, meaning) in here.names.iter().filter(|(own, _)| own == name) {
            match meaning {
                Meaning::Item => drop(found.insert(*file)),
                Meaning::Module => found.extend(self.walk(&[module, std::slice::from_ref(name)].concat(), rest, open)),
                Meaning::Alias(to) => found.extend(self.follow(module, name, &[to, rest].concat(), open)),
            }
        }
        if found.is_empty() {
            for glob in &here.globs {
                found.extend(self.follow(module, &glob.join("::"), &[glob, path].concat(), open));
            }
        }
        found
    }

    fn follow(&self, module: &[String], name: &str, path: &[String], open: &mut Vec<Alias>) -> BTreeSet<usize> {
        let alias = (module.to_vec(), name.to_owned());
        if open.contains(&alias) {
            return BTreeSet::new();
        }
        open.push(alias);
        let found = self.resolve(module, path, open);
        open.pop();
        found
    }
}

/// The sets of files that import each other, at any remove.
pub struct Knot<'e> {
    pub files: BTreeSet<usize>,
    /// The imports of one cycle, as short as there is one from the first file.
    pub cycle: Vec<&'e str>,
}

pub fn knots(edges: &Edges) -> Vec<Knot<'_>> {
    let mut knots = Vec::new();
    let mut done: BTreeSet<usize> = BTreeSet::new();
    let starts: BTreeSet<usize> = edges.keys().map(|(from, _)| *from).collect();
    for start in starts {
        if done.contains(&start) {
            continue;
        }
        let Some(path) = way_back(edges, start) else { continue };
        let files = reachable_both_ways(edges, start);
        done.extend(&files);
        let cycle = path.windows(2).map(|pair| edges[&(pair[0], pair[1])].as_str()).collect();
        knots.push(Knot { files, cycle });
    }
    knots
}

/// The shortest way from a file back to itself.
fn way_back(edges: &Edges, start: usize) -> Option<Vec<usize>> {
    let mut before: BTreeMap<usize, usize> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for ((_, to), _) in edges.range((at, 0)..=(at, usize::MAX)) {
            if before.contains_key(to) {
                continue;
            }
            before.insert(*to, at);
            if *to == start {
                let mut path = vec![start];
                while path.len() < 2 || path[path.len() - 1] != start {
                    path.push(before[&path[path.len() - 1]]);
                }
                path.reverse();
                return Some(path);
            }
            queue.push_back(*to);
        }
    }
    None
}

/// The files that `start` imports, at any remove, and that import it.
fn reachable_both_ways(edges: &Edges, start: usize) -> BTreeSet<usize> {
    let reach = |turn: fn(&(usize, usize)) -> (usize, usize)| {
        let (mut seen, mut stack) = (BTreeSet::from([start]), vec![start]);
        while let Some(at) = stack.pop() {
            let next = edges.keys().map(turn).filter(|(from, _)| *from == at).map(|(_, to)| to);
            stack.extend(next.filter(|to| seen.insert(*to)).collect::<Vec<_>>());
        }
        seen
    };
    let (forward, backward) = (reach(|edge| *edge), reach(|(from, to)| (*to, *from)));
    forward.intersection(&backward).copied().collect()
}

/// Imports against the order: a module of `room` may import from itself and from those before it in `order`. Modules
/// that the order does not name are named.
pub fn against_order(files: &[SourceFile], edges: &Edges, room: &str, order: &[&str]) -> Vec<String> {
    let module = |file: &SourceFile| file.module.get(1).cloned().unwrap_or_else(|| "mod".to_owned());
    let inside = |file: &&SourceFile| file.room() == Some(room);
    let place = |file: &SourceFile| order.iter().position(|name| *name == module(file));
    let unknown: BTreeSet<String> =
        files.iter().filter(inside).filter(|file| place(file).is_none()).map(module).collect();
    let mut wrong: Vec<String> =
        unknown.iter().map(|name| format!("{room}::{name} has no place in the order")).collect();
    for ((from, to), import) in edges {
        let (from, to) = (&files[*from], &files[*to]);
        if inside(&from) && place(from) < place(to) {
            wrong.push(format!("{import}: {} stands before {}", module(from), module(to)));
        }
    }
    wrong
}
