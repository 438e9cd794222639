//! `mailrun import`: what it prints runs against the server of the log.

mod support;

use mailrun::serve::Config;
use support::{EmbeddedServer, Folder, Mailrun, PROGRAM, project_path};

/// Transcripts that are also scripts of a server.
fn transcripts() -> Vec<String> {
    let folder = project_path("fixtures/documents");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder can be read")
        .map(|entry| format!("fixtures/documents/{}", entry.expect("it can be listed").file_name().to_string_lossy()))
        .collect();
    files.push("fixtures/import/transcript.txt".to_owned());
    files.sort();
    files
}

/// The environment variables of the secrets of a session, with their values: those of the log, or any value that is hidden there.
fn variables(session: &str, log: &str) -> Vec<(String, String)> {
    let secrets = session.lines().filter_map(|line| line.split_once("{ env = \""));
    let values = secrets.filter_map(|(_, rest)| {
        let (name, comment) = rest.split_once('"')?;
        let shown =
            comment.split_once("its value is in line ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        let line = shown.and_then(|number: usize| log.lines().nth(number - 1)?.split_once("C: "));
        let value = line.and_then(|(_, said)| said.rsplit(' ').next()).unwrap_or("c2VjcmV0");
        Some((name.to_owned(), value.to_owned()))
    });
    values.collect()
}

#[test]
fn each_transcript_becomes_a_session_that_passes_against_its_server() {
    for file in transcripts() {
        let log = std::fs::read_to_string(project_path(&file)).expect("the transcript can be read");
        let imported = Mailrun::new(["import"]).args([project_path(&file)]).run();
        assert_eq!(imported.status, 0, "{file}: {}", imported.stderr);
        let folder = Folder::new();
        folder.write("imported.toml", &imported.stdout);
        let server = EmbeddedServer::start(Config::script(&log).expect("the fixture is a script"));
        let mut run = Mailrun::new(["run", "--insecure", "--server", &server.url("smtp")]);
        for (name, value) in variables(&imported.stdout, &log) {
            run = run.env(&name, value);
        }
        let ran = run.args([folder.argument("imported.toml")]).run();
        assert_eq!(ran.status, 0, "{file}: {}\n{}\n{}", ran.stderr, ran.stdout, imported.stdout);
        assert_eq!(server.stop(), Vec::<String>::new(), "{file}");
    }
}

#[test]
fn each_log_is_a_server_that_its_session_passes_against() {
    let logs = std::fs::read_dir(project_path("fixtures/import")).expect("the folder can be read");
    for log in logs.map(|entry| entry.expect("it can be listed").path()) {
        let file = log.display().to_string();
        let session = Mailrun::new(["import", &file]).run().exits(0).stdout;
        let folder = Folder::new().with("imported.toml", &session);
        let mut serve = folder.mailrun(["serve", &file, "--", PROGRAM, "run", "--insecure", "imported.toml"]);
        for (name, value) in variables(&session, "") {
            serve = serve.env(&name, value);
        }
        let ran = serve.run();
        assert_eq!(ran.status, 0, "{file}: {ran}\n{session}");
    }
}

#[test]
fn what_cannot_be_imported_has_its_status() {
    let folder = Folder::new();
    folder.write("letter.txt", "Dear all,\n\nnothing here.\n");
    folder.write("broken.txt", "*: connected\nS: 220 x\nC: NOOP \\q\n");
    let import = |arguments: &[&str]| Mailrun::new(["import"]).args(arguments.iter().copied()).run();
    let letter = folder.argument("letter.txt");
    let unknown = import(&[&letter]);
    assert_eq!(unknown.status, 65, "{}", unknown.stderr);
    assert!(unknown.stderr.contains("help: --as names the format: transcript, swaks"), "{}", unknown.stderr);
    let broken = import(&[&folder.argument("broken.txt")]);
    assert_eq!(broken.status, 65, "{}", broken.stderr);
    assert!(broken.stderr.contains("broken.txt:3:9: "), "{}", broken.stderr);
    assert_eq!(import(&[&folder.argument("none.txt")]).status, 66);
    let format = import(&["--as", "nonsense", &letter]);
    assert_eq!(format.status, 64, "{}", format.stderr);
    assert!(format.stderr.contains("exim-test") && format.stderr.contains("nodemailer"), "{}", format.stderr);
}
