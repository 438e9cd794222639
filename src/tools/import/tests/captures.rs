//! Tests of importing captures, which are made here.

use super::super::*;
use etherparse::PacketBuilder;

const CLIENT: u16 = 40_000;
const SERVER: u16 = 25;

/// A packet of the dialogue: from the client or not, its sequence number from the stream's beginning, what it carries.
type Packet = (bool, u32, &'static [u8]);

/// The dialogue in the order in which it was sent.
const PACKETS: &[Packet] = &[
    (false, 0, b"220 mx.reef.example\r\n"),
    (true, 0, b"EHLO crab\r\n"),
    (false, 21, b"250-mx.reef.example\r\n250 PIPELINING\r\n"),
    (true, 11, b"MAIL FROM:<a@reef.example>\r\nRCPT TO:<b@ree"),
    (true, 53, b"f.example>\r\n"),
    (false, 58, b"250 ok\r\n250 ok\r\n"),
    (true, 65, b"NOOP\n"),
    (false, 74, b"500 LF\r\n"),
];

/// A pcap file of Ethernet frames, with VLAN tags or over IPv6 or neither.
fn pcap(packets: &[Packet], link: u32, frame: impl Fn(&Packet) -> Vec<u8>) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_535, link] {
        file.extend(word.to_le_bytes());
    }
    for packet in packets {
        let bytes = frame(packet);
        let length = u32::try_from(bytes.len()).expect("packets are small");
        for word in [0, 0, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(bytes);
    }
    file
}

fn ports(from_client: bool) -> (u16, u16) {
    if from_client { (CLIENT, SERVER) } else { (SERVER, CLIENT) }
}

fn ethernet(packet: &Packet) -> Vec<u8> {
    let (from, to) = ports(packet.0);
    let builder = PacketBuilder::ethernet2([1; 6], [2; 6])
        .single_vlan(etherparse::VlanId::try_new(7).expect("a valid number"))
        .ipv4([127, 0, 0, 1], [127, 0, 0, 1], 64)
        .tcp(from, to, packet.1, 1000);
    let mut bytes = Vec::new();
    builder.write(&mut bytes, packet.2).expect("it is written to memory");
    bytes
}

fn ipv6(packet: &Packet) -> Vec<u8> {
    let (from, to) = ports(packet.0);
    let address = std::net::Ipv6Addr::LOCALHOST.octets();
    let builder = PacketBuilder::ipv6(address, address, 64).tcp(from, to, packet.1, 1000);
    let mut bytes = 30u32.to_ne_bytes().to_vec(); // the family, on a loopback link
    builder.write(&mut bytes, packet.2).expect("it is written to memory");
    bytes
}

fn steps_of(capture: &[u8]) -> String {
    let text = import("x.pcap", capture, None).unwrap_or_else(|error| panic!("{error}"));
    text.split_once("[[step]]").expect("there is a step").1.to_owned()
}

#[test]
fn a_capture_becomes_a_session_with_its_line_ends() {
    let text = import("x.pcap", &pcap(PACKETS, 1, ethernet), None).unwrap_or_else(|error| panic!("{error}"));
    for wanted in [
        "server = \"smtp://127.0.0.1:25\"",
        "send = \"EHLO crab\"",
        "{ send = \"RCPT TO:<b@reef.example>\", expect = 250 }",
        "raw = \"NOOP\\n\"",
        "expect = 500",
    ] {
        assert!(text.contains(wanted), "lacks {wanted}\n{text}");
    }
}

#[test]
fn ipv6_on_a_loopback_link_gives_the_same_steps() {
    assert_eq!(steps_of(&pcap(PACKETS, 0, ipv6)), steps_of(&pcap(PACKETS, 1, ethernet)));
}

#[test]
fn packets_that_overtook_each_other_give_the_same_steps() {
    let mut packets = PACKETS.to_vec();
    packets.swap(3, 4);
    assert_eq!(steps_of(&pcap(&packets, 1, ethernet)), steps_of(&pcap(PACKETS, 1, ethernet)));
}

#[test]
fn repeated_and_missing_bytes_become_comments() {
    let mut repeated = PACKETS.to_vec();
    repeated.insert(5, PACKETS[3]);
    let text = steps_of(&pcap(&repeated, 1, ethernet));
    assert!(text.contains("# the client sent 42 bytes again"), "{text}");
    let mut missing = PACKETS.to_vec();
    missing.remove(4);
    let text = steps_of(&pcap(&missing, 1, ethernet));
    assert!(text.contains("12 bytes of the client are missing"), "{text}");
}

#[test]
fn a_capture_that_is_cut_anywhere_never_panics() {
    let capture = pcap(PACKETS, 1, ethernet);
    for length in 0..capture.len() {
        let _ = import("x.pcap", &capture[..length], None);
    }
}

#[test]
fn packets_that_were_captured_in_part_keep_their_replies_apart() {
    // As with `tcpdump -s`: the last two bytes of the greeting were not captured.
    let cut = |frame: &dyn Fn(&Packet) -> Vec<u8>, packet: &Packet| {
        let mut bytes = frame(packet);
        bytes.truncate(bytes.len() - if packet == &PACKETS[0] { 2 } else { 0 });
        bytes
    };
    for (link, capture) in [
        ("Ethernet", pcap(PACKETS, 1, |packet| cut(&ethernet, packet))),
        ("loopback", pcap(PACKETS, 0, |packet| cut(&ipv6, packet))),
    ] {
        let text = steps_of(&capture);
        let greeting = "expect = 220  # mx.reef.example\n\n# 2 bytes of the server are missing in the capture here\n[[step]]\nsend = \"EHLO";
        assert!(text.contains(greeting), "{link}\n{text}");
    }
    let capture = pcap(PACKETS, 1, ethernet);
    let text = import("x.pcap", &capture, None).unwrap_or_else(|error| panic!("{error}"));
    assert!(text.contains("# a guess: the capture begins inside of the connection"), "{text}");
}

#[test]
fn a_stream_that_tshark_followed_gives_its_bytes() {
    let log = |cr: &str| {
        "===================================================================\nFollow: tcp,ascii\nFilter: tcp.stream eq 0\n\
         Node 0: 127.0.0.1:48170\nNode 1: 192.0.2.1:2525\n\t7\n220 x~\n\n6\nDATA~\n\n\t8\n354 go~\n\n14\nA: b~\n~\n25~\n~\n\n3\n.~\n\n\
         \t8\n250 ok~\n\n6\nQUIT~\n\n\t9\n221 bye~\n\n===================================================================\n"
            .replace('~', cr)
    };
    for (cr, tells_ends) in [("\r", true), ("", false)] {
        let text = import("x", log(cr).as_bytes(), None).unwrap_or_else(|error| panic!("{error}"));
        assert!(
            text.contains("server = \"smtp://192.0.2.1:2525\"") && text.contains("A: b\n\n25\n\n\"\"\"\nexpect = 250"),
            "{text}"
        );
        assert!(text.contains("send = \"QUIT\"\nexpect = 221"), "{text}");
        assert_eq!(!text.contains("line ends (CRLF is a guess)"), tells_ends, "{text}");
    }
    // The length tells a line that ended in LF.
    let mixed = log("\r").replace("6\nDATA\r\n\n", "5\nDATA\n\n");
    let text = import("x", mixed.as_bytes(), None).unwrap_or_else(|error| panic!("{error}"));
    assert!(text.contains("raw = \"DATA\\n\""), "{text}");
}

#[test]
fn a_list_of_packets_says_what_to_import() {
    for list in [
        "16:43:51.532197 IP localhost.38447 > localhost.48170: Flags [P.], ack 19, win 64, length 12\n",
        "    4 0.000414 127.0.0.1 → 127.0.0.1 SMTP 91 S: 220 mx.test ESMTP ready\n",
    ] {
        let error = import("x", list.as_bytes(), None).expect_err("it has no dialogue");
        assert!(error.help.contains("tcpdump -w"), "{error}");
    }
}
