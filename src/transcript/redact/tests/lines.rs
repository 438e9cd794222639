//! A secret that stands in several lines.

use super::*;
use crate::event::ContentBlock;
use crate::smtp::lines::split_lines;

/// The lines as they are shown, where they leave in blocks of these sizes.
fn passed(redactor: &Redactor, blocks: &[&[u8]]) -> Vec<String> {
    let (mut window, mut shown) = (ContentWindow::default(), Vec::new());
    for (index, block) in blocks.iter().enumerate() {
        let ahead = blocks.get(index + 1).copied().unwrap_or_default();
        redactor.for_each_block(&mut window, block, ahead, &["a b"], |bytes, redaction| {
            for line in ContentBlock::new(bytes, redaction).lines() {
                let mut text = String::new();
                line.notation(&mut text);
                shown.push(text);
            }
        });
    }
    shown
}

const KEY: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

#[test]
fn a_secret_that_is_cut_over_lines_is_hidden_in_each() {
    let table: &[(&str, &str, &str)] = &[
        ("X-Key: correct horse\r\n battery staple", "X-Key: [secret]| [secret]", "a folded header"),
        (
            "X-Key: correct\r\n horse\r\n\tbattery\r\n staple!",
            "X-Key: [secret]| [secret]|\\x09[secret]| [secret]!",
            "often",
        ),
        ("X: correct horse  \r\n   battery staple", "X: [secret] \\x20|   [secret]", "with more white space"),
        (
            "Subject: =?utf-8?Q?Schl=C3=BCssel:_correct_horse_battery_staple?=",
            "Subject: =?utf-8?Q?Schl=C3=BCssel:_[secret]?=",
            "an encoded word",
        ),
        (
            "Subject: =?utf-8?q?=c3=bc_correct_h?=\r\n =?UTF-8?Q?orse=20battery_s?=\r\n =?utf-8?B?dGFwbGUh?=",
            "Subject: =?utf-8?q?=c3=bc_[secret]?=| =?UTF-8?Q?[secret]?=| =?utf-8?B?[secret]?=",
            "several words",
        ),
        (
            "S: =?utf-8?Q?correct_horse?= =?utf-8?Q?_battery_staple?=",
            "S: =?utf-8?Q?[secret]?= =?utf-8?Q?[secret]?=",
            "in a line",
        ),
        ("the key: ABCDEFG=\r\nHIJKLMNOPQRSTUVWXYZ0123456789.", "the key: [secret]=|[secret].", "a soft break"),
        ("A=\r\nBCDEFGHIJKLMNOP=  \r\nQRSTUVWXYZ012345678=39", "[secret]=|[secret]= \\x20|[secret]", "more of them"),
        ("caf=C3=\r\n=a9 noir", "[secret]=|[secret]", "an escaped character cut, in either case"),
        ("it is .dot=\r\n..ted.", "it is [secret]=|.[secret].", "a stuffed dot"),
        ("it is .dot=\r\n.ted.", "it is [secret]=|[secret].", "and one that is not, in BDAT"),
        ("it is a=\r\n b.", "it is [secret]=|[secret].", "a short one"),
        (
            " filename*0=\"the file with the key ABCDEFGHIJ\";\r\n filename*1=\"KLMNOPQRSTUVWXYZ0123456789.txt\"",
            " filename*0=\"the file with the key [secret]\";| filename*1=\"[secret].txt\"",
            "a parameter in sections",
        ),
        (
            " name*0*=utf-8''caf;\r\n name*1*=%C3%A9%20noir",
            " name*0*=utf-8''[secret];| name*1*=[secret]",
            "and one that is encoded",
        ),
        ("first\r\nab\r\ncd\r\nlast", "first|[secret]|[secret]|last", "a secret of short lines"),
        ("correct\r\nhorse battery staple", "correct|horse battery staple", "other lines stay as they are"),
        (
            "X: correct\r\n mule\r\nY: =?utf-8?Q?correct?=\r\n x",
            "X: correct| mule|Y: =?utf-8?Q?correct?=| x",
            "and these",
        ),
        ("p&=\r\namp;p&lt;w", "[secret]=|[secret]", "HTML over a soft break"),
    ];
    let redactor = knowing(&["correct horse battery staple", KEY, "café noir", ".dot.ted", "ab\ncd", "p&p<w"]);
    for (text, shown, why) in table {
        let text = format!("{text}\r\n");
        assert_eq!(passed(&redactor, &[text.as_bytes()]).join("|"), *shown, "{why}");
        // Wherever it leaves in blocks: they end with lines.
        for (at, _) in text.match_indices('\n') {
            let (first, second) = text.as_bytes().split_at(at + 1);
            assert_eq!(passed(&redactor, &[first, second]).join("|"), *shown, "{why}, in two blocks");
        }
    }
}

#[test]
fn lines_of_base64_are_hidden_where_a_part_of_it_is() {
    let long = "a token that takes more than two lines of base64, ".repeat(6);
    let redactor = knowing(&[&long]);
    for before in 0..120 {
        let text = format!("{:x<before$}{long}{:y<200}", "", "");
        let encoded = STANDARD.encode(&text);
        let lines: Vec<&str> =
            encoded.as_bytes().chunks(76).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        let shown = passed(&redactor, &[format!("\r\n{}\r\n", lines.join("\r\n")).as_bytes()]);
        for (index, line) in lines.iter().enumerate() {
            let holds = index * 57 < before + long.len() && (index + 1) * 57 > before;
            // A line that begins or ends where it does may share a character with it.
            let is_next = index * 57 == before + long.len() || (index + 1) * 57 == before;
            let is_hidden = shown[index + 1] == "[secret]";
            assert!(is_hidden == holds || is_next, "{before}: line {index}");
            assert!(is_hidden || shown[index + 1] == *line, "{before}: line {index}");
        }
    }
}

#[test]
fn a_very_long_secret_is_hidden_to_its_end() {
    let long: String = (0..9000).map(|number| format!("{number:x}-")).collect();
    let quoted = long.as_bytes().chunks(70).map(|line| format!("{}=\r\n", String::from_utf8_lossy(line)));
    let quoted = format!("it is {}.\r\n\r\nthe end\r\n", quoted.collect::<String>());
    let encoded = STANDARD.encode(&long);
    let folded = encoded.as_bytes().chunks(76).map(|line| format!("{}\r\n", String::from_utf8_lossy(line)));
    let folded = format!("\r\n{}\r\n", folded.collect::<String>());
    for text in [quoted, folded] {
        for size in [1 << 10, 64 << 10, 1 << 20] {
            let blocks: Vec<&[u8]> = split_lines(text.as_bytes())
                .map(|line| line.bytes)
                .collect::<Vec<_>>()
                .chunks(size / 72)
                .map(|lines| {
                    let from = lines[0].as_ptr().addr() - text.as_ptr().addr();
                    let last = lines[lines.len() - 1];
                    &text.as_bytes()[from..last.as_ptr().addr() + last.len() + 2 - text.as_ptr().addr()]
                })
                .collect();
            // A block ahead of a kilobyte tells too little of such a secret; mail leaves in greater ones.
            if size > 1 << 10 {
                let shown = passed(&knowing(&[&long]), &blocks).join("\n");
                for number in [0x10, 0x400, 0x1000, 0x2000] {
                    assert!(!shown.contains(&format!("{number:x}-{:x}-", number + 1)), "{size}: {number:x}");
                }
                assert!(shown.len() < 8000, "{size}: {}", shown.len());
            }
        }
    }
}

#[test]
fn what_a_server_says_over_several_lines_is_hidden() {
    let table = [
        (&["250-hello", "250 correct horse"][..], "250-hello|250 correct horse", "other lines"),
        (
            &["550-5.7.1 X-Key: correct horse", "550 5.7.1  battery staple."],
            "550-5.7.1 X-Key: [secret]|550 5.7.1 [secret].",
            "a folded header",
        ),
        (
            &["550-is correct horse", "550-battery", "550 staple"],
            "550-is [secret]|550-[secret]|550 [secret]",
            "three lines",
        ),
        (
            &["550-=?utf-8?Q?_correct_h?=", "550 =?utf-8?Q?orse_battery_staple?="],
            "550-=?utf-8?Q?_[secret]?=|550 =?utf-8?Q?[secret]?=",
            "words",
        ),
        (
            &["550-the key: ABCDEFG=", "550-HIJKLMNOP=", "550 QRSTUVWXYZ0123456789."],
            "550-the key: [secret]=|550-[secret]=|550 [secret].",
            "soft breaks",
        ),
        (&["550-QUJDREVGR0hJSktMTU5P", "550 UFFSU1RVVldYWVowMTIzNDU2Nzg5"], "550-[secret]|550 [secret]", "base64"),
        (
            &["250-the answer is correct", "250 yes"],
            "250-the answer is correct|250 yes",
            "a little of it is a word like any other",
        ),
        (&["550 correct horse", "550 battery staple"], "550 correct horse|550 battery staple", "two replies are two"),
    ];
    let redactor = knowing(&["correct horse battery staple", KEY]);
    for (lines, shown, why) in table {
        let mut heard = ReplyWindow::default();
        let said = lines.iter().map(|line| {
            let hidden = redactor.find_in_reply_line(&mut heard, line.as_bytes());
            String::from_utf8_lossy(&replace_ranges(line.as_bytes(), hidden)).into_owned()
        });
        assert_eq!(said.collect::<Vec<_>>().join("|"), shown, "{why}");
    }
    assert_eq!(
        redactor.redact_lines("5.7.1 correct horse\n5.7.1 battery staple").as_str(),
        "5.7.1 [secret] / 5.7.1 [secret]"
    );
}

#[test]
fn what_is_kept_of_content_is_bounded() {
    let redactor = knowing(&[KEY]);
    let mut window = ContentWindow::default();
    let block = "a line of some length that goes on=\r\n".repeat(10_000);
    let mut length = 0;
    for _ in 0..4 {
        redactor.for_each_block(&mut window, block.as_bytes(), block.as_bytes(), &[], |bytes, redaction| {
            length += bytes.len();
            assert!(redaction.is_some_and(|redaction| redaction.hidden().is_empty()));
        });
    }
    assert_eq!(length, 4 * block.len());
    assert!(window.kept_len() <= redactor.reach(), "{}", window.kept_len());
}

#[test]
fn a_block_that_is_not_looked_at_changes_nothing_for_the_next() {
    let redactor = knowing(&[KEY, &"a token of 3 kB ".repeat(200)]);
    let filler = "no secret at all, nowhere\r\n".repeat(100);
    let (first, second) = (format!("{filler}the key: ABCDEFG=\r\n"), "HIJKLMNOPQRSTUVWXYZ0123456789.\r\n");
    for look in [true, false] {
        let mut window = ContentWindow::default();
        redactor.for_each_block(&mut window, first.as_bytes(), second.as_bytes(), &[], |_, redaction| {
            assert!(!look || redaction.is_some_and(|redaction| redaction.hidden().len() == 1));
        });
        redactor.for_each_block(&mut window, second.as_bytes(), &[], &[], |_, redaction| {
            let hidden = redaction.map(|redaction| redaction.hidden().to_vec());
            assert_eq!(hidden.as_deref(), Some(std::slice::from_ref(&(0..29))), "looked at before: {look}");
        });
    }
}
