//! The pipeline for Jenkins in docs/ci.md. Groovy has no schema: its commands are run.

use super::mail_job::MailJob;
use super::{block, streams};

/// The commands are the quoted strings after `sh`. A fake replaces docker and only checks its arguments.
#[test]
#[ignore = "needs check-jsonschema: make test-schemas"]
fn the_commands_for_jenkins_work() {
    let text = block("Jenkins", "groovy");
    assert_eq!(text.matches('{').count(), text.matches('}').count(), "{text}");
    let commands = text.split("sh '").skip(1).map(|rest| match rest.strip_prefix("''") {
        // In Groovy a backslash at the end of a line joins it to the next one.
        Some(long) => long.split("'''").next().unwrap_or_default().replace("\\\n", ""),
        None => rest.split('\'').next().unwrap_or_default().to_owned(),
    });
    let kept: Vec<&str> = ["junit '", "archiveArtifacts '"]
        .iter()
        .filter_map(|word| text.split_once(word)?.1.split('\'').next())
        .collect();
    assert_eq!(kept.len(), 2, "{text}");
    let job = MailJob::new();
    job.program("docker", "case \"$*\" in 'run -d --name mail -p 2525:25 '*|'rm -f mail') ;; *) exit 64 ;; esac");
    job.mailrun("mailrun");
    let mut ran = 0;
    for command in commands {
        let ended = job.run(&job.at_server(&command, "localhost:2525"), &[]);
        if command.contains("mailrun test") {
            ran += 1;
            MailJob::assert_suite_ran(&ended);
        } else {
            assert!(ended.status.success(), "{command}\n{}", streams(&ended));
        }
    }
    assert_eq!(ran, 1, "the suite is run: {text}");
    job.assert_kept(&kept);
}
