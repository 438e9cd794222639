//! Captures of a dialogue in plain text: pcap and pcapng.

use super::tcp_streams::{StreamPiece, TcpSegment, TcpStream};
use crate::smtp::lines::LineEnd;
use crate::tools::import::dialogue::{LogEvent, LogFidelity, LoggedDialogue, Side, is_reply};
use crate::tools::import::error::ImportError;
use crate::transcript::LineBody;
use etherparse::{EtherType, IpNumber, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};
use std::net::{IpAddr, SocketAddr};

const FIDELITY: LogFidelity = LogFidelity { content: true, handshakes: true, line_ends: true };

/// Room for the largest packet of a capture.
const BUFFER: usize = 1 << 20;

/// A packet that was captured, with the type of its link.
struct CapturedPacket {
    link: Linktype,
    bytes: Vec<u8>,
}

pub(super) fn read(log: &[u8]) -> Result<LoggedDialogue, ImportError> {
    let packets = packets(log)?;
    let segments: Vec<TcpSegment<'_>> = packets.iter().filter_map(segment).collect();
    let mut connections: Vec<(SocketAddr, SocketAddr)> = Vec::new();
    for segment in segments.iter().filter(|segment| !segment.payload.is_empty()) {
        let pair = (segment.from.min(segment.to), segment.from.max(segment.to));
        if !connections.contains(&pair) {
            connections.push(pair);
        }
    }
    let mut dialogues = connections.iter().filter_map(|pair| {
        let own =
            segments.iter().filter(|segment| (segment.from.min(segment.to), segment.from.max(segment.to)) == *pair);
        connection(&own.copied().collect::<Vec<_>>())
    });
    let Some(mut dialogue) = dialogues.next() else {
        let message =
            format!("none of the {} packets of this capture belongs to an SMTP dialogue in plain text", packets.len());
        return Err(ImportError::new(message, "capture on the port of the server, without TLS from the first byte"));
    };
    dialogue.other_connections = dialogues.count();
    Ok(dialogue)
}

/// The packets of a file. One that ends inside a packet is read up to there.
fn packets(log: &[u8]) -> Result<Vec<CapturedPacket>, ImportError> {
    let damaged = || ImportError::new("this capture is damaged", "`capinfos` or `tcpdump -r` say more");
    let mut reader = create_reader(BUFFER, std::io::Cursor::new(log)).map_err(|_| damaged())?;
    let mut links: Vec<Linktype> = Vec::new();
    let mut packets = Vec::new();
    let mut incomplete = 0;
    loop {
        match reader.next() {
            Ok((used, block)) => {
                match block {
                    PcapBlockOwned::LegacyHeader(header) => links = vec![header.network],
                    PcapBlockOwned::Legacy(packet) => {
                        let link = links.first().copied().unwrap_or(Linktype::ETHERNET);
                        packets.push(CapturedPacket { link, bytes: packet.data.to_vec() });
                    }
                    PcapBlockOwned::NG(Block::SectionHeader(_)) => links.clear(),
                    PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => links.push(interface.linktype),
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                        let link = usize::try_from(packet.if_id).ok().and_then(|id| links.get(id)).copied();
                        let length = usize::try_from(packet.caplen).unwrap_or(usize::MAX).min(packet.data.len());
                        let link = link.unwrap_or(Linktype::ETHERNET);
                        packets.push(CapturedPacket { link, bytes: packet.data[..length].to_vec() });
                    }
                    PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                        let length = usize::try_from(packet.origlen).unwrap_or(usize::MAX).min(packet.data.len());
                        let link = links.first().copied().unwrap_or(Linktype::ETHERNET);
                        packets.push(CapturedPacket { link, bytes: packet.data[..length].to_vec() });
                    }
                    PcapBlockOwned::NG(_) => {}
                }
                reader.consume(used);
                incomplete = 0;
            }
            Err(PcapError::Incomplete(_)) if incomplete < 2 => {
                incomplete += 1;
                if reader.refill().is_err() {
                    break;
                }
            }
            Err(PcapError::Eof | PcapError::UnexpectedEof | PcapError::Incomplete(_)) => break,
            Err(_) if packets.is_empty() => return Err(damaged()),
            Err(_) => break,
        }
    }
    Ok(packets)
}

/// The TCP segment of a packet, if it has one.
fn segment(packet: &CapturedPacket) -> Option<TcpSegment<'_>> {
    let bytes = packet.bytes.as_slice();
    let ip = |bytes| LaxSlicedPacket::from_ip(bytes).ok();
    let sliced = match packet.link {
        Linktype::ETHERNET => LaxSlicedPacket::from_ethernet(bytes).ok()?,
        // A loopback link has the family of the address in front.
        Linktype::NULL | Linktype(108) => ip(bytes.get(4..)?)?,
        Linktype(113) => {
            let ether_type = u16::from_be_bytes([*bytes.get(14)?, *bytes.get(15)?]);
            LaxSlicedPacket::from_ether_type(EtherType(ether_type), bytes.get(16..)?)
        }
        Linktype(276) => ip(bytes.get(20..)?)?,
        _ => ip(bytes)?,
    };
    // How long the TCP segment was when it was sent; 0 if it is not known.
    let (from, to, sent): (IpAddr, IpAddr, usize) = match sliced.net? {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            let sent = usize::from(header.total_len()).saturating_sub(usize::from(header.ihl()) * 4);
            (header.source_addr().into(), header.destination_addr().into(), sent)
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            let sent = if header.next_header() == IpNumber::TCP { usize::from(header.payload_length()) } else { 0 };
            (header.source_addr().into(), header.destination_addr().into(), sent)
        }
        LaxNetSlice::Arp(_) => return None,
    };
    let TransportSlice::Tcp(tcp) = sliced.transport? else { return None };
    let missing = sent.saturating_sub(tcp.header_len()).saturating_sub(tcp.payload().len());
    Some(TcpSegment {
        from: SocketAddr::new(from, tcp.source_port()),
        to: SocketAddr::new(to, tcp.destination_port()),
        sequence: tcp.sequence_number(),
        acknowledged: tcp.ack().then(|| tcp.acknowledgment_number()),
        syn: tcp.syn(),
        fin: tcp.fin(),
        rst: tcp.rst(),
        payload: tcp.payload(),
        missing: missing as u64,
    })
}

/// The dialogue of one connection; `None` if it is not SMTP.
fn connection(segments: &[TcpSegment<'_>]) -> Option<LoggedDialogue> {
    let opening = segments.iter().find(|segment| segment.syn && segment.acknowledged.is_none());
    let server = match opening {
        Some(syn) => syn.to,
        None => segments.iter().find(|segment| segment.payload.get(..4).is_some_and(is_reply))?.from,
    };
    let mut dialogue = LoggedDialogue::new(FIDELITY);
    dialogue.server = Some(server.to_string());
    dialogue.push(0, LogEvent::Connected);
    if !segments.iter().any(|segment| segment.syn) {
        dialogue.push(0, LogEvent::Note("a guess: the capture begins inside of the connection".to_owned()));
    }
    let mut lines = CapturedLines { dialogue, client: Vec::new(), server: Vec::new(), encrypted: false };
    let mut streams = [TcpStream::default(), TcpStream::default()];
    for segment in segments {
        let side = if segment.from == server { Side::Server } else { Side::Client };
        let [client, other] = &mut streams;
        let (own, other) = if side == Side::Client { (client, other) } else { (other, client) };
        let mut pieces = Vec::new();
        if let Some(acknowledged) = segment.acknowledged {
            other.acknowledge(acknowledged, &mut pieces);
            lines.take(opposite(side), std::mem::take(&mut pieces));
        }
        own.push(segment, &mut pieces);
        lines.take(side, pieces);
    }
    for (stream, side) in streams.iter_mut().zip([Side::Client, Side::Server]) {
        let mut pieces = Vec::new();
        stream.finish(&mut pieces);
        lines.take(side, pieces);
    }
    lines.flush(Side::Client);
    lines.flush(Side::Server);
    let dialogue = lines.dialogue;
    let replies = dialogue.events.iter().any(|logged| match &logged.event {
        LogEvent::Line { side: Side::Server, body } => body.bytes().is_some_and(is_reply),
        _ => false,
    });
    replies.then_some(dialogue)
}

fn opposite(side: Side) -> Side {
    match side {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    }
}

/// Cuts streams into lines.
struct CapturedLines {
    dialogue: LoggedDialogue,
    client: Vec<u8>,
    server: Vec<u8>,
    encrypted: bool,
}

impl CapturedLines {
    fn take(&mut self, side: Side, pieces: Vec<StreamPiece>) {
        for piece in pieces {
            match piece {
                _ if self.encrypted => {}
                StreamPiece::Bytes(bytes) => self.bytes(side, &bytes),
                StreamPiece::Gap(missing) => {
                    // What comes after the gap does not go on with the line.
                    self.end_line(side, LineEnd::CrLf);
                    let are = if missing == 1 { "is" } else { "are" };
                    let bytes = count_bytes(missing);
                    self.note(format!("{bytes} of the {} {are} missing in the capture here", side_name(side)));
                }
                StreamPiece::Repeated(bytes) => {
                    self.note(format!("the {} sent {} again", side_name(side), count_bytes(bytes)));
                }
                StreamPiece::Fin | StreamPiece::Reset => {
                    self.flush(side);
                    let reset = piece == StreamPiece::Reset;
                    self.dialogue.push(0, LogEvent::Closed { by: side, reset });
                }
            }
        }
    }

    fn bytes(&mut self, side: Side, bytes: &[u8]) {
        // What the client left open stands before what the server says now.
        if side == Side::Server {
            self.flush(Side::Client);
        }
        let pending = if side == Side::Client { &mut self.client } else { &mut self.server };
        if pending.is_empty() && matches!(bytes, [0x14..=0x17, 0x03, 0x00..=0x04, ..]) {
            self.encrypted = true;
            self.dialogue.push(0, LogEvent::TlsStarted { verified: None });
            self.note("the capture is encrypted from here on".to_owned());
            return;
        }
        pending.extend_from_slice(bytes);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            let body = match line.strip_suffix(b"\r\n") {
                Some(line) => LineBody::plain(line, LineEnd::CrLf),
                None => LineBody::plain(&line[..line.len() - 1], LineEnd::Lf),
            };
            self.dialogue.push(0, LogEvent::Line { side, body });
        }
    }

    /// Gives a line that has no end.
    fn flush(&mut self, side: Side) {
        self.end_line(side, LineEnd::Missing);
    }

    fn end_line(&mut self, side: Side, end: LineEnd) {
        let pending = std::mem::take(if side == Side::Client { &mut self.client } else { &mut self.server });
        if !pending.is_empty() {
            let body = LineBody::plain(pending, end);
            self.dialogue.push(0, LogEvent::Line { side, body });
        }
    }

    fn note(&mut self, text: String) {
        self.dialogue.push(0, LogEvent::Note(text));
    }
}

fn count_bytes(count: u64) -> String {
    format!("{count} {}", if count == 1 { "byte" } else { "bytes" })
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Server => "server",
    }
}
