//! Which files may be read, and which may not.

use super::{
    InterruptCheck, SystemSources, command, limited::SMALL_FILE_LIMIT, read_argument_file, read_small_file,
    root::RootError, root::RootFolder,
};
use crate::session::{ContentPath, SourceError, Sources};
use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `session/` holds the session file, `shared/` is a --file-root, `other/` is neither.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        for name in ["session/sub", "shared/deep", "other"] {
            fs::create_dir_all(world.path(name)).unwrap();
        }
        for name in ["session/a.txt", "session/sub/b.txt", "shared/c.txt", "shared/deep/d.txt", "other/secret.txt"] {
            fs::write(world.path(name), name).unwrap();
        }
        let links = [
            ("session/inward", "sub/b.txt".into()),
            ("session/inward_absolute", world.path("session/a.txt")),
            ("session/inward_folder", "sub".into()),
            ("session/outward", "../other/secret.txt".into()),
            ("session/outward_absolute", world.path("other/secret.txt")),
            ("session/outward_folder", world.path("other")),
            ("session/to_shared", world.path("shared/c.txt")),
            ("session/dangling", world.path("other/nothing")),
            ("session/circle", "circle".into()),
            ("session/magic", "/proc/self/cmdline".into()),
        ];
        for (name, target) in links {
            symlink(target, world.path(name)).unwrap();
        }
        mknodat(CWD, world.path("session/fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        std::os::unix::net::UnixListener::bind(world.path("session/socket")).unwrap();
        symlink(world.path("session"), world.path("session_link")).unwrap();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn files(&self) -> SystemSources {
        SystemSources::new(&self.path("session_link"), &[self.path("shared")], false).unwrap()
    }

    fn read(&self, path: &Path) -> Result<String, SourceError> {
        let mut text = String::new();
        self.files().open(path)?.reader.read_to_string(&mut text).unwrap();
        Ok(text)
    }
}

#[test]
fn content_is_read_beneath_the_roots() {
    let world = World::new();
    let table: [(PathBuf, &str, &str); 13] = [
        ("a.txt".into(), "session/a.txt", "beside the session file"),
        ("./sub/b.txt".into(), "session/sub/b.txt", "in a folder below"),
        ("sub/../a.txt".into(), "session/a.txt", "a way that stays inside"),
        (world.path("session/a.txt"), "session/a.txt", "an absolute path beneath"),
        (world.path("session_link/a.txt"), "session/a.txt", "an absolute path by the folder's other name"),
        ("inward".into(), "session/sub/b.txt", "a link that stays inside"),
        ("inward_absolute".into(), "session/a.txt", "an absolute link that stays inside"),
        ("inward_folder/b.txt".into(), "session/sub/b.txt", "a link to a folder inside"),
        ("c.txt".into(), "shared/c.txt", "in a --file-root"),
        ("../shared/c.txt".into(), "shared/c.txt", "up and down into a --file-root"),
        ("to_shared".into(), "shared/c.txt", "a link into a --file-root"),
        (world.path("shared/deep/d.txt"), "shared/deep/d.txt", "an absolute path in a --file-root"),
        (world.path("shared/deep/../c.txt"), "shared/c.txt", "with a detour"),
    ];
    for (path, expected, why) in table {
        assert_eq!(world.read(&path).as_deref(), Ok(expected), "{why}");
    }
}

#[test]
fn nothing_is_read_outside_the_roots() {
    let world = World::new();
    let table: [(PathBuf, &str); 13] = [
        ("../other/secret.txt".into(), "up and out"),
        ("sub/../../other/secret.txt".into(), "out by a detour"),
        (world.path("other/secret.txt"), "an absolute path"),
        ("/etc/passwd".into(), "a file of the system"),
        ("/etc/no-such-file".into(), "a missing file outside looks like an existing one"),
        ("../other/missing".into(), "nor here"),
        ("outward".into(), "a link out"),
        ("outward_absolute".into(), "an absolute link out"),
        ("outward_folder/secret.txt".into(), "a link to a folder outside"),
        ("dangling".into(), "a link out to nothing"),
        ("magic".into(), "a link into /proc"),
        (world.path("session/../other/secret.txt"), "an absolute path that leads out"),
        ("..".into(), "the folder above"),
    ];
    for (path, why) in table {
        match world.read(&path) {
            Err(SourceError::Refused(text)) => {
                assert!(text.contains("--file-root"), "{why}: {text}");
                assert!(!text.contains("other/secret.txt") || path.ends_with("other/secret.txt"), "{why}: {text}");
            }
            other => panic!("{why}: {other:?}"),
        }
    }
}

/// Opens `folder/{{ f }}` for the value `f`.
fn read_confined(files: &SystemSources, folder: &str, value: &str) -> Result<String, SourceError> {
    let path = ContentPath::confined(Path::new(""), &format!("{folder}{{{{ f }}}}"), &format!("{folder}{value}"));
    let mut text = String::new();
    files.open_content(&path.map_err(SourceError::Refused)?)?.reader.read_to_string(&mut text).unwrap();
    Ok(text)
}

#[test]
fn paths_with_data_stay_below_their_folder() {
    let world = World::new();
    let links = [
        ("session/sub/same", "b.txt".into()),
        ("session/sub/up", "../a.txt".into()),
        ("session/sub/up_folder", "..".into()),
        ("session/sub/absolute", world.path("session/sub/b.txt")),
        ("session/sub/out", world.path("other/secret.txt")),
        ("session/sub/chain", "up".into()),
        ("session/sub/magic", "/proc/self/root/etc/passwd".into()),
    ];
    for (name, target) in links {
        symlink(target, world.path(name)).unwrap();
    }
    let root = format!("{}/", world.path("session/sub").display());
    let shared = format!("{}/", world.path("shared").display());
    let table = [
        ("sub/", "b.txt", Ok("session/sub/b.txt"), "the usual"),
        ("sub/", "same", Ok("session/sub/b.txt"), "a link that stays below"),
        ("inward_folder/", "b.txt", Ok("session/sub/b.txt"), "the folder may be a link: it is literal"),
        ("", "sub/b.txt", Ok("session/sub/b.txt"), "no folder: that of the session file"),
        ("", "c.txt", Ok("shared/c.txt"), "or a --file-root"),
        ("../shared/", "c.txt", Ok("shared/c.txt"), "a literal way into a --file-root"),
        (&root, "b.txt", Ok("session/sub/b.txt"), "an absolute folder"),
        (&shared, "deep/d.txt", Ok("shared/deep/d.txt"), "an absolute folder in a --file-root"),
        ("sub/", "../a.txt", Err("must stay below"), "up"),
        ("sub/", "x/../../a.txt", Err("must stay below"), "up by a detour"),
        ("sub/", "up", Err("must stay below"), "a link up"),
        ("sub/", "chain", Err("must stay below"), "a link to a link up"),
        ("sub/", "up_folder/a.txt", Err("must stay below"), "a link to the folder above"),
        ("sub/", "absolute", Err("must stay below"), "absolute links are not followed"),
        ("sub/", "out", Err("must stay below"), "a link out of the roots"),
        ("sub/", "/etc/passwd", Err("must stay below"), "absolute"),
        ("", "to_shared", Err("must stay below"), "a link into a --file-root is literal in no part"),
        ("../other/", "secret.txt", Err("--file-root"), "a folder outside the roots"),
        ("sub/", "", Err("a folder"), "no name"),
        ("", "-", Err("no such file"), "data does not name standard input"),
    ];
    for (folder, value, expected, why) in table {
        match (read_confined(&world.files(), folder, value), expected) {
            (Ok(text), Ok(expected)) => assert_eq!(text, expected, "{why}"),
            (Err(SourceError::Refused(error) | SourceError::Unreadable(error)), Err(words)) => {
                assert!(error.contains(words), "{why}: {error}");
            }
            (got, _) => panic!("{why}: {got:?}"),
        }
    }
    assert!(read_confined(&world.files(), "sub/", "magic").is_err());
}

proptest! {
    #[test]
    fn no_value_leaves_its_folder(
        value in "(\\.\\.|\\.|/|sub|in|up|out|abs|a\\.txt|b\\.txt){0,8}",
        targets in proptest::collection::vec("(\\.\\./|sub/|/|in/){0,3}(a\\.txt|b\\.txt|sub|up|\\.\\.)", 4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("pdf/sub")).unwrap();
        for name in ["a.txt", "b.txt"] {
            fs::write(at(name), "outside").unwrap();
            fs::write(at("pdf").join(name), "inside").unwrap();
            fs::write(at("pdf/sub").join(name), "inside").unwrap();
        }
        for (name, target) in ["in", "up", "out", "abs"].iter().zip(&targets) {
            let target = match *name { "abs" => at(target.trim_start_matches('/')), _ => PathBuf::from(target) };
            symlink(target, at("pdf").join(name)).unwrap();
        }
        let files = SystemSources::new(folder.path(), &[], false).unwrap();
        if let Ok(text) = read_confined(&files, "pdf/", &value) {
            prop_assert_eq!(text, "inside");
        }
    }
}

#[test]
fn files_with_secrets_are_never_sent() {
    let world = World::new();
    let files = world.files();
    let content = |path: &str| files.open_content(&ContentPath::literal(path)).map(drop);
    fs::hard_link(world.path("session/a.txt"), world.path("session/hard")).unwrap();
    symlink("a.txt", world.path("session/soft")).unwrap();
    assert_eq!(content("a.txt"), Ok(()), "nothing has read it yet");
    files.open_secret(&ContentPath::literal("a.txt")).unwrap();
    files.open_secret(&ContentPath::literal("c.txt")).unwrap();
    files.read_tls(Path::new("sub/b.txt")).unwrap();
    let copies = ["a.txt", "./sub/../a.txt", "hard", "soft", "c.txt", "../shared/c.txt", "to_shared", "inward"];
    for path in copies {
        assert!(matches!(content(path), Err(SourceError::Refused(text)) if text.contains("never sent")), "{path}");
    }
    assert!(matches!(read_confined(&files, "", "hard"), Err(SourceError::Refused(_))), "a path with data");
    fs::remove_file(world.path("session/a.txt")).unwrap();
    fs::write(world.path("session/a.txt"), "a new password").unwrap();
    assert!(content("a.txt").is_err(), "replaced while the session runs");
    assert_eq!(content("../shared/deep/d.txt"), Ok(()), "any other file");
    assert!(files.open_secret(&ContentPath::literal("a.txt")).is_ok(), "secrets are read again");
}

#[test]
fn only_regular_files_are_read() {
    let world = World::new();
    let table = [
        ("fifo", "a FIFO", "nothing waits for a FIFO's other end"),
        ("socket", "socket", "a socket"),
        ("sub", "a folder", "a folder"),
        ("missing", "no such file", "a missing file"),
        ("a.txt/x", "not a directory", "a file as a folder"),
        ("circle", "symbolic link", "a link to itself"),
        ("../shared/missing", "no such file", "missing in a --file-root"),
        ("", "a folder", "no name"),
        ("a\0b", "cannot read", "a name that no file can have"),
    ];
    for (path, words, why) in table {
        match world.read(Path::new(path)) {
            Err(SourceError::Unreadable(text)) => assert!(text.contains(words), "{why}: {text}"),
            other => panic!("{why}: {other:?}"),
        }
    }
}

#[test]
fn without_openat2_links_are_not_followed() {
    let world = World::new();
    let root = RootFolder::open(&world.path("session")).unwrap();
    for (path, why) in [("inward", "a file"), ("inward_folder/b.txt", "a folder"), ("../a", "up"), ("/etc", "absolute")]
    {
        assert!(matches!(root.open_by_walking(Path::new(path)), Err(RootError::Outside)), "{why}");
    }
    let mut text = String::new();
    root.open_by_walking(Path::new("./sub/b.txt")).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "session/sub/b.txt");
    assert!(matches!(root.open_by_walking(Path::new("missing")), Err(RootError::Io(_))));
}

#[test]
fn small_files_are_small() {
    let world = World::new();
    fs::write(world.path("session/full"), vec![b'x'; SMALL_FILE_LIMIT as usize]).unwrap();
    fs::write(world.path("session/over"), vec![b'x'; SMALL_FILE_LIMIT as usize + 1]).unwrap();
    let files = world.files();
    assert_eq!(read_small_file(&files, Path::new("full")).unwrap().len(), SMALL_FILE_LIMIT as usize);
    let over = read_small_file(&files, Path::new("over"));
    assert!(matches!(&over, Err(SourceError::Refused(text)) if text.contains("1 MiB")), "{over:?}");
    assert!(files.read_tls(Path::new("over")).is_err());
    assert_eq!(files.read_tls(&world.path("other/secret.txt")), Ok(b"other/secret.txt".to_vec()), "may be anywhere");
    assert_eq!(files.read_tls(Path::new("../other/secret.txt")), Ok(b"other/secret.txt".to_vec()), "relative");
    assert!(matches!(files.read_tls(Path::new("fifo")), Err(SourceError::Unreadable(_))));
}

#[test]
fn what_the_command_line_names_has_an_end() {
    let world = World::new();
    assert_eq!(read_argument_file(&world.path("session/a.txt")), Ok(b"session/a.txt".to_vec()));
    let endless = read_argument_file(Path::new("/dev/zero"));
    assert!(
        matches!(&endless, Err(SourceError::Refused(text)) if text.contains("larger than the limit of 64 MiB")),
        "{endless:?}"
    );
    assert!(matches!(read_argument_file(&world.path("missing")), Err(SourceError::Unreadable(_))));
}

fn run(world: &World, argv: &[&str], timeout: Duration) -> Result<String, String> {
    let argv: Vec<String> = argv.iter().map(|&argument| argument.to_owned()).collect();
    run_until(world, &argv, timeout, &(std::sync::Arc::new(|| false) as InterruptCheck))
}

fn run_until(
    world: &World,
    argv: &[String],
    timeout: Duration,
    interrupted: &InterruptCheck,
) -> Result<String, String> {
    let output = command::run_command(argv, &world.path("session").canonicalize().unwrap(), timeout, interrupted);
    output.map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn commands_run_when_allowed() {
    let world = World::new();
    let refused = world.files().command(&["true".to_owned()]);
    assert!(matches!(refused, Err(SourceError::Refused(text)) if text.contains("--allow-commands")));

    let script = world.path("session/sub/tool");
    fs::write(&script, "#!/bin/sh\ncat sub/b.txt\n").unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let minute = Duration::from_secs(60);
    let noisy = "head -c 3000000 /dev/zero >&2; echo done";
    let table: [(&[&str], Result<&str, &str>, &str); 9] = [
        (&["printf", "%s|", "a b", "$HOME"], Ok("a b|$HOME|"), "no shell in between"),
        (&["sub/tool"], Ok("session/sub/b.txt"), "a path and the working folder are the session file's"),
        (&["cat"], Ok(""), "nothing to read"),
        (&["sh", "-c", noisy], Ok("done\n"), "standard error does not block"),
        (&["sh", "-c", "echo first >&2; echo 'no \u{1b}[2Jkey' >&2; exit 3"], Err(r"status 3: no \x1b[2Jkey"), "why"),
        (&["sh", "-c", "kill -9 $$"], Err("signal 9"), "a signal"),
        (&["no-such-command-here"], Err("cannot be run: no such file"), "a missing command"),
        (&["head", "-c", "1048577", "/dev/zero"], Err("more than 1 MiB"), "too much"),
        (&[], Err("must have a name"), "nothing"),
    ];
    for (argv, expected, why) in table {
        match (run(&world, argv, minute), expected) {
            (Ok(output), Ok(expected)) => assert_eq!(output, expected, "{why}"),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{why}: {error}"),
            (got, _) => panic!("{why}: {got:?}"),
        }
    }
}

#[test]
fn a_command_that_does_not_end_is_ended() {
    let world = World::new();
    let late = Duration::from_millis(50);
    for argv in [&["sleep", "1000"][..], &["sh", "-c", "exec >&-; exec sleep 1000"], &["yes"]] {
        let error = run(&world, argv, late).expect_err("it does not end by itself");
        assert!(error.contains("took more than") || error.contains("1 MiB"), "{error}");
    }
}

#[test]
fn a_signal_ends_a_command_at_once() {
    let world = World::new();
    let interrupted: InterruptCheck = std::sync::Arc::new(|| true);
    for argv in [&["sleep", "1000"][..], &["sh", "-c", "exec >&-; exec sleep 1000"]] {
        let argv: Vec<String> = argv.iter().map(|&argument| argument.to_owned()).collect();
        // It would take the whole time, and complain of that.
        let error = run_until(&world, &argv, Duration::from_secs(600), &interrupted).expect_err("it is interrupted");
        assert!(error.contains("was interrupted"), "{error}");
    }
}
