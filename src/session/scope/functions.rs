//! The functions `now()`, `uuid()`, `random(n)` and `hostname()`.

use super::time_value::TimeValue;
use minijinja::value::{Object, ObjectRepr, Value, from_args};
use minijinja::{Error, ErrorKind, State};
use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex};

/// The names of the functions.
pub const FUNCTIONS: [&str; 4] = ["now", "uuid", "random", "hostname"];

/// The longest result of `random(…)`.
pub const MAX_LETTERS: usize = 1 << 20;

/// The clock, host name and time zone for `now()`, `hostname()` and dates.
#[derive(Clone)]
pub struct HostEnvironment {
    /// The clock.
    pub now: Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>,
    pub hostname: String,
    /// The zone in which times are shown.
    pub zone: jiff::tz::TimeZone,
}

/// What functions and filters need: the host, and the source of randomness.
pub struct FunctionContext {
    pub host: HostEnvironment,
    /// `None` uses the system's randomness.
    seeded: Option<Mutex<fastrand::Rng>>,
}

impl FunctionContext {
    pub fn new(seed: Option<u64>, host: HostEnvironment) -> Self {
        Self { host, seeded: seed.map(|seed| Mutex::new(fastrand::Rng::with_seed(seed))) }
    }

    pub fn now(&self) -> jiff::Timestamp {
        (self.host.now)()
    }

    pub fn letters(&self, count: usize) -> String {
        match &self.seeded {
            Some(source) => {
                let mut source = source.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                (0..count).map(|_| source.lowercase()).collect()
            }
            None => unseeded_letters(count),
        }
    }

    /// A random UUID (RFC 9562 §5.4).
    fn uuid(&self) -> String {
        let mut bytes = [0; 16];
        match &self.seeded {
            Some(source) => source.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fill(&mut bytes),
            None => fill(&mut bytes),
        }
        let bits = (u128::from_be_bytes(bytes) & !(0xf << 76) & !(0b11 << 62)) | (4 << 76) | (0b10 << 62);
        let hex = format!("{bits:032x}");
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }
}

/// Shows no content.
impl fmt::Debug for FunctionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("world")
    }
}

impl Object for FunctionContext {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// Random lower-case letters from the system's randomness, whatever the seed: a Message-ID must never repeat.
pub fn unseeded_letters(count: usize) -> String {
    thread_local! {
        /// Unused random bytes. The system is asked for many at a time.
        static FRESH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    let bytes = FRESH.with_borrow_mut(|fresh| {
        if fresh.len() < count {
            *fresh = vec![0; count.max(1024)];
            fill(fresh);
        }
        fresh.split_off(fresh.len() - count)
    });
    // 256 is not a multiple of 26: the letters a to v are slightly more likely, which does not matter here.
    bytes.into_iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}

fn fill(bytes: &mut [u8]) {
    if getrandom::fill(bytes).is_err() {
        // Without system randomness the generator seeds itself from the process and the time.
        fastrand::Rng::new().fill(bytes);
    }
}

/// A function that templates can call.
pub struct Function {
    kind: FunctionKind,
    context: Arc<FunctionContext>,
}

#[derive(Clone, Copy, Debug)]
enum FunctionKind {
    Now,
    Uuid,
    Random,
    Hostname,
}

impl Function {
    pub fn find(name: &str, context: &Arc<FunctionContext>) -> Option<Self> {
        let kind = match name {
            "now" => FunctionKind::Now,
            "uuid" => FunctionKind::Uuid,
            "random" => FunctionKind::Random,
            "hostname" => FunctionKind::Hostname,
            _ => return None,
        };
        Some(Self { kind, context: context.clone() })
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("function")
    }
}

impl Object for Function {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        if let FunctionKind::Random = self.kind {
            let (count,): (usize,) = from_args(args)?;
            if count > MAX_LETTERS {
                let what = format!("random gives at most {MAX_LETTERS} letters");
                return Err(Error::new(ErrorKind::InvalidOperation, what));
            }
            return Ok(Value::from(self.context.letters(count)));
        }
        let () = from_args(args)?;
        Ok(match self.kind {
            FunctionKind::Now => Value::from_object(TimeValue::new(self.context.now(), &self.context.host.zone)),
            FunctionKind::Uuid => Value::from(self.context.uuid()),
            FunctionKind::Hostname | FunctionKind::Random => Value::from(self.context.host.hostname.as_str()),
        })
    }
}
