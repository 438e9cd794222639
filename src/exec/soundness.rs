//! Renders, before anything is sent, all that depends on variables and secrets alone, and opens the files that it
//! names: what would be refused later is refused now.

use super::actions;
use super::player::Player;
use super::trouble::Trouble;
use super::variables::one_line;
use crate::session::{
    Action, AuthSettings, Content, Message, RawBytes, Scope, Session, SourcePath, Step, Template, ValueSource, Variable,
};
use std::collections::HashSet;

/// The names whose values do not change while the session runs.
type Known = HashSet<String>;

/// Checks all steps that are sure to run as far as the file is concerned.
pub fn check(player: &mut Player<'_>) -> Result<(), Trouble> {
    let session = player.session;
    let mut known: Known = session.vars.iter().chain(&session.secrets).map(|variable| variable.name.clone()).collect();
    known.extend(player.settings.variables.iter().map(|(name, _)| name.clone()));
    let sections = [&session.open, &session.steps, &session.close];
    for section in sections {
        forget_captures(section, &mut known);
    }
    let mut found = Found::default();
    if let Some(auth) = &session.auth {
        let checked = credentials(player, auth, &known);
        found.add(player, checked)?;
    }
    for section in sections {
        let checked = steps(player, section, &known);
        found.add(player, checked)?;
    }
    found.end()
}

/// The most that one run tells.
const MOST: usize = 100;

/// All that is wrong, each once, in the order of the session.
#[derive(Default)]
struct Found(Vec<Trouble>);

impl Found {
    /// An error is that nothing more is to be looked for: a signal came, or there is enough.
    fn add(&mut self, player: &Player<'_>, checked: Result<(), Trouble>) -> Result<(), Trouble> {
        let Err(trouble) = checked else { return Ok(()) };
        if trouble.interrupt(player.narrator.clock).is_some() {
            return Err(trouble);
        }
        for one in trouble.apart() {
            if !self.0.iter().any(|known| known.span == one.span && known.cause == one.cause) {
                self.0.push(one);
            }
        }
        if self.0.len() < MOST { Ok(()) } else { std::mem::take(self).end() }
    }

    fn end(self) -> Result<(), Trouble> {
        let mut all = self.0.into_iter();
        all.next().map_or(Ok(()), |first| Err(first.with(all)))
    }
}

fn forget_captures(steps: &[Step], known: &mut Known) {
    for step in steps {
        for capture in &step.captures {
            known.remove(&capture.name);
        }
        forget_captures(step.members(), known);
    }
}

fn steps(player: &mut Player<'_>, steps: &[Step], known: &Known) -> Result<(), Trouble> {
    let mut found = Found::default();
    for step in steps {
        // Whether it runs is not known yet, or it does not.
        if step.condition.is_some() || step.left_out {
            continue;
        }
        let mut own = known.clone();
        let mut fixed = true;
        for variable in &step.with {
            // It may use those before it.
            fixed &= is_fixed(player, variable, &own);
            if fixed {
                own.insert(variable.name.clone());
            } else {
                own.remove(&variable.name);
            }
        }
        if !fixed {
            own.retain(|name| !step.with.iter().any(|variable| variable.name == *name));
        }
        let with = if fixed { player.with(&step.with) } else { Ok(Vec::new()) };
        let checked = with.and_then(|with| {
            player.scope.push(with);
            let checked = action(player, &step.action, &own);
            player.scope.pop();
            checked
        });
        found.add(player, checked.map_err(|trouble| trouble.all_at(&step.span)))?;
    }
    found.end()
}

fn is_fixed(player: &Player<'_>, variable: &Variable, known: &Known) -> bool {
    match &variable.source {
        ValueSource::Template(template) => is_known(player, template, known),
        ValueSource::Literal(_) => true,
        _ => false,
    }
}

fn is_known(player: &Player<'_>, template: &Template, known: &Known) -> bool {
    player.session.templates.names(template).iter().all(|name| known.contains(name))
}

fn action(player: &mut Player<'_>, action: &Action, known: &Known) -> Result<(), Trouble> {
    match action {
        Action::Send(template) => line(player, template, known),
        Action::Hello { name: Some(template), .. } => line(player, template, known),
        Action::Raw(RawBytes::Text(template)) => text(player, template, known),
        Action::Raw(RawBytes::File(path)) => file(player, path, known),
        Action::Body { content: body, .. } => content(player, body, known),
        Action::Auth(settings) => credentials(player, settings, known),
        Action::Message(message) => mail(player, message, known),
        Action::Pipeline(members) | Action::Steps(members) => steps(player, members, known),
        Action::Xclient(attributes) => attributes.iter().try_for_each(|(_, value)| line(player, value, known)),
        Action::Wait
        | Action::Raw(RawBytes::Bytes(_))
        | Action::Hello { name: None, .. }
        | Action::Starttls { .. }
        | Action::Tls
        | Action::Login
        | Action::Quit
        | Action::Sleep(_)
        | Action::Close(_)
        | Action::Connect
        | Action::Proxy { .. } => Ok(()),
    }
}

fn line(player: &Player<'_>, template: &Template, known: &Known) -> Result<(), Trouble> {
    if is_known(player, template, known) { player.render_line(template).map(drop) } else { Ok(()) }
}

fn text(player: &Player<'_>, template: &Template, known: &Known) -> Result<(), Trouble> {
    if is_known(player, template, known) { player.render(template).map(drop) } else { Ok(()) }
}

fn file(player: &Player<'_>, path: &SourcePath, known: &Known) -> Result<(), Trouble> {
    if !is_known(player, &path.written, known) {
        return Ok(());
    }
    let resolved = player.resolve(path)?;
    match player.sources.open(&resolved) {
        Ok(_) => Ok(()),
        Err(error) => Err(Trouble::source(&player.narrator, &error).at(&path.span)),
    }
}

fn content(player: &Player<'_>, content: &Content, known: &Known) -> Result<(), Trouble> {
    match content {
        Content::Text(template) => text(player, template, known),
        Content::File { path, .. } => file(player, path, known),
    }
}

/// Password and token are secrets wherever they come from: known to the redactor before anything is told.
fn credentials(player: &mut Player<'_>, settings: &AuthSettings, known: &Known) -> Result<(), Trouble> {
    for template in [&settings.user, &settings.authzid].into_iter().flatten() {
        line(player, template, known)?;
    }
    for (name, template) in [("password", &settings.password), ("token", &settings.token)] {
        let Some(template) = template.as_ref().filter(|template| is_known(player, template, known)) else { continue };
        let secret = player.render(template)?;
        // Where it is made of short secrets, they were warned of by their own names.
        let named = player.short_names.iter().any(|short| short == name) || !player.secrets_in(template).is_empty();
        if !player.narrator.redactor.add(&secret) && !named {
            player.short_names.push(name.to_owned());
        }
        one_line(&player.narrator, secret, template)?;
    }
    Ok(())
}

/// Whether one of the steps captures the name.
pub fn is_captured(steps: &[Step], name: &str) -> bool {
    steps.iter().any(|step| step.any(&|step| step.captures.iter().any(|capture| capture.name == name)))
}

/// Whether the name gets another value while the session runs.
fn is_later(session: &Session, name: &str) -> bool {
    Scope::FACTS.contains(&name)
        || name == "row"
        || [&session.open, &session.steps, &session.close].into_iter().any(|steps| is_captured(steps, name))
}

fn mail(player: &mut Player<'_>, message: &Message, known: &Known) -> Result<(), Trouble> {
    let lines = message.lines();
    let mut all = lines.iter().copied().chain(message.contents().map(|content| match content {
        Content::Text(template) => template,
        Content::File { path, .. } => &path.written,
    }));
    // What a file that is a template names is not known before it is rendered.
    let renders = message.contents().any(|content| matches!(content, Content::File { template: true, .. }));
    if !renders && all.all(|template| is_known(player, template, known)) {
        let Err(first) = actions::compose(player, message).map(drop) else { return Ok(()) };
        let mut found = Found::default();
        found.add(player, Err(first))?;
        // It stops at the first thing that is wrong.
        let others = parts(player, message, known);
        found.add(player, others)?;
        return found.end();
    }
    parts(player, message, known)
}

/// Each thing that a mail is made of, by itself.
fn parts(player: &Player<'_>, message: &Message, known: &Known) -> Result<(), Trouble> {
    let mut found = Found::default();
    for template in message.lines() {
        found.add(player, line(player, template, known))?;
    }
    let later = |name: &str| is_later(player.session, name);
    for (part, html) in
        message.text.iter().map(|text| (text, false)).chain(message.html.iter().map(|html| (html, true)))
    {
        match part {
            Content::File { path, template: true } if is_known(player, &path.written, known) => {
                found.add(player, actions::try_file(player, path, html, &later))?;
            }
            part => found.add(player, content(player, part, known))?,
        }
    }
    for path in message.attachments.iter().map(|attachment| &attachment.path).chain(&message.eml) {
        found.add(player, file(player, path, known))?;
    }
    found.end()
}
