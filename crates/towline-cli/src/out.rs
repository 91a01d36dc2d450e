//! The only place that prints. Data goes to standard output, notes and errors to standard error.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use serde_json::Value;
use towline_probe::Charset;

use crate::failure::Failure;

/// Both streams. A reader that has gone away ends the program quietly, as it does for `head`.
#[derive(Debug)]
pub(crate) struct Out {
    pub(crate) charset: Charset,
}

impl Out {
    /// In ASCII where the terminal is dumb or the locale is not UTF-8.
    pub(crate) fn new() -> Self {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = set("LC_ALL")
            .or_else(|| set("LC_CTYPE"))
            .or_else(|| set("LANG"));
        let is_utf8 = locale.is_none_or(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        let is_dumb = set("TERM").is_some_and(|term| term == "dumb");
        Self {
            charset: if is_utf8 && !is_dumb {
                Charset::Unicode
            } else {
                Charset::Ascii
            },
        }
    }

    /// Writes data as it is.
    pub(crate) fn data(&mut self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        let written = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
            Err(error) => {
                self.note(format_args!(
                    "error: standard output cannot be written: {error}"
                ));
                std::process::exit(4);
            }
            Ok(()) => {}
        }
    }

    /// Writes data for people, in the characters that their terminal has.
    pub(crate) fn text(&mut self, text: &str) {
        let text = self.charset.write(text);
        self.data(&text);
    }

    /// Writes one document.
    pub(crate) fn json(&mut self, document: &Value) {
        self.data(&format!("{document}\n"));
    }

    /// Writes a line that is not data. Where nobody can read it, there is nobody to tell.
    pub(crate) fn note(&mut self, line: impl Display) {
        let line = self.charset.write(&line.to_string());
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }

    pub(crate) fn failure(&mut self, failure: &Failure, json: bool) {
        if json {
            self.note(failure.json());
        } else {
            self.note(failure);
        }
    }
}
