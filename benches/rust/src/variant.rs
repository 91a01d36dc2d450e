//! What is measured: each variant in a process of its own.

use std::fmt;

use anyhow::Result;

use crate::measure::{Cost, Effort};

/// One thing to measure.
pub(crate) struct Variant {
    pub(crate) table: Table,
    pub(crate) name: String,
    /// The variant of this table that does the same without propagation.
    pub(crate) over: Option<String>,
    measure: Box<dyn Fn(Effort) -> Result<Vec<Row>>>,
}

/// A line of a table. A variant that is one line has no `part`.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) part: String,
    pub(crate) cost: Cost,
}

/// Variants that can be compared with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Server,
    Calls,
    Codecs,
    Reqwest,
    TowerClient,
    Loopback,
}

impl Table {
    pub(crate) const ALL: [Self; 6] = [
        Self::Server,
        Self::Calls,
        Self::Codecs,
        Self::Reqwest,
        Self::TowerClient,
        Self::Loopback,
    ];

    /// Its name in arguments and records.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Calls => "calls",
            Self::Codecs => "codecs",
            Self::Reqwest => "reqwest",
            Self::TowerClient => "tower-client",
            Self::Loopback => "loopback",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Server => "Server: a request to an axum route, in-process",
            Self::Calls => "Calls of one request, each answered with a clock (cost of one call)",
            Self::Codecs => "Codecs alone",
            Self::Reqwest => "Client: a call through reqwest middleware, answered in-process",
            Self::TowerClient => "Client: a call through a tower layer, answered in-process",
            Self::Loopback => {
                "Server over loopback HTTP/1.1 with keep-alive: CPU time of the server process per request"
            }
        }
    }
}

/// The name of what is written by hand in each table that has one.
pub(crate) const MINIMUM: &str = "hand-written minimum";

impl Variant {
    /// A variant of one line.
    pub(crate) fn new(
        table: Table,
        name: impl Into<String>,
        over: Option<&str>,
        measure: impl Fn(Effort) -> Result<Cost> + 'static,
    ) -> Self {
        Self::of_rows(table, name, over, move |effort| {
            let part = String::new();
            Ok(vec![Row {
                part,
                cost: measure(effort)?,
            }])
        })
    }

    pub(crate) fn of_rows(
        table: Table,
        name: impl Into<String>,
        over: Option<&str>,
        measure: impl Fn(Effort) -> Result<Vec<Row>> + 'static,
    ) -> Self {
        Self {
            table,
            name: name.into(),
            over: over.map(str::to_owned),
            measure: Box::new(measure),
        }
    }

    /// Its name in arguments and records, unlike that of any other.
    pub(crate) fn key(&self) -> String {
        format!("{}: {}", self.table.key(), self.name)
    }

    /// Checks that it does its job, and measures it, in this process.
    pub(crate) fn measure(&self, effort: Effort) -> Result<Vec<Row>> {
        (self.measure)(effort)
    }
}

impl fmt::Debug for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Variant").field(&self.key()).finish()
    }
}
