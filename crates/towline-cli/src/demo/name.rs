//! The four demo services by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A demo service (`spec/services.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Name {
    Typescript,
    Python,
    Go,
    Rust,
}

impl Name {
    pub(crate) const ALL: [Self; 4] = [Self::Typescript, Self::Python, Self::Go, Self::Rust];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Typescript => "typescript",
            Self::Python => "python",
            Self::Go => "go",
            Self::Rust => "rust",
        }
    }

    /// Its own port.
    pub(crate) const fn port(self) -> u16 {
        match self {
            Self::Typescript => 6001,
            Self::Python => 6002,
            Self::Go => 6003,
            Self::Rust => 6004,
        }
    }

    /// What its log is called.
    pub(crate) const fn log_stem(self) -> &'static str {
        match self {
            Self::Typescript => "ts-service",
            Self::Python => "py-service",
            Self::Go => "go-service",
            Self::Rust => "rust-service",
        }
    }

    /// Where it is if nobody says otherwise.
    pub(crate) fn own_url(self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|name| name.as_str() == text);
        found.ok_or_else(|| "a service is typescript, python, go or rust".to_owned())
    }
}
