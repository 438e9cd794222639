//! What happened to a server's connections.

/// How one connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionResult {
    /// The number of the connection, counted from 1.
    pub connection: usize,
    /// What went wrong: where the client deviated from its script.
    pub problem: Option<String>,
}

/// What happened to all connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// In the order in which the connections began.
    pub ends: Vec<ConnectionResult>,
    /// The number of scripts that no client connected for.
    pub unused_scripts: usize,
}

impl Summary {
    /// Whether every script came to its end.
    pub fn passed(&self) -> bool {
        self.problems().is_empty()
    }

    /// What went wrong, one line each.
    pub fn problems(&self) -> Vec<String> {
        let told = self.ends.iter().filter_map(|end| {
            let problem = end.problem.as_ref()?;
            Some(format!("connection {}: {problem}", end.connection))
        });
        told.chain(self.unused_scripts_problem()).collect()
    }

    /// A line about scripts that no client connected for, which no connection reports.
    pub fn unused_scripts_problem(&self) -> Option<String> {
        (self.unused_scripts > 0).then(|| match self.unused_scripts {
            1 => "the script of one connection was not played: nobody connected".to_owned(),
            n => format!("the scripts of {n} connections were not played: nobody connected"),
        })
    }
}
