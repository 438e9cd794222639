//! The sources of `src/`: what is known of each file, without its tests.

use crate::items::{Definition, definitions};
use crate::mentions::{Mention, mentions};
use crate::modules::{Module, modules};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use syn::spanned::Spanned;

/// One file of `src/`, without what is compiled for tests only.
pub struct SourceFile {
    /// As it is shown: `src/exec/mod.rs`.
    pub path: String,
    /// The module that the file is: `["exec", "steps"]`; empty for `lib.rs` and `main.rs`.
    pub module: Vec<String>,
    pub lines: usize,
    pub mentions: Vec<Mention>,
    pub definitions: Vec<Definition>,
    /// The file's module, and those inside it.
    pub modules: Vec<Module>,
}

impl SourceFile {
    /// Parses a file; `path` begins with `src/`.
    pub fn parse(path: &str, text: &str) -> Self {
        let mut file = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let tests = remove_tests(&mut file.items);
        let module = module_of(path);
        Self {
            path: path.to_owned(),
            lines: text.lines().count().saturating_sub(tests),
            mentions: mentions(&module, &file.items),
            definitions: definitions(&file.items),
            modules: modules(&module, &file.items),
            module,
        }
    }

    /// The room that the file is in; none for `lib.rs` and `main.rs`.
    pub fn room(&self) -> Option<&str> {
        self.module.first().map(String::as_str)
    }
}

/// All files of `src/` but test modules, in the order of their paths. They are read once for all tests.
pub fn project() -> &'static [SourceFile] {
    static FILES: LazyLock<Vec<SourceFile>> = LazyLock::new(read_project);
    &FILES
}

fn read_project() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&root.join("src"), &mut paths);
    paths.sort();
    let parse = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("sources are UTF-8");
        let shown = path.strip_prefix(root).expect("it was found below the root");
        SourceFile::parse(&shown.to_string_lossy(), &text)
    };
    paths.iter().map(parse).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("src can be listed") {
        let path = entry.expect("src can be listed").path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if stem == "tests" || stem.ends_with("_tests") {
            continue;
        }
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// `src/session/file.rs` is `session::file`, `src/session/mod.rs` is `session`, `src/lib.rs` the root.
fn module_of(path: &str) -> Vec<String> {
    let inside = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
    let mut module: Vec<String> = inside.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        module.pop();
    }
    module
}

/// Removes items below `#[cfg(test)]`; returns how many lines they had.
fn remove_tests(items: &mut Vec<syn::Item>) -> usize {
    let mut lines = 0;
    items.retain(|item| {
        let test = attributes(item).iter().any(is_cfg_test);
        if test {
            lines += item.span().end().line + 1 - item.span().start().line;
        }
        !test
    });
    for item in items {
        match item {
            syn::Item::Mod(syn::ItemMod { content: Some((_, items)), .. }) => lines += remove_tests(items),
            syn::Item::Impl(block) => block.items.retain(|item| match item {
                syn::ImplItem::Fn(function) => !function.attrs.iter().any(is_cfg_test),
                syn::ImplItem::Const(constant) => !constant.attrs.iter().any(is_cfg_test),
                _ => true,
            }),
            _ => {}
        }
    }
    lines
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    use syn::Item::*;
    match item {
        Const(item) => &item.attrs,
        Enum(item) => &item.attrs,
        Fn(item) => &item.attrs,
        Impl(item) => &item.attrs,
        Macro(item) => &item.attrs,
        Mod(item) => &item.attrs,
        Static(item) => &item.attrs,
        Struct(item) => &item.attrs,
        Trait(item) => &item.attrs,
        Type(item) => &item.attrs,
        Use(item) => &item.attrs,
        _ => &[],
    }
}

fn is_cfg_test(attribute: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else { return false };
    list.path.is_ident("cfg") && {
        let condition = list.tokens.to_string();
        condition == "test"
            || (condition.starts_with("all") && condition.contains("test") && !condition.contains("not"))
    }
}
