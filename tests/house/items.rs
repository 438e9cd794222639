//! Names, signatures and fields of items.

use crate::source::SourceFile;
use proc_macro2::Ident;
use syn::visit::{self, Visit};

/// What sort of item it is, and its name.
pub fn name_of(item: &syn::Item) -> Option<(&'static str, &Ident)> {
    match item {
        syn::Item::Const(item) => Some(("const", &item.ident)),
        syn::Item::Enum(item) => Some(("enum", &item.ident)),
        syn::Item::Fn(item) => Some(("fn", &item.sig.ident)),
        syn::Item::Macro(item) => item.ident.as_ref().map(|name| ("macro", name)),
        syn::Item::Mod(item) => Some(("mod", &item.ident)),
        syn::Item::Static(item) => Some(("static", &item.ident)),
        syn::Item::Struct(item) => Some(("struct", &item.ident)),
        syn::Item::Trait(item) => Some(("trait", &item.ident)),
        syn::Item::Type(item) => Some(("type", &item.ident)),
        _ => None,
    }
}

/// A function, type, variant, field, …
pub struct Definition {
    pub line: usize,
    /// `fn`, `struct`, `variant`, …
    pub kind: &'static str,
    pub name: String,
    /// The type or trait around a function, variant or field.
    pub owner: String,
    /// The names in the types of a function's arguments, its `self` included, or of a struct's fields.
    pub takes: Vec<String>,
    /// The number of a struct's fields.
    pub fields: usize,
}

pub fn definitions(items: &[syn::Item]) -> Vec<Definition> {
    let mut collector = Collector { owner: String::new(), found: Vec::new() };
    items.iter().for_each(|item| collector.visit_item(item));
    collector.found
}

struct Collector {
    owner: String,
    found: Vec<Definition>,
}

impl Collector {
    fn add(&mut self, kind: &'static str, name: &Ident) -> &mut Definition {
        let (line, owner) = (name.span().start().line, self.owner.clone());
        let definition = Definition { line, kind, name: name.to_string(), owner, takes: Vec::new(), fields: 0 };
        self.found.push(definition);
        self.found.last_mut().expect("one was added")
    }

    fn add_function(&mut self, signature: &syn::Signature) {
        let owner = self.owner.clone();
        let mut takes = Vec::new();
        for input in &signature.inputs {
            match input {
                syn::FnArg::Receiver(receiver) => {
                    takes.push(owner.clone());
                    takes.extend(names_in(&receiver.ty));
                }
                syn::FnArg::Typed(typed) => takes.extend(names_in(&typed.ty)),
            }
        }
        self.add("fn", &signature.ident).takes = takes;
    }

    fn within(&mut self, owner: String, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.owner, owner);
        visit(self);
        self.owner = outer;
    }
}

impl<'ast> Visit<'ast> for Collector {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        match item {
            syn::Item::Fn(function) => self.add_function(&function.sig),
            syn::Item::Struct(item) => {
                let definition = self.add("struct", &item.ident);
                definition.fields = item.fields.len();
                definition.takes = item.fields.iter().flat_map(|field| names_in(&field.ty)).collect();
            }
            other => {
                if let Some((kind, name)) = name_of(other) {
                    self.add(kind, name);
                }
            }
        }
        let owner = match item {
            syn::Item::Impl(block) => type_name(&block.self_ty),
            syn::Item::Enum(_) | syn::Item::Struct(_) | syn::Item::Trait(_) => {
                name_of(item).map(|(_, name)| name.to_string())
            }
            _ => None,
        };
        self.within(owner.unwrap_or_default(), |this| visit::visit_item(this, item));
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add_function(&function.sig);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        self.add_function(&function.sig);
        visit::visit_trait_item_fn(self, function);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.add("variant", &variant.ident);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Some(name) = &field.ident {
            self.add("field", name);
        }
    }
}

/// The last name of a type's path, below references.
fn type_name(ty: &syn::Type) -> Option<String> {
    match ty {
        syn::Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        syn::Type::Reference(reference) => type_name(&reference.elem),
        _ => None,
    }
}

/// Every name in a type: `Option<&mut super::X>` has `Option`, `super` and `X`.
fn names_in(ty: &syn::Type) -> Vec<String> {
    struct Names(Vec<String>);
    impl<'ast> Visit<'ast> for Names {
        fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
            self.0.push(segment.ident.to_string());
            visit::visit_path_segment(self, segment);
        }
    }
    let mut names = Names(Vec::new());
    names.visit_type(ty);
    names.0
}

/// Functions that take a type as an argument or as `self`, and structs that hold it: `src/x.rs:3: fn name`.
pub fn takers(file: &SourceFile, name: &str) -> Vec<String> {
    let takes = file.definitions.iter().filter(|one| one.takes.iter().any(|taken| taken == name));
    takes.map(|one| format!("{}:{}: {} {}", file.path, one.line, one.kind, one.name)).collect()
}

/// Structs with more than `most` fields: `src/x.rs:3: struct Name has 9 fields`.
pub fn too_many_fields(file: &SourceFile, most: usize) -> Vec<String> {
    let large = file.definitions.iter().filter(|one| one.fields > most);
    large.map(|one| format!("{}:{}: struct {} has {} fields", file.path, one.line, one.name, one.fields)).collect()
}
