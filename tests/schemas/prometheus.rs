//! Prometheus' own tool reads the metrics of `--prometheus`, and the alert rules in docs/monitoring.md.

use super::{installed, output, project_text, streams};
use crate::support::Folder;
use std::process::Command;

#[test]
#[ignore = "needs promtool: make test-schemas"]
fn promtool_reads_metrics_whatever_sessions_and_steps_are_called() {
    let folder = Folder::new();
    let greet = "[[step]]\nexpect = 220\n[[step]]\nehlo = 'client.example'\n";
    folder.write("passed.toml", format!("{greet}[[step]]\nstarttls = true\n[[step]]\nquit = true\n"));
    folder.write(
        "failed \u{7}\"{},.toml",
        format!("{greet}[[step]]\nname = \"a \\\"b\\\" \\\\ \\n é\"\nsend = 'NOOP'\nexpect = 550\n"),
    );
    folder.write("skipped.toml", format!("requires = ['NOSUCH']\n{greet}[[step]]\nquit = true\n"));
    folder.write("broken.toml", "[[step]]\nsned = 'x'\n");
    let run =
        folder.mailrun(["test", "--dry-run", "--server", "smtp://mail.example.com", "--prometheus", "m.prom", "."]);
    run.run().exits(65);
    let check = |text: &str| {
        folder.write("checked.prom", text);
        let metrics = std::fs::File::open(folder.path("checked.prom")).expect("it was written");
        output(Command::new(installed("promtool")).args(["check", "metrics"]).stdin(metrics))
    };
    let text = folder.read("m.prom");
    assert!(text.matches("mailrun_session_success{").count() == 4 && text.contains("not_after_timestamp"), "{text}");
    let found = check(&text);
    assert_eq!((found.status.code(), streams(&found).as_str()), (Some(0), ""), "{text}");
    assert!(!check(&text.replace("} 1", " 1")).status.success(), "promtool finds a mistake");
}

#[test]
#[ignore = "needs promtool: make test-schemas"]
fn promtool_accepts_the_documented_alert_rules() {
    let page = project_text("docs/monitoring.md");
    let (_, rules) = page.split_once("Alert rules:\n\n```yaml\n").expect("the page has rules");
    let rules = rules.split("```").next().expect("the block has an end");
    let folder = Folder::new().with("rules.yml", rules);
    let check = || output(Command::new(installed("promtool")).args(["check", "rules"]).arg(folder.path("rules.yml")));
    let found = check();
    assert!(found.status.success() && streams(&found).contains("3 rules found"), "{}", streams(&found));
    folder.write("rules.yml", rules.replace("== 0", "== "));
    assert!(!check().status.success(), "promtool finds a mistake");
}
