//! Finds and reads the sessions of the command line. A file with errors does not stop the others.

use super::diagnostics::{print_diagnostics, source_error};
use super::variables;
use crate::cli::arguments::InputArguments;
use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::event::Status;
use crate::session::{Diagnostic, Diagnostics, Scope, Session, SourceError, Span, Value, Variable, closest_name, load};
use crate::source::{SessionPath, SystemSources, find_sessions, read_session_text};
use std::collections::BTreeSet;

/// A session that can run.
pub struct LoadedSession {
    pub path: SessionPath,
    pub session: Session,
    pub files: SystemSources,
}

/// A session that was asked for: it can run, or its file has errors.
pub type LoadResult = Result<LoadedSession, LoadFailure>;

/// The options that affect how sessions are read.
pub struct SessionInputs<'a> {
    pub arguments: &'a InputArguments,
    pub variables: Vec<(String, Value)>,
    /// `--var`, or the environment variable that stands for it.
    var_option: String,
    /// No warnings are printed.
    pub quiet: bool,
    /// `--mx` is given, so a session needs no server.
    pub mx: bool,
}

impl<'a> SessionInputs<'a> {
    /// Reads the files of `--vars`. `origin` says where an option came from, for errors.
    pub fn new(arguments: &'a InputArguments, origin: &dyn Fn(&str) -> String) -> Result<Self, CommandError> {
        let variables = variables::read_variables(arguments, origin)?;
        Ok(Self { arguments, variables, var_option: origin("var"), quiet: false, mx: false })
    }

    /// Reads all sessions. Prints the errors of those that cannot run, and returns their statuses.
    ///
    /// # Errors
    /// As [`Self::read_all`].
    pub fn read(&self, sessions: &[String]) -> Result<(Vec<LoadedSession>, Vec<Status>), CommandError> {
        let mut loaded = Vec::new();
        let mut statuses = Vec::new();
        for found in self.read_all(sessions, &|_| true)? {
            match found {
                Ok(session) => loaded.push(session),
                Err(failure) => statuses.push(failure.status),
            }
        }
        Ok((loaded, statuses))
    }

    /// Reads the sessions whose paths are `wanted`, in order, and prints their errors.
    ///
    /// # Errors
    /// If no session has a name of `--var`. That is not known if a session is broken or not wanted.
    pub fn read_all(
        &self,
        sessions: &[String],
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<LoadResult>, CommandError> {
        let mut all = Vec::new();
        let mut whole = true;
        for found in find_sessions(sessions) {
            let read = match found {
                Ok(path) if !wanted(&path.name()) => {
                    whole = false;
                    continue;
                }
                Ok(path) => {
                    let name = path.name();
                    self.load(path).map_err(|wrong| wrong.named(&name))
                }
                Err(why) => Err(source_failure(why).named("")),
            };
            all.push(read);
        }
        let read: Vec<&Session> = all.iter().flatten().map(|loaded| &loaded.session).collect();
        if whole && read.len() == all.len() {
            self.check_variables(&read)?;
        }
        Ok(all)
    }

    /// Checks that a session declares or uses each name of `--var`: a mistyped one would leave the default in place.
    fn check_variables(&self, sessions: &[&Session]) -> Result<(), CommandError> {
        if self.arguments.var.is_empty() || sessions.is_empty() {
            return Ok(());
        }
        let mut known: BTreeSet<String> = sessions.iter().flat_map(|session| session.templates.all_names()).collect();
        known.retain(|name| name != "row" && !Scope::FACTS.contains(&name.as_str()));
        let set = sessions.iter().flat_map(|session| session.vars.iter().chain(&session.secrets));
        known.extend(set.map(|variable| variable.name.clone()));
        let Some((name, _)) = self.arguments.var.iter().find(|(name, _)| !known.contains(name)) else { return Ok(()) };
        let option = &self.var_option;
        // What a file with `template = true` uses is not known before it is read.
        if sessions.iter().any(|session| session.has_file_templates()) {
            if !self.quiet {
                console::warning(&format!("{option} sets \"{name}\", which only a file that is a template may use"));
            }
            return Ok(());
        }
        let meant = closest_name(name, known.iter().map(String::as_str));
        let error = CommandError::invalid_data(format!("{option} sets \"{name}\", which no session declares or uses"));
        Err(match (meant, known.is_empty()) {
            (Some(meant), _) => error.with_help(format!("did you mean \"{meant}\"?")),
            (None, false) => error.with_help(format!("known names: {}", sorted_list(&known))),
            (None, true) => error,
        })
    }

    /// The error for a secret in `--var` or `--vars`, which set `[vars]` only.
    fn secret_override_error(&self, secret: &Variable) -> Diagnostic {
        let option = if self.arguments.var.iter().any(|(name, _)| *name == secret.name) { "--var" } else { "--vars" };
        let message = format!("{option} sets \"{}\", which is a secret", secret.name);
        Diagnostic::error(secret.span.clone(), message).with_help(
            "--var and --vars set [vars] only; a secret gets its value from its source, such as { env = \"NAME\" }",
        )
    }

    fn load(&self, path: SessionPath) -> LoadResult {
        let text = read_session_text(&path).map_err(source_failure)?;
        self.load_text(path, &text)
    }

    /// Reads a session from its text.
    pub fn load_text(&self, path: SessionPath, text: &str) -> LoadResult {
        let files = SystemSources::new(&path.folder(), &self.arguments.file_root, self.arguments.allow_commands)
            .map_err(source_failure)?;
        let names: Vec<_> = self.variables.iter().map(|(name, _)| name.clone()).collect();
        let mut session = load(&path.name(), text, &files, &names).map_err(|found| invalid_session(&found))?;
        if session.server.is_none() && self.arguments.server.is_none() && !self.mx {
            let span = Span { file: 0, bytes: 0..0 };
            let missing = Diagnostic::error(span, "no server is given")
                .with_help("write server = \"smtp://host:port\" at the top, or give --server URL");
            return Err(invalid_session(&Diagnostics { list: vec![missing], sources: session.source_map }));
        }
        let taken: Vec<_> = session.secrets.iter().filter(|secret| names.contains(&secret.name)).collect();
        if !taken.is_empty() {
            let list = taken.iter().map(|secret| self.secret_override_error(secret)).collect();
            return Err(invalid_session(&Diagnostics { list, sources: session.source_map }));
        }
        let list = session.apply_overrides(&self.arguments.var);
        if !list.is_empty() {
            return Err(invalid_session(&Diagnostics { list, sources: session.source_map }));
        }
        Ok(LoadedSession { path, session, files })
    }
}

/// A session that cannot run. Its errors have been printed.
pub struct LoadFailure {
    /// The file name; empty if no file was found.
    pub file: String,
    pub status: Status,
    /// The errors as they were printed, without colour.
    pub text: String,
}

impl LoadFailure {
    fn named(self, file: &str) -> Self {
        Self { file: file.to_owned(), ..self }
    }
}

/// The first names of a set.
fn sorted_list(names: &BTreeSet<String>) -> String {
    let first: Vec<&str> = names.iter().map(String::as_str).take(10).collect();
    format!("{}{}", first.join(", "), if names.len() > first.len() { ", …" } else { "" })
}

/// Prints why a file cannot be read.
fn source_failure(why: SourceError) -> LoadFailure {
    let error = source_error(why);
    console::error(&error.message);
    LoadFailure { file: String::new(), status: error.status, text: error.message }
}

fn invalid_session(found: &Diagnostics) -> LoadFailure {
    LoadFailure { file: String::new(), status: print_diagnostics(found), text: found.render(false) }
}
