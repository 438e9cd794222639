//! `docs/monitoring.md` and `docs/ci.md`: what they give to Nagios, Icinga, cron and CI systems is run as these would do it.

use crate::support::{EmbeddedServer, StoryPage, project_path};
use std::collections::BTreeSet;

/// The text between two marks of a page.
fn between(page: &str, from: &str, to: &str) -> String {
    let text = std::fs::read_to_string(project_path(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("{page} lacks {from}"));
    rest.split_once(to).unwrap_or_else(|| panic!("{page}: {from} has no end")).0.to_owned()
}

/// All `"NAME" = "VALUE"` of a block, in their order.
fn assignments(block: &str) -> Vec<(String, String)> {
    let quoted = |text: &str| Some(text.trim().strip_prefix('"')?.split_once('"')?.0.to_owned());
    block
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .filter_map(|(a, b)| Some((quoted(a)?, quoted(b)?)))
        .collect()
}

/// A page whose reader has its session, in the place of /etc/mailrun.
fn monitoring_page(server: &EmbeddedServer) -> StoryPage {
    let page = StoryPage::open("docs/monitoring.md");
    std::fs::create_dir(page.folder.path("etc")).expect("a folder can be made");
    page.folder.write("etc/mx.toml", page.session());
    page.folder.write("mx.toml", page.session());
    page.set("MAILRUN_CA", server.ca());
    page
}

/// A command as it is for this server and this machine.
fn filled_in(command: &str, server: &EmbeddedServer) -> String {
    let places = [
        ("/usr/local/bin/", ""),
        ("smtp://mx.example.com", &server.url("smtp")),
        ("/etc/mailrun/", "etc/"),
        ("/var/lib/node_exporter/", ""),
    ];
    places.iter().fold(command.to_owned(), |text, (shown, real)| text.replace(shown, real))
}

#[test]
fn nagios_icinga_and_prometheus_get_what_the_page_promises() {
    let server = EmbeddedServer::sink();
    let page = monitoring_page(&server);
    for _ in 0..2 {
        let run = page.changed_command("mailrun test --nagios", |text| filled_in(&text, &server)).run().exits(0);
        assert!(run.stdout.starts_with("SMTP OK - 1 session passed | time="), "{run}");
    }

    let command = between("docs/monitoring.md", "command_line  ", "\n");
    let service = between("docs/monitoring.md", "check_command        check_mailrun!", "\n");
    let (url, session) = service.split_once('!').expect("two arguments");
    let command = command.replace("$ARG1$", url).replace("$ARG2$", session);
    let run = page.shell(&filled_in(&command, &server)).run().exits(0);
    assert!(run.text().starts_with("SMTP OK - "), "{run}");

    let block = between("docs/monitoring.md", "object CheckCommand \"mailrun\" {", "```");
    let program = between("docs/monitoring.md", "command = [ ", " ]").replace(['"', ','], "");
    let variable = |name: &str| between("docs/monitoring.md", &format!("vars.{name} = \""), "\"");
    let mut command = program;
    for (option, value) in assignments(&block).iter().filter(|(option, _)| option.starts_with("--")) {
        // Icinga leaves out an argument whose macro has no value.
        match value.strip_prefix('$').and_then(|value| value.strip_suffix('$')) {
            Some("mailrun_warning_days") => {}
            Some(name) => command.push_str(&format!(" {option} {}", variable(name))),
            None => command.push_str(&format!(" {option} {value}")),
        }
    }
    command.push_str(&format!(" {}", variable("mailrun_session")));
    let run = page.shell(&filled_in(&command, &server)).run().exits(0);
    assert!(run.text().starts_with("SMTP OK - "), "{command}: {run}");
    let warned = page.shell(&filled_in(&format!("{command} --warning-days 9000"), &server)).run().exits(1);
    assert!(warned.text().starts_with("SMTP WARNING - "), "{warned}");

    let job = page.changed_command("/usr/local/bin/mailrun test", |text| filled_in(&text, &server)).run().exits(0);
    assert_eq!(job.text(), "", "cron has nothing to mail");
    let metrics = page.folder.read("mailrun.prom");
    let rules = between("docs/monitoring.md", "groups:\n", "```");
    let words = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let asked: BTreeSet<&str> = words.filter(|word| word.starts_with("mailrun_")).collect();
    assert!(asked.len() >= 3, "{rules}");
    for name in asked {
        assert!(metrics.contains(&format!("\n# TYPE {name} gauge\n{name}")), "{name}: {metrics}");
    }
    page.assert_complete(&[]);
    server.stop();
}

#[test]
fn the_lines_that_the_page_shows_are_those_of_the_program() {
    let refusal = "[[on]]\nverb = 'RCPT'\nreply = '550 5.7.1 denied'\n";
    let server = EmbeddedServer::sink_with(refusal);
    let page = monitoring_page(&server);
    let run = page.changed_command("mailrun test --nagios", |text| filled_in(&text, &server)).run().exits(2);
    let shown = between("docs/monitoring.md", "SMTP CRITICAL - ", " | ");
    assert!(run.stdout.starts_with(&format!("SMTP CRITICAL - {shown} | time=")), "{shown}: {run}");
    server.stop();
}

#[test]
fn the_commands_for_ci_systems_run() {
    let server = EmbeddedServer::sink();
    let page = StoryPage::open("docs/ci.md");
    std::fs::create_dir(page.folder.path("sessions")).expect("a folder can be made");
    std::os::unix::fs::symlink(project_path("sessions/smoke"), page.folder.path("sessions/smoke")).expect("a link");
    page.set("MAILRUN_CA", server.ca());
    // One session stands for the suite, which has tests of its own.
    page.set("MAILRUN_FILTER", "postmaster");
    let here = |text: String| {
        let places =
            ["smtp://mail.example.com:587", "smtp://mail.example.com", "smtp://localhost:2525", "smtp://mail:25"];
        let text = places.iter().fold(text, |text, shown| text.replace(shown, &server.url("smtp")));
        text.replace("lmtp://127.0.0.1:24", &server.url("lmtp")).replace("--ca ca.pem", "")
    };
    for _ in 0..4 {
        page.changed_command("mailrun test", here).run().exits(0);
    }
    page.changed_command("SMTP_PASSWORD=", here).run().exits(0);
    page.changed_command("  test --server", |text| format!("mailrun {}", here(text))).run().exits(0);
    assert!(page.folder.read("junit.xml").contains("sessions/smoke/postmaster.toml"));
    page.shell(&here(between("docs/ci.md", "    - mailrun test", "\n").replacen("", "mailrun test", 1))).run().exits(0);
    page.shell(&here(between("docs/ci.md", "sh '''", "'''"))).run().exits(0);

    page.set("MAILRUN_FILTER", "");
    page.shell("mailrun new report sessions/report.toml").run().exits(0);
    page.run("mailrun check", 0);
    page.run("mailrun run --dry-run", 0);
    page.folder.write("client.toml", "step = [{ expect = 220 }, { quit = true }]\n");
    page.script("run-my-client", "exec mailrun run client.toml");
    std::fs::create_dir(page.folder.path("fixtures")).expect("a folder can be made");
    page.folder.write("fixtures/bug-17.txt", "S: 220 x\nC: QUIT\nS: 221 x\n");
    page.run("mailrun serve", 0);
    page.assert_complete(&["docker "]);
    server.stop();
}

#[test]
fn a_variable_that_no_session_has_is_an_error_with_the_nearest_name() {
    let server = EmbeddedServer::sink();
    let page = StoryPage::open("docs/ci.md");
    let smoke = project_path("sessions/smoke");
    let call = format!("mailrun test --server {} --var domian=x {}", server.url("smtp"), smoke.display());
    let run = page.shell(&call).run().exits(65);
    assert!(run.stderr.contains("domian") && run.stderr.contains("\"domain\""), "{run}");
    server.stop();
}
