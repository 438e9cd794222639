//! What the names in templates and expressions mean at a moment.
//!
//! Names are looked up one by one as a template asks for them: no map is built for a rendering.

mod functions;
mod moment;

use super::{EhloFacts, ReplyFacts, SessionFacts, TlsFacts};
use functions::Function;
use minijinja::value::{Object, Value as Rendered};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

pub use functions::fresh_letters;
pub(super) use functions::{FUNCTIONS, World};
pub(super) use moment::Moment;

/// The name under which filters find the world outside; no template can spell it.
pub(super) const WORLD: &str = "\0world";

/// A variable's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<Value>),
    /// In the order of its file. Names are shared: the rows of a file have the same.
    Table(Vec<(Arc<str>, Value)>),
    None,
}

impl Value {
    fn rendered(self) -> Rendered {
        match self {
            Self::Text(text) => Rendered::from(text),
            Self::Integer(number) => Rendered::from(number),
            Self::Float(number) => Rendered::from(number),
            Self::Boolean(truth) => Rendered::from(truth),
            Self::List(values) => values.into_iter().map(Self::rendered).collect(),
            Self::Table(entries) => {
                Rendered::from_pairs(entries.into_iter().map(|(name, value)| (name, value.rendered())))
            }
            Self::None => Rendered::from(()),
        }
    }
}

/// As a template would render it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            other => other.clone().rendered().fmt(f),
        }
    }
}

/// What `now()`, `hostname()` and dates need of the world.
#[derive(Clone)]
pub struct Outside {
    /// The clock.
    pub now: Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>,
    pub hostname: String,
    /// In which `now()` and timestamps are shown.
    pub zone: jiff::tz::TimeZone,
}

/// Names and their values. A clone is of its own from then on, but for the source of random values. Later layers hide earlier ones: facts (`reply`, `ehlo`, `tls`, `session`, `loop`), variables
/// and secrets, captures, then each `with`.
#[derive(Clone)]
pub struct Scope {
    /// Shared with a rendering while it lasts; alone at all other times, so that setting a name copies nothing.
    names: Arc<Names>,
}

#[derive(Clone)]
struct Names {
    world: Arc<World>,
    variables: HashMap<String, Rendered>,
    layers: Vec<Vec<(String, Rendered)>>,
    reply: Option<Arc<ReplyFacts>>,
    ehlo: Arc<EhloFacts>,
    tls: Option<Arc<TlsFacts>>,
    session: Arc<SessionFacts>,
    repetition: Option<u32>,
    row: Option<Rendered>,
}

impl Scope {
    /// The names that a running session has of its own.
    pub const FACTS: [&'static str; 5] = ["reply", "ehlo", "tls", "session", "loop"];

    /// `seed` makes `random(…)` and `uuid()` repeatable.
    pub fn new(seed: Option<u64>, outside: Outside) -> Self {
        let names = Names {
            world: Arc::new(World::new(seed, outside)),
            variables: HashMap::new(),
            layers: Vec::new(),
            reply: None,
            ehlo: Arc::default(),
            tls: None,
            session: Arc::default(),
            repetition: None,
            row: None,
        };
        Self { names: Arc::new(names) }
    }

    fn names_mut(&mut self) -> &mut Names {
        Arc::make_mut(&mut self.names)
    }

    /// Sets a variable, secret or capture.
    pub fn set(&mut self, name: &str, value: Value) {
        let value = value.rendered();
        let variables = &mut self.names_mut().variables;
        match variables.get_mut(name) {
            Some(slot) => *slot = value,
            None => {
                variables.insert(name.to_owned(), value);
            }
        }
    }

    pub fn push(&mut self, variables: Vec<(String, Value)>) {
        let layer = variables.into_iter().map(|(name, value)| (name, value.rendered())).collect();
        self.names_mut().layers.push(layer);
    }

    /// Adds a name to the newest layer.
    pub fn add(&mut self, name: &str, value: Value) {
        if let Some(layer) = self.names_mut().layers.last_mut() {
            layer.push((name.to_owned(), value.rendered()));
        }
    }

    pub fn pop(&mut self) {
        self.names_mut().layers.pop();
    }

    pub fn set_reply(&mut self, reply: Option<ReplyFacts>) {
        self.names_mut().reply = reply.map(Arc::new);
    }

    pub fn set_ehlo(&mut self, ehlo: EhloFacts) {
        self.names_mut().ehlo = Arc::new(ehlo);
    }

    pub fn set_tls(&mut self, tls: Option<TlsFacts>) {
        self.names_mut().tls = tls.map(Arc::new);
    }

    pub fn set_session(&mut self, session: SessionFacts) {
        self.names_mut().session = Arc::new(session);
    }

    /// `loop.index` in `repeat`, from 1; `None` outside.
    pub fn set_loop(&mut self, index: Option<u32>) {
        self.names_mut().repetition = index;
    }

    /// `row`; `None` where the session has no rows.
    pub fn set_row(&mut self, row: Option<&super::RowValue>) {
        self.names_mut().row = row.map(super::RowValue::rendered);
    }

    /// What [`Scope::set_loop`] set.
    pub fn loop_index(&self) -> Option<u32> {
        self.names.repetition
    }

    /// A random text of small letters, from the seeded source: also for boundaries and nonces.
    pub fn random_letters(&mut self, count: usize) -> String {
        self.names.world.letters(count)
    }

    /// Whether the name has a value now.
    pub fn has(&self, name: &str) -> bool {
        self.names.get(name).is_some()
    }

    pub(super) fn get(&self, name: &str) -> Option<Rendered> {
        self.names.get(name)
    }

    /// The root of a rendering.
    pub(super) fn root(&self) -> Rendered {
        Rendered::from_dyn_object(self.names.clone())
    }
}

impl Names {
    fn get(&self, name: &str) -> Option<Rendered> {
        for layer in self.layers.iter().rev() {
            if let Some((_, value)) = layer.iter().rev().find(|(key, _)| key == name) {
                return Some(value.clone());
            }
        }
        if let Some(value) = self.variables.get(name) {
            return Some(value.clone());
        }
        match name {
            "reply" => self.reply.clone().map(Rendered::from_dyn_object),
            "ehlo" => Some(Rendered::from_dyn_object(self.ehlo.clone())),
            "tls" => Some(match &self.tls {
                Some(tls) => super::facts::tls_value(tls.clone(), self.world.now()),
                None => Rendered::from(()),
            }),
            "session" => Some(Rendered::from_dyn_object(self.session.clone())),
            "loop" => self.repetition.map(|index| Rendered::from_object(Repetition(index))),
            "row" => self.row.clone(),
            WORLD => Some(Rendered::from_dyn_object(self.world.clone())),
            _ => Function::find(name, &self.world).map(Rendered::from_object),
        }
    }
}

/// Shows no value: some of them are secrets.
impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names")
    }
}

impl Object for Names {
    fn get_value(self: &Arc<Self>, key: &Rendered) -> Option<Rendered> {
        self.get(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Rendered> {
        self.get(key)
    }
}

/// `loop` in `repeat`.
#[derive(Debug)]
struct Repetition(u32);

impl Object for Repetition {
    fn get_value(self: &Arc<Self>, key: &Rendered) -> Option<Rendered> {
        (key.as_str()? == "index").then(|| Rendered::from(self.0))
    }

    fn enumerate(self: &Arc<Self>) -> minijinja::value::Enumerator {
        minijinja::value::Enumerator::Str(&["index"])
    }
}
