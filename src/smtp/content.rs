//! Mail content on its way through DATA: line ends made CRLF, dots stuffed, the final dot (RFC 5321 §4.5.2).

/// Encodes content piece by piece, in constant memory. LF, CRLF and a lone CR each become CRLF, so that
/// no server sees an end before the end.
#[derive(Debug)]
pub struct ContentEncoder {
    stuffing: bool,
    // …
}

impl ContentEncoder {
    /// `stuffing`: whether a line that begins with a dot gets another one.
    pub fn new(stuffing: bool) -> Self {
        Self { stuffing }
    }

    /// Appends to `out` what `input` becomes. Pieces may be cut anywhere.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let _ = (input, out, self.stuffing);
        todo!()
    }

    /// Ends the last line where it has no end, and appends the line with the dot.
    pub fn finish(self, out: &mut Vec<u8>) {
        let _ = out;
        todo!()
    }
}

/// The way back, for servers: takes stuffed content with CRLF ends and finds its end.
#[derive(Debug, Default)]
pub struct ContentDecoder {
    // …
}

impl ContentDecoder {
    /// Appends unstuffed content to `out`. Gives the number of bytes of `input` that belong to the content and
    /// its end, and whether the end (`CRLF . CRLF`) was found. Only CRLF counts as a line end.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
        let _ = (input, out);
        todo!()
    }
}
