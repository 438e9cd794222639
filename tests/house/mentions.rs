//! Every path that a file names: in `use`, in code, in types and in the arguments of macros. Comments, literals and
//! attributes are no paths.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// A path as it is written, groups of `use` spelled out: `std::{fs, io::Read}` is `std::fs` and `std::io::Read`.
#[derive(Debug)]
pub struct Mention {
    pub line: usize,
    /// The module in which it is written: the file's, or one inside it.
    pub scope: Vec<String>,
    /// A macro of one name has its `!`: `println!`. A glob ends in `*`.
    pub path: Vec<String>,
}

pub fn mentions(module: &[String], items: &[syn::Item]) -> Vec<Mention> {
    let mut collector = Collector { scope: module.to_vec(), found: Vec::new() };
    items.iter().for_each(|item| collector.visit_item(item));
    collector.found
}

struct Collector {
    scope: Vec<String>,
    found: Vec<Mention>,
}

impl Collector {
    fn add(&mut self, line: usize, path: Vec<String>) {
        self.found.push(Mention { line, scope: self.scope.clone(), path });
    }

    /// Finds paths and macros among the arguments of a macro, whose grammar is its own.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let is =
            |at: usize, sign: char| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == sign);
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Group(group) => self.add_tokens(group.stream()),
                TokenTree::Ident(first) => {
                    let mut path = vec![first.to_string()];
                    while is(at, ':') && is(at + 1, ':') {
                        let Some(TokenTree::Ident(next)) = tokens.get(at + 2) else { break };
                        path.push(next.to_string());
                        at += 3;
                    }
                    if path.len() == 1 && is(at, '!') && matches!(tokens.get(at + 1), Some(TokenTree::Group(_))) {
                        path[0].push('!');
                    }
                    self.add(first.span().start().line, path);
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Collector {
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.scope.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.scope.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        for used in flatten(&item.tree) {
            self.add(used.line, used.path);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let line = path.segments.first().map_or(0, |first| first.ident.span().start().line);
        self.add(line, path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let mut path: Vec<String> = called.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let line = called.path.segments.first().map_or(0, |first| first.ident.span().start().line);
        if let [name] = path.as_mut_slice() {
            name.push('!');
        }
        self.add(line, path);
        self.add_tokens(called.tokens.clone());
    }
}

/// One name that a `use` brings into scope.
pub struct Used {
    pub line: usize,
    pub path: Vec<String>,
    /// The name in scope; `*` for a glob.
    pub name: String,
}

/// The names of a `use`, groups spelled out.
pub fn flatten(tree: &syn::UseTree) -> Vec<Used> {
    let mut out = Vec::new();
    flatten_below(tree, &[], &mut out);
    out
}

fn flatten_below(tree: &syn::UseTree, outer: &[String], out: &mut Vec<Used>) {
    let mut push = |ident: &proc_macro2::Ident, name: String| {
        let mut path = outer.to_vec();
        if ident != "self" || outer.is_empty() {
            path.push(ident.to_string());
        }
        let name = if name == "self" { path.last().cloned().unwrap_or_default() } else { name };
        out.push(Used { line: ident.span().start().line, path, name });
    };
    match tree {
        syn::UseTree::Path(inner) => {
            let outer = [outer, &[inner.ident.to_string()]].concat();
            flatten_below(&inner.tree, &outer, out);
        }
        syn::UseTree::Name(name) => push(&name.ident, name.ident.to_string()),
        syn::UseTree::Rename(rename) => push(&rename.ident, rename.rename.to_string()),
        syn::UseTree::Glob(glob) => {
            let line = glob.star_token.spans[0].start().line;
            out.push(Used { line, path: [outer, &["*".to_owned()]].concat(), name: "*".to_owned() });
        }
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| flatten_below(tree, outer, out)),
    }
}
