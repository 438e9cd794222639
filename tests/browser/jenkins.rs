//! The report as Jenkins serves it: its content security policy forbids the page's style and script.

use super::{CUT, FAINT, picture, report};
use crate::support::Folder;
use crate::webdriver::Browser;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpListener;

/// The policy of Jenkins for files of a job, unless an administrator changes it.
const POLICY: &str = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';";

/// Serves this page with the policy. Returns its URL.
fn serve(page: String) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port is free");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let (mut request, mut byte) = (Vec::new(), [0]);
            while !request.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|count| count == 1) {
                request.push(byte[0]);
            }
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Security-Policy: {POLICY}\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n",
                page.len()
            );
            let _ = client.write_all(head.as_bytes()).and_then(|()| client.write_all(page.as_bytes()));
        }
    });
    format!("http://127.0.0.1:{port}/report.html")
}

#[test]
#[ignore = "needs Chromium: make test-browser"]
fn the_report_is_readable_without_its_style_and_script() {
    let folder = Folder::new();
    let page = std::fs::read_to_string(report(&folder)).expect("the report was written");
    let browser = Browser::start();
    browser.look(1280, 900, "light");
    browser.open(&serve(page));
    assert_eq!(browser.run("return getComputedStyle(document.body).maxWidth"), "none", "the style is not applied");
    assert_eq!(browser.run("return document.querySelector('fieldset').hidden"), true, "the script did not run");

    // What needs the script is not shown.
    let shown =
        "return [...document.querySelectorAll('fieldset, .keys, #none')].filter((one) => one.offsetHeight > 0).length";
    assert_eq!(browser.run(shown), 0);
    // Each session says its state in words, and what failed is open.
    let words = "return [...document.querySelectorAll('summary')].map((one) => one.textContent.trim().split(' ')[0])";
    let states = ["passed", "error", "failed", "error", "xfailed", "passed", "failed", "skipped"];
    assert_eq!(browser.run(words), json!(states));
    let open = "return [...document.querySelectorAll('details')].map((one) => one.open)";
    let bad: Vec<_> = states.iter().map(|state| ["failed", "error"].contains(state)).collect();
    assert_eq!(browser.run(open), json!(bad));
    // Each table has a name and columns with names, and each failed line stands out.
    let tables = "return [...document.querySelectorAll('table')].every((one) =>
        one.caption.textContent === 'Steps' && [...one.tHead.rows[0].cells].every((cell) => cell.textContent.trim()))";
    assert_eq!(browser.run(tables), true);
    let verdicts = "return [...document.querySelectorAll('tr.bad .verdict')].every((one) => /^(failed|error)/.test(one.textContent))";
    assert_eq!(browser.run(verdicts), true);
    let marks = "const all = [...document.querySelectorAll('pre .f')];
        return all.length > 3 && all.every((one) => getComputedStyle(one).backgroundColor !== 'rgba(0, 0, 0, 0)')";
    assert_eq!(browser.run(marks), true, "a failed line has a background of its own");
    // The timelines are small and have their colours.
    let charts = "const all = [...document.querySelectorAll('.chart svg')].filter((one) => one.getBoundingClientRect().width > 0);
        return all.length > 3 && all.every((one) => one.getBoundingClientRect().width <= 300 && one.getBoundingClientRect().height <= 20)";
    assert_eq!(browser.run(charts), true);
    let black = "return [...document.querySelectorAll('rect')].filter((one) => getComputedStyle(one).fill === 'rgb(0, 0, 0)').length";
    assert_eq!(browser.run(black), 0);
    assert_eq!(browser.run(FAINT), json!([]), "the contrast is high enough");
    // Only a transcript may be wider than the window, which then scrolls.
    let wide: Vec<String> = serde_json::from_value(browser.run(CUT)).expect("a list of texts");
    let other = wide
        .iter()
        .find(|part| !["the page is", "<span class=\"", "<mark class=\"f"].iter().any(|known| part.starts_with(known)));
    assert_eq!(other, None, "{wide:?}");
    assert!(picture(&browser, "report-jenkins.png") > 10_000, "something is seen");

    // A session that passed opens without the script.
    browser.click("details:not([open]) summary");
    assert_eq!(browser.run("return document.querySelector('details').open"), true);
}
