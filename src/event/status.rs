//! How it ended: the exit statuses of `sysexits.h`.

/// How a session, or the program, ended: the codes of `sysexits.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Everything passed.
    Passed,
    /// An expectation or assert failed.
    Failed,
    /// The command line is wrong.
    Usage,
    /// A session file, its rows or a rendered value is not valid, or a source has no value or is not allowed.
    DataErr,
    /// A file that a session names cannot be read.
    NoInput,
    /// The host name does not resolve.
    NoHost,
    /// Cannot connect, or the connection was lost.
    Unavailable,
    /// A bug in the program.
    Software,
    /// A transcript, report or ledger cannot be written.
    CantCreate,
    /// Content was complete and no reply came.
    IoErr,
    /// A 4xx, or a timeout: trying later may help.
    TempFail,
    /// Not SMTP, or a TLS handshake that failed for another reason than the certificate.
    Protocol,
    /// Authentication refused, or the certificate is not to be trusted.
    NoPerm,
    /// The server lacks what the session needs.
    Config,
    /// Ended by SIGHUP: the terminal is gone.
    HungUp,
    /// Ended by Ctrl-C.
    Interrupted,
    /// Ended by SIGTERM.
    Terminated,
}

impl Status {
    /// Every one of them.
    pub const ALL: [Self; 17] = [
        Self::Passed,
        Self::Failed,
        Self::Usage,
        Self::DataErr,
        Self::NoInput,
        Self::NoHost,
        Self::Unavailable,
        Self::Software,
        Self::CantCreate,
        Self::IoErr,
        Self::TempFail,
        Self::Protocol,
        Self::NoPerm,
        Self::Config,
        Self::HungUp,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The process's exit status.
    pub fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Usage => 64,
            Self::DataErr => 65,
            Self::NoInput => 66,
            Self::NoHost => 68,
            Self::Unavailable => 69,
            Self::Software => 70,
            Self::CantCreate => 73,
            Self::IoErr => 74,
            Self::TempFail => 75,
            Self::Protocol => 76,
            Self::NoPerm => 77,
            Self::Config => 78,
            Self::HungUp => 129,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The status of a run that a signal ended: `SIGHUP`, `SIGTERM` or `SIGINT`.
    pub fn of_signal(name: &str) -> Self {
        match name {
            "SIGHUP" => Self::HungUp,
            "SIGTERM" => Self::Terminated,
            _ => Self::Interrupted,
        }
    }

    /// The signal that ended the run.
    pub fn signal(self) -> Option<&'static str> {
        match self {
            Self::HungUp => Some("SIGHUP"),
            Self::Interrupted => Some("SIGINT"),
            Self::Terminated => Some("SIGTERM"),
            _ => None,
        }
    }

    /// Whether a signal ended the run.
    pub fn is_signal(self) -> bool {
        self.signal().is_some()
    }

    /// `EX_TEMPFAIL`, and so on; empty if sysexits.h has no name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "EX_OK",
            Self::Failed | Self::HungUp | Self::Interrupted | Self::Terminated => "",
            Self::Usage => "EX_USAGE",
            Self::DataErr => "EX_DATAERR",
            Self::NoInput => "EX_NOINPUT",
            Self::NoHost => "EX_NOHOST",
            Self::Unavailable => "EX_UNAVAILABLE",
            Self::Software => "EX_SOFTWARE",
            Self::CantCreate => "EX_CANTCREAT",
            Self::IoErr => "EX_IOERR",
            Self::TempFail => "EX_TEMPFAIL",
            Self::Protocol => "EX_PROTOCOL",
            Self::NoPerm => "EX_NOPERM",
            Self::Config => "EX_CONFIG",
        }
    }

    /// Of several sessions' ends the one that the program ends with: the first of 70, 73, 65, 66, 77, 78, 76, 1, 74,
    /// 68, 69, 75, 64 that occurred. A signal that ended the program comes before them all.
    pub fn worst(ends: impl IntoIterator<Item = Status>) -> Status {
        ends.into_iter().min_by_key(|status| status.rank()).unwrap_or(Self::Passed)
    }

    /// Which of several comes first.
    fn rank(self) -> u8 {
        match self {
            Self::Interrupted => 0,
            Self::Terminated => 1,
            Self::HungUp => 2,
            Self::Software => 3,
            Self::CantCreate => 4,
            Self::DataErr => 5,
            Self::NoInput => 6,
            Self::NoPerm => 7,
            Self::Config => 8,
            Self::Protocol => 9,
            Self::Failed => 10,
            Self::IoErr => 11,
            Self::NoHost => 12,
            Self::Unavailable => 13,
            Self::TempFail => 14,
            Self::Usage => 15,
            Self::Passed => 16,
        }
    }
}
