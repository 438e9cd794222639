//! What the names in a module stand for.

use crate::items::name_of;
use crate::mentions::flatten;

/// What a name in a module stands for.
pub enum Meaning {
    /// An item that the module itself defines.
    Item,
    Module,
    /// What a `use` brought in, as it is written there.
    Alias(Vec<String>),
}

/// A module, which is a file's or inside one.
pub struct Module {
    /// From the crate's root.
    pub path: Vec<String>,
    /// One name may stand for a module and a function.
    pub names: Vec<(String, Meaning)>,
    /// What is imported with `*`.
    pub globs: Vec<Vec<String>>,
}

/// The module of these items, and those inside it.
pub fn modules(path: &[String], items: &[syn::Item]) -> Vec<Module> {
    let mut module = Module { path: path.to_vec(), names: Vec::new(), globs: Vec::new() };
    let mut inner = Vec::new();
    for item in items {
        match item {
            syn::Item::Use(item) => {
                for mut used in flatten(&item.tree) {
                    if used.name == "*" {
                        used.path.pop();
                        module.globs.push(used.path);
                    } else {
                        module.names.push((used.name, Meaning::Alias(used.path)));
                    }
                }
            }
            syn::Item::Mod(item) => {
                module.names.push((item.ident.to_string(), Meaning::Module));
                if let Some((_, items)) = &item.content {
                    inner.extend(modules(&[path, &[item.ident.to_string()]].concat(), items));
                }
            }
            other => {
                if let Some((_, name)) = name_of(other) {
                    module.names.push((name.to_string(), Meaning::Item));
                }
            }
        }
    }
    inner.push(module);
    inner
}
