//! The values of names in templates and expressions.
//!
//! Names are looked up when a template uses them: no map is built for each rendering.

mod functions;
mod time_value;

use super::{EhloFacts, ReplyFacts, SessionFacts, TlsFacts};
use functions::Function;
use minijinja::value::{Object, Value as TemplateValue};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

pub(super) use functions::{FUNCTIONS, FunctionContext};
pub use functions::{HostEnvironment, unseeded_letters};
pub(super) use time_value::TimeValue;
pub use time_value::{DATE_HELP, date_field};

/// The name under which filters find the [`FunctionContext`]. No template can write it.
pub(super) const FUNCTION_CONTEXT: &str = "\0world";

/// A variable's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<Value>),
    /// In file order. Names are shared: all rows of a file have the same.
    Table(Vec<(Arc<str>, Value)>),
    None,
}

impl Value {
    fn into_template_value(self) -> TemplateValue {
        match self {
            Self::Text(text) => TemplateValue::from(text),
            Self::Integer(number) => TemplateValue::from(number),
            Self::Float(number) => TemplateValue::from(number),
            Self::Boolean(truth) => TemplateValue::from(truth),
            Self::List(values) => values.into_iter().map(Self::into_template_value).collect(),
            Self::Table(entries) => {
                TemplateValue::from_pairs(entries.into_iter().map(|(name, value)| (name, value.into_template_value())))
            }
            Self::None => TemplateValue::from(()),
        }
    }
}

/// As a template renders it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            other => other.clone().into_template_value().fmt(f),
        }
    }
}

/// Names and their values. Later layers hide earlier ones: facts (`reply`, `ehlo`, `tls`, `session`, `loop`), variables
/// and secrets, captures, then each `with`. A clone is independent, but shares the source of random values.
#[derive(Clone)]
pub struct Scope {
    /// Shared with a rendering while it runs, and with no one else: setting a name between renderings copies nothing.
    bindings: Arc<Bindings>,
}

#[derive(Clone)]
struct Bindings {
    context: Arc<FunctionContext>,
    variables: HashMap<String, TemplateValue>,
    layers: Vec<Vec<(String, TemplateValue)>>,
    reply: Option<Arc<ReplyFacts>>,
    ehlo: Arc<EhloFacts>,
    tls: Option<Arc<TlsFacts>>,
    session: Arc<SessionFacts>,
    loop_index: Option<u32>,
    row: Option<TemplateValue>,
}

impl Scope {
    /// The names that a running session defines.
    pub const FACTS: [&'static str; 5] = ["reply", "ehlo", "tls", "session", "loop"];

    /// `seed` makes `random(…)` and `uuid()` repeatable.
    pub fn new(seed: Option<u64>, host: HostEnvironment) -> Self {
        let bindings = Bindings {
            context: Arc::new(FunctionContext::new(seed, host)),
            variables: HashMap::new(),
            layers: Vec::new(),
            reply: None,
            ehlo: Arc::default(),
            tls: None,
            session: Arc::default(),
            loop_index: None,
            row: None,
        };
        Self { bindings: Arc::new(bindings) }
    }

    fn bindings_mut(&mut self) -> &mut Bindings {
        Arc::make_mut(&mut self.bindings)
    }

    /// Sets a variable, secret or capture.
    pub fn set(&mut self, name: &str, value: Value) {
        let value = value.into_template_value();
        let variables = &mut self.bindings_mut().variables;
        match variables.get_mut(name) {
            Some(slot) => *slot = value,
            None => {
                variables.insert(name.to_owned(), value);
            }
        }
    }

    pub fn push_layer(&mut self, variables: Vec<(String, Value)>) {
        let layer = variables.into_iter().map(|(name, value)| (name, value.into_template_value())).collect();
        self.bindings_mut().layers.push(layer);
    }

    /// Adds a name to the newest layer.
    pub fn add_to_layer(&mut self, name: &str, value: Value) {
        if let Some(layer) = self.bindings_mut().layers.last_mut() {
            layer.push((name.to_owned(), value.into_template_value()));
        }
    }

    pub fn pop_layer(&mut self) {
        self.bindings_mut().layers.pop();
    }

    pub fn set_reply(&mut self, reply: Option<ReplyFacts>) {
        self.bindings_mut().reply = reply.map(Arc::new);
    }

    pub fn set_ehlo(&mut self, ehlo: Arc<EhloFacts>) {
        self.bindings_mut().ehlo = ehlo;
    }

    pub fn set_tls(&mut self, tls: Option<TlsFacts>) {
        self.bindings_mut().tls = tls.map(Arc::new);
    }

    pub fn set_session(&mut self, session: SessionFacts) {
        self.bindings_mut().session = Arc::new(session);
    }

    /// Sets `loop.index` in `repeat`, from 1. `None` outside of it.
    pub fn set_loop(&mut self, index: Option<u32>) {
        self.bindings_mut().loop_index = index;
    }

    /// Sets `row`. `None` if the session has no rows.
    pub fn set_row(&mut self, row: Option<&super::RowValue>) {
        self.bindings_mut().row = row.map(super::RowValue::to_template_value);
    }

    /// The value of [`Scope::set_loop`].
    pub fn loop_index(&self) -> Option<u32> {
        self.bindings.loop_index
    }

    /// Random lower-case letters from the seeded source, also for boundaries and nonces.
    pub fn random_letters(&mut self, count: usize) -> String {
        self.bindings.context.letters(count)
    }

    /// Whether the name has a value now.
    pub fn has(&self, name: &str) -> bool {
        self.bindings.get(name).is_some()
    }

    pub(super) fn get(&self, name: &str) -> Option<TemplateValue> {
        self.bindings.get(name)
    }

    /// The root value of a rendering.
    pub(super) fn root(&self) -> TemplateValue {
        TemplateValue::from_dyn_object(self.bindings.clone())
    }
}

impl Bindings {
    fn get(&self, name: &str) -> Option<TemplateValue> {
        for layer in self.layers.iter().rev() {
            if let Some((_, value)) = layer.iter().rev().find(|(key, _)| key == name) {
                return Some(value.clone());
            }
        }
        if let Some(value) = self.variables.get(name) {
            return Some(value.clone());
        }
        match name {
            "reply" => self.reply.clone().map(TemplateValue::from_dyn_object),
            "ehlo" => Some(TemplateValue::from_dyn_object(self.ehlo.clone())),
            "tls" => Some(match &self.tls {
                Some(tls) => super::facts::tls_value(tls.clone(), self.context.now()),
                None => TemplateValue::from(()),
            }),
            "session" => Some(TemplateValue::from_dyn_object(self.session.clone())),
            "loop" => self.loop_index.map(|index| TemplateValue::from_object(LoopValue(index))),
            "row" => self.row.clone(),
            FUNCTION_CONTEXT => Some(TemplateValue::from_dyn_object(self.context.clone())),
            _ => Function::find(name, &self.context).map(TemplateValue::from_object),
        }
    }
}

/// Shows no values: some are secrets.
impl fmt::Debug for Bindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names")
    }
}

impl Object for Bindings {
    fn get_value(self: &Arc<Self>, key: &TemplateValue) -> Option<TemplateValue> {
        self.get(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<TemplateValue> {
        self.get(key)
    }
}

/// `loop` in `repeat`.
#[derive(Debug)]
struct LoopValue(u32);

impl Object for LoopValue {
    fn get_value(self: &Arc<Self>, key: &TemplateValue) -> Option<TemplateValue> {
        (key.as_str()? == "index").then(|| TemplateValue::from(self.0))
    }

    fn enumerate(self: &Arc<Self>) -> minijinja::value::Enumerator {
        minijinja::value::Enumerator::Str(&["index"])
    }
}
