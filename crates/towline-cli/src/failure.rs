//! Why a command could not do its work, and what helps.

use std::fmt;

use serde_json::{Value, json};

/// The kinds of failure; each has an exit status and a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Usage,
    NotFound,
    NotReached,
    BadInput,
    System,
    Interrupted,
}

/// The error of every command: printed as `error:`, `cause:` and `hint:` lines.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    cause: Option<String>,
    hint: Option<String>,
}

impl Failure {
    /// The arguments do not fit together.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Something that was named is not there.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// A service cannot be reached or started.
    pub(crate) fn not_reached(message: impl Into<String>) -> Self {
        Self::new(Kind::NotReached, message)
    }

    /// A file or a header is not what it should be.
    pub(crate) fn bad_input(message: impl Into<String>) -> Self {
        Self::new(Kind::BadInput, message)
    }

    /// The system does not let us.
    pub(crate) fn system(message: impl Into<String>) -> Self {
        Self::new(Kind::System, message)
    }

    /// A signal came.
    pub(crate) fn interrupted() -> Self {
        Self::new(Kind::Interrupted, "interrupted")
    }

    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            cause: None,
            hint: None,
        }
    }

    pub(crate) fn because(self, cause: impl fmt::Display) -> Self {
        Self {
            cause: Some(format!("{cause:#}")),
            ..self
        }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    pub(crate) const fn exit(&self) -> u8 {
        match self.kind {
            Kind::Usage => 2,
            Kind::NotFound => 3,
            Kind::NotReached | Kind::System => 4,
            Kind::BadInput => 5,
            Kind::Interrupted => 130,
        }
    }

    const fn code(&self) -> &'static str {
        match self.kind {
            Kind::Usage => "TW-E002",
            Kind::NotFound => "TW-E003",
            Kind::NotReached => "TW-E004",
            Kind::BadInput => "TW-E005",
            Kind::System => "TW-E006",
            Kind::Interrupted => "TW-E130",
        }
    }

    /// The failure as a JSON document of the schema `towline.error/1`.
    pub(crate) fn json(&self) -> Value {
        json!({
            "schema": "towline.error/1",
            "code": self.code(),
            "message": self.message,
            "cause": self.cause,
            "hint": self.hint,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        if let Some(cause) = &self.cause {
            write!(f, "\ncause: {cause}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}
