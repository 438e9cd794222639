//! The HTML report in a browser: narrow and wide, light and dark, with a mouse, with the keyboard, printed, and without its style.
//!
//! These tests need Chromium, its driver and pdftotext, so a plain `cargo test` ignores them; `make test-browser` installs
//! these programs and runs the tests. Screenshots are in `target/browser`, or in the folder `MAILRUN_SCREENSHOTS`.

#[path = "../support/mod.rs"]
mod support;

mod jenkins;
mod webdriver;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use support::{Folder, Mailrun, project_path, tool};
use webdriver::Browser;

/// A report of sessions in every state.
fn report(folder: &Folder) -> PathBuf {
    let sink = folder.argument("box");
    let run = Mailrun::new(["test", "--dry-run", "--server", "smtp://mail.example.com", "--sink", &sink]);
    let run = run.args(["--html", &folder.argument("report.html"), "browser/sessions", "reports"]);
    run.in_folder(&project_path("tests")).run().exits(65);
    folder.path("report.html")
}

fn screenshots() -> PathBuf {
    let folder = std::env::var_os("MAILRUN_SCREENSHOTS").map_or_else(|| project_path("target/browser"), PathBuf::from);
    std::fs::create_dir_all(&folder).expect("the folder for screenshots can be made");
    folder
}

/// Saves a screenshot of the whole page; returns its size in bytes.
fn picture(browser: &Browser, name: &str) -> usize {
    let parameters = json!({ "format": "png", "captureBeyondViewport": true });
    let taken = browser.devtools("Page.captureScreenshot", &parameters);
    let png = STANDARD.decode(taken["data"].as_str().expect("a picture is base64")).expect("a picture is base64");
    std::fs::write(screenshots().join(name), &png).expect("a screenshot can be written");
    png.len()
}

/// The states of the visible sessions.
fn seen(browser: &Browser) -> Value {
    browser.run(
        "return [...document.querySelectorAll('details.session')].filter((one) => one.offsetHeight > 0)
         .map((one) => one.dataset.state)",
    )
}

/// Elements that are wider than the window or than their parent, and so cannot be read.
const CUT: &str = "
  const cut = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) cut.push('the page is ' + document.documentElement.scrollWidth);
  for (const one of document.querySelectorAll('body *')) {
    const box = one.getBoundingClientRect();
    if (box.width === 0 || box.height === 0 || one.closest('svg')) continue;
    if (box.right > width + 1 || box.left < -1) cut.push(one.outerHTML.slice(0, 80));
    if (one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0 && getComputedStyle(one).overflowX !== 'visible')
      cut.push('inside ' + one.outerHTML.slice(0, 80));
  }
  return cut";

/// Text whose contrast with its background is below 4.5 to 1 (WCAG 2.2 §1.4.3), by the colours of the page.
const FAINT: &str = "
  const parts = (colour) => {
    const found = colour.match(/[\\d.]+/g).map(Number);
    return found.length < 4 ? [...found, 1] : found;
  };
  const light = (colour) => {
    const [r, g, b] = parts(colour).slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (one) => {
    for (; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (parts(colour)[3] > 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const faint = [];
  for (const one of document.querySelectorAll('body *')) {
    const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || one.offsetHeight === 0 || one.closest('svg')) continue;
    const [front, back] = [light(getComputedStyle(one).color), light(ground(one))];
    const contrast = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    if (contrast < 4.5) faint.push(contrast.toFixed(2) + ' ' + one.outerHTML.slice(0, 80));
  }
  return faint";

#[test]
#[ignore = "needs Chromium: make test-browser"]
fn the_report_is_usable_in_a_browser() {
    let folder = Folder::new();
    let page = report(&folder);
    let browser = Browser::start();
    browser.look(1280, 900, "light");
    browser.open(&format!("file://{}", page.display()));

    let title = browser.run("return document.title");
    assert_eq!(title, "mailrun: 4 of 8 sessions failed");
    let all = ["passed", "error", "failed", "error", "xfailed", "passed", "failed", "skipped"];
    assert_eq!(seen(&browser), json!(all));

    // The filter, clicked.
    browser.click("input[value=failed]");
    assert_eq!(seen(&browser), json!(["failed", "failed"]), "the filter hides the others");
    // The failed line is marked, and `f` scrolls to it.
    let marked = browser.run("return [...document.querySelectorAll('pre .f')].map((line) => line.textContent.trim())");
    let marked = marked.as_array().expect("a list").clone();
    assert!(marked.contains(&json!("*: expected 250, got 503 (reports/relay.toml:8)")), "{marked:?}");
    let focused = "const one = document.activeElement; const box = one.getBoundingClientRect();
        return [one.textContent.trim(), box.top >= 0 && box.bottom <= innerHeight]";
    let expected_251 = json!(["*: expected 251, got 250 (browser/sessions/wide.toml:20)", true]);
    browser.press("ff");
    assert_eq!(browser.run(focused), expected_251, "`f` goes to the next failed line and shows it");
    browser.press("fff");
    let first = browser.run(focused)[0].as_str().unwrap_or_default().to_owned();
    assert!(first.ends_with("(browser/sessions/wide.toml:14)"), "and from the last of four to the first: {first}");

    // The filter with the keyboard: an arrow to the next state, Tab to a session, Enter toggles it.
    browser.run("document.activeElement.blur(); scrollTo(0, 0); document.querySelector('input:checked').focus()");
    browser.press("\u{e014}");
    let state = browser.run("return document.querySelector('input:checked').value");
    assert_eq!(state, "error", "an arrow takes the next state");
    assert_eq!(seen(&browser), json!(["error", "error"]));
    browser.press("\u{e004}");
    let on_summary = browser.run("return document.activeElement.tagName");
    assert_eq!(on_summary, "SUMMARY", "Tab goes on to the first session that is shown");
    let open = "return document.activeElement.parentElement.open";
    assert_eq!(browser.run(open), true, "what failed is open");
    browser.press("\u{e007}");
    assert_eq!(browser.run(open), false, "Enter closes it");
    let outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle");
    assert_ne!(outline, "none", "who uses the keyboard sees where they are");
    browser.click("input[value=all]");
    browser.press("o");
    let closed = browser.run("return document.querySelectorAll('details:not([open])').length");
    assert_eq!(closed, 0, "`o` opens them all");

    for (width, scheme) in [(1280, "light"), (1280, "dark"), (400, "light"), (400, "dark")] {
        browser.look(width, 900, scheme);
        browser.run("scrollTo(0, 0)");
        let what = format!("{width} wide, {scheme}");
        assert_eq!(browser.run(CUT), json!([]), "{what}: nothing is cut off");
        assert_eq!(browser.run(FAINT), json!([]), "{what}: the contrast is high enough");
        let dark = browser.run("return getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)";
        assert_eq!(dark, scheme == "dark", "{what}");
        let charts = "return [...document.querySelectorAll('.chart svg')].every((one) => one.getBoundingClientRect().width > 100)";
        assert_eq!(browser.run(charts), true, "{what}: the waterfall is wide enough to be read");
        assert!(picture(&browser, &format!("report-{width}-{scheme}.png")) > 10_000, "{what}: something is seen");
    }
    assert_no_requests(&browser, &page);
    let said = browser.log("browser");
    assert!(said.is_empty(), "the console has messages: {said:?}");
}

/// The page is self-contained: the browser requested nothing else.
fn assert_no_requests(browser: &Browser, page: &Path) {
    let mut asked = Vec::new();
    for entry in browser.log("performance") {
        let entry: Value = serde_json::from_str(entry.as_str().unwrap_or_default()).expect("the log is JSON");
        if entry["message"]["method"] == "Network.requestWillBeSent" {
            asked.push(entry["message"]["params"]["request"]["url"].as_str().unwrap_or_default().to_owned());
        }
    }
    assert_eq!(asked, [format!("file://{}", page.display())]);
}

#[test]
#[ignore = "needs Chromium: make test-browser"]
fn the_printed_report_is_complete() {
    let folder = Folder::new();
    let page = report(&folder);
    let browser = Browser::start();
    browser.open(&format!("file://{}", page.display()));
    // In a dark colour scheme.
    browser.look(1280, 900, "dark");
    let printed = browser
        .devtools("Page.printToPDF", &json!({ "printBackground": false, "paperWidth": 8.27, "paperHeight": 11.69 }));
    let pdf = STANDARD.decode(printed["data"].as_str().expect("a PDF is base64")).expect("a PDF is base64");
    let path = screenshots().join("report.pdf");
    std::fs::write(&path, pdf).expect("it can be written");
    let output = tool("pdftotext").args(["-layout"]).arg(&path).arg("-").output().expect("pdftotext starts");
    let text = String::from_utf8(output.stdout).expect("it is text");
    // A passed session is collapsed on the screen, and complete on paper.
    for line in ["4 of 8 sessions failed", "C: EHLO client.example", "*: closed by the server", "reports/skipped.toml"]
    {
        assert!(text.contains(line), "{line} is missing:\n{text}");
    }
    // A line of 400 letters is wrapped, not cut off.
    let letters: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    assert!(letters.contains(&format!("C:VRFY{}", "abcdefghij".repeat(40))), "{text}");
    let still = browser.run("return document.querySelectorAll('details:not([open])').length");
    assert_eq!(still, 4, "what was closed is closed again");
}
