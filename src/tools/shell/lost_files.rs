//! Which files a shell could not write.

/// A file that was asked for and is not there. One that was mistyped counts until another of its kind is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LostFiles {
    /// The last saved session could not be written.
    session: bool,
    /// The last transcript could not be created.
    transcript: bool,
    /// A transcript lacks some of its lines.
    lines: bool,
}

impl LostFiles {
    /// A session was to be saved; `written`: it was.
    pub fn note_session(&mut self, written: bool) {
        self.session = !written;
    }

    /// A transcript was to be created; `created`: it was.
    pub fn note_transcript(&mut self, created: bool) {
        self.transcript = !created;
    }

    /// A transcript that was created could not be written whole. Another one does not have its lines.
    pub fn note_lost_lines(&mut self) {
        self.lines = true;
    }

    /// Whether a file is missing at the end.
    pub fn any(self) -> bool {
        self.session || self.transcript || self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_counts_until_another_file_of_the_kind_is_written() {
        let mut lost = LostFiles::default();
        lost.note_session(false);
        lost.note_transcript(true);
        assert!(lost.any(), "a transcript is no session");
        lost.note_session(true);
        assert!(!lost.any());
        lost.note_transcript(false);
        assert!(lost.any());
        lost.note_transcript(true);
        assert!(!lost.any());
        lost.note_lost_lines();
        lost.note_transcript(true);
        assert!(lost.any(), "the lines are in no file");
    }
}
