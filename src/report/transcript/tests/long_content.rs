//! Content of more than forty lines is cut for a person.

use super::*;

#[test]
fn content_past_forty_lines_is_cut_where_a_person_reads() {
    let mut events: Vec<(&str, u64, Fact<'_>)> = vec![("main", 0, sent("DATA"))];
    let lines: Vec<String> = (0..1274).map(|i| format!("{i:0>76}\r\n")).collect();
    events.extend(lines.iter().map(|line| ("main", 0, content(line))));
    events.push(("main", 0, sent(".")));
    events.push(("main", 0, received("250 ok")));
    let cut = transcript_of(PLAIN, &events);
    assert_eq!(cut.lines().count(), 1 + 40 + 1 + 2);
    assert!(cut.contains("\n*: … 1,234 more lines (96 kB)\nC: .\nS: 250 ok\n"), "{cut}");
    let blocks: Vec<String> = lines.chunks(1000).map(|lines| lines.concat()).collect();
    let mut in_blocks = vec![("main", 0, sent("DATA"))];
    in_blocks.extend(blocks.iter().map(|block| ("main", 0, content(block))));
    in_blocks.extend([("main", 0, sent(".")), ("main", 0, received("250 ok"))]);
    assert_eq!(transcript_of(PLAIN, &in_blocks), cut, "whatever the blocks");
    assert_eq!(transcript_of(TranscriptOptions { full: true, ..PLAIN }, &events).lines().count(), events.len());
}

#[test]
fn forty_lines_are_not_cut_and_each_message_counts_anew() {
    let mut events: Vec<(&str, u64, Fact<'_>)> = Vec::new();
    for _ in 0..2 {
        events.extend((0..40).map(|_| ("main", 0, content("x\r\n"))));
        events.push(("main", 0, sent(".")));
    }
    assert_eq!(transcript_of(PLAIN, &events).lines().count(), 82);
}

#[test]
fn a_message_in_chunks_is_cut_once() {
    let between = |text, sent| {
        let line = RedactedLine::new(line(text), &[]).with_chunk_gap(true);
        if sent { Fact::LineSent(line) } else { Fact::LineReceived(line) }
    };
    let message = || {
        let mut facts = vec![sent("MAIL FROM:<a@b>"), between("BDAT 8000", true)];
        facts.extend((0..2000).map(|_| content("xy\r\n")));
        facts.extend([received("250-ok"), received("250 MAIL ok")]);
        for _ in 0..3 {
            facts.push(between("BDAT 8000", true));
            facts.extend((0..2000).map(|_| content("xy\r\n")));
            facts.extend([between("250-more", false), between("250 8000 octets", false)]);
        }
        facts
    };
    let last = || vec![sent("BDAT 4 LAST"), content("xy\r\n")];
    let begin = format!("C: MAIL FROM:<a@b>\nC: BDAT 8000\n{}S: 250-ok\nS: 250 MAIL ok\n", "C: xy\n".repeat(40));
    let all = "*: … 7,961 more lines (32 kB) and 3 BDAT commands with their replies\n";
    let most = "*: … 7,960 more lines (32 kB) and 3 BDAT commands with their replies\n";
    let octets = || between("250 8000 octets", false);
    let table = [
        (
            [message(), last(), vec![octets(), received("250 queued"), sent("QUIT")]].into_iter().flatten().collect(),
            format!("{begin}C: BDAT 4 LAST\n{all}S: 250 queued\nC: QUIT\n"),
            "the replies to chunks come behind the last one",
        ),
        (
            [message(), last(), vec![sent("QUIT"), octets(), received("250 queued")]].into_iter().flatten().collect(),
            format!("{begin}C: BDAT 4 LAST\n{all}C: QUIT\nS: 250 queued\n"),
            "and behind what was pipelined",
        ),
        (
            [message(), vec![between("552-no", false), between("552 too big", false), sent("RSET")]]
                .into_iter()
                .flatten()
                .collect(),
            format!("{begin}{most}S: 552-no\nS: 552 too big\nC: RSET\n"),
            "a chunk that was refused",
        ),
        (
            [message(), vec![Fact::ClosedByServer]].into_iter().flatten().collect(),
            format!("{begin}{most}*: closed by the server\n"),
            "an end",
        ),
        (
            vec![
                between("BDAT 4", true),
                content("xy\r\n"),
                octets(),
                sent("BDAT 4 LAST"),
                content("xy\r\n"),
                received("250 ok"),
            ],
            "C: BDAT 4\nC: xy\nS: 250 8000 octets\nC: BDAT 4 LAST\nC: xy\nS: 250 ok\n".to_owned(),
            "few lines are not cut",
        ),
    ];
    for (facts, text, why) in table {
        let events: Vec<_> = facts.into_iter().map(|fact| ("main", 0, fact)).collect();
        assert_eq!(transcript_of(PLAIN, &events), text, "{why}");
        assert_eq!(
            transcript_of(TranscriptOptions { full: true, ..PLAIN }, &events).lines().count(),
            events.len(),
            "{why}"
        );
    }
    let twice: Vec<_> = [message(), last(), vec![received("250 ok")], message(), last(), vec![received("250 ok")]]
        .into_iter()
        .flatten()
        .collect();
    let events: Vec<_> = twice.into_iter().map(|fact| ("main", 0, fact)).collect();
    let once = format!("{begin}C: BDAT 4 LAST\n{all}S: 250 ok\n");
    assert_eq!(transcript_of(PLAIN, &events), format!("{once}{once}"), "each message counts anew");
}

#[test]
fn connections_that_send_at_a_time_are_cut_apart() {
    let mut events: Vec<(&str, u64, Fact<'_>)> = Vec::new();
    for _ in 0..41 {
        events.push(("main", 0, content("x\r\n")));
        events.push(("2", 0, content("y\r\n")));
    }
    events.push(("2", 0, sent(".")));
    events.push(("main", 0, sent(".")));
    let text = transcript_of(PLAIN, &events);
    assert!(text.ends_with("*[2]: … 1 more line (3 bytes)\nC[2]: .\n*: … 1 more line (3 bytes)\nC: .\n"), "{text}");
}

#[test]
fn sizes_are_rounded_for_people() {
    let table = [(999, "999 bytes"), (1_000, "1 kB"), (96_252, "96 kB"), (999_499, "999 kB"), (31_460_000, "31.4 MB")];
    for (count, words) in table {
        assert_eq!(human_size(count), words);
    }
    assert_eq!(human_size(u64::MAX), "18,446,744,073,709.5 MB");
}
