//! Which header formats are read and written beside Trace Context.

use std::fmt;

/// What `OTEL_PROPAGATORS` names (spec/edge.md, "Beside other propagators").
///
/// `traceparent` and `tracestate` are always read and sent, whatever it says.
///
/// ```
/// use towline_core::Propagators;
///
/// let (propagators, unknown) = Propagators::parse("tracecontext, B3, jaeger");
/// assert!(propagators.b3() && !propagators.baggage());
/// assert_eq!(unknown, ["jaeger"]);
/// assert_eq!(Propagators::default().names(), ["tracecontext", "baggage"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Propagators {
    /// Each once, in the order in which they were named.
    names: Vec<&'static str>,
    baggage: bool,
    b3: bool,
    b3_multi: bool,
}

const WORDS: [&str; 6] = [
    "tracecontext",
    "baggage",
    "b3",
    "b3multi",
    "towline",
    "none",
];

impl Propagators {
    /// Reads a comma-separated list, and tells which words are not known; they are left out. Case,
    /// blanks around words and empty words do not matter.
    #[must_use]
    pub fn parse(text: &str) -> (Self, Vec<&str>) {
        let (mut names, mut unknown) = (Vec::new(), Vec::new());
        for word in text.split(',').map(str::trim) {
            let known = WORDS.iter().find(|known| known.eq_ignore_ascii_case(word));
            match known {
                Some(name) if !names.contains(name) => names.push(*name),
                None if !word.is_empty() => unknown.push(word),
                _ => {}
            }
        }
        (Self::of(names), unknown)
    }

    fn of(names: Vec<&'static str>) -> Self {
        Self {
            baggage: names.contains(&"baggage"),
            b3: names.contains(&"b3"),
            b3_multi: names.contains(&"b3multi"),
            names,
        }
    }

    /// Is `baggage` read, and passed on?
    #[must_use]
    pub const fn baggage(&self) -> bool {
        self.baggage
    }

    /// Is B3 written as one header?
    #[must_use]
    pub const fn b3(&self) -> bool {
        self.b3
    }

    /// Is B3 written as several headers?
    #[must_use]
    pub const fn b3_multi(&self) -> bool {
        self.b3_multi
    }

    /// Is B3 read?
    #[must_use]
    pub const fn reads_b3(&self) -> bool {
        self.b3 || self.b3_multi
    }

    /// The words, each once, in the order in which they were named.
    #[must_use]
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// Whether the list leaves out what is done all the same.
    pub(crate) fn lacks_trace_context(&self) -> bool {
        !self.names.contains(&"tracecontext") || self.names.contains(&"none")
    }
}

/// `tracecontext,baggage`
impl Default for Propagators {
    fn default() -> Self {
        Self::of(vec!["tracecontext", "baggage"])
    }
}

impl fmt::Display for Propagators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names.join(","))
    }
}
