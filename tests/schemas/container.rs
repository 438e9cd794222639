//! `.ci/Dockerfile`. `make test-image` builds the image, which takes long. These tests find mistakes that a linter knows,
//! libraries that the image lacks, and commands of docs/ci.md that do not fit the image.

use super::mail_job::MailJob;
use super::{block, installed, output, project_text, streams};
use crate::support::{PROGRAM, project_path, tool};
use std::process::Command;

/// The last stage of the Dockerfile: what the image is.
fn image() -> String {
    let text = project_text(".ci/Dockerfile");
    text.rsplit("\nFROM ").next().expect("the file has a stage").to_owned()
}

#[test]
#[ignore = "needs hadolint: make test-schemas"]
fn hadolint_accepts_the_dockerfile() {
    let hadolint = || Command::new(installed("venv/bin/hadolint"));
    let found = output(hadolint().arg("--no-fail").arg(project_path(".ci/Dockerfile")));
    assert_eq!(streams(&found), "", "hadolint finds nothing");
    let folder = crate::support::Folder::new().with("Dockerfile", project_text(".ci/Dockerfile").replace("--yes ", ""));
    assert!(!output(hadolint().arg(folder.path("Dockerfile"))).status.success(), "hadolint finds a mistake");
}

/// Each library that mailrun loads is in a package that the image has, or in Debian's base.
#[test]
#[ignore = "needs ldd: make test-schemas"]
fn the_image_has_every_library_that_mailrun_loads() {
    let base = ["linux-vdso", "libc", "libm", "libgcc_s", "libdl", "libpthread", "librt"];
    let listed = output(tool("ldd").arg(PROGRAM));
    let listed = streams(&listed);
    let mut packages = 0;
    for line in listed.lines() {
        let path = line.split_whitespace().next().unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default().split(['.']).next().unwrap_or_default();
        let package = match name {
            "libssl" | "libcrypto" => "libssl3",
            name if base.contains(&name) || name.starts_with("ld-linux") => continue,
            other => panic!("no package of the image has {other}:\n{listed}"),
        };
        packages += 1;
        assert!(image().contains(package), "{package} is missing in the image");
    }
    assert_eq!(packages, 2, "{listed}");
}

#[test]
#[ignore = "needs check-jsonschema: make test-schemas"]
fn the_image_runs_mailrun_without_root() {
    let image = image();
    let user = image.lines().find_map(|line| line.strip_prefix("USER ")).expect("a user is set");
    let number: u32 = user.split(':').next().and_then(|user| user.parse().ok()).expect("the user is a number");
    assert_ne!(number, 0);
    assert!(image.contains("ENTRYPOINT [\"mailrun\"]"), "{image}");
    let ignored = project_text(".ci/Dockerfile.dockerignore");
    assert!(ignored.lines().any(|line| line == "target"), "the build folder stays outside");
}

/// The commands of docs/ci.md, with a docker that runs mailrun itself as the image's entry point does.
#[test]
#[ignore = "needs check-jsonschema: make test-schemas"]
fn the_documented_commands_for_docker_work() {
    let job = MailJob::new();
    job.mailrun("mailrun");
    job.program(
        "docker",
        "case $1 in\n\
         build) [ \"$*\" = 'build --file .ci/Dockerfile --tag mailrun .' ] ;;\n\
         run) while [ \"$1\" != mailrun ]; do shift; done; exec \"$@\" ;;\n\
         *) exit 64 ;;\nesac",
    );
    let mut ran = 0;
    for command in block("Docker", "sh").replace("\\\n", "").lines() {
        let ended = job.run(&job.at_server(command, "localhost:2525"), &[]);
        if command.contains(" test ") {
            ran += 1;
            MailJob::assert_suite_ran(&ended);
            job.assert_kept(&["junit.xml"]);
        } else {
            assert!(ended.status.success(), "{command}\n{}", streams(&ended));
        }
    }
    assert_eq!(ran, 1);
}
