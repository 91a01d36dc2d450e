//! What went over the wire: the answer of the service, and the calls that it made.

/// The head of a message: its first line, and its fields in order, names in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The request line or the status line.
    pub line: String,
    /// The fields, blanks around their values dropped.
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// Reads the bytes before the empty line. Bytes that are not UTF-8 become U+FFFD.
    ///
    /// ```
    /// let head = towline_probe::Head::read(b"GET / HTTP/1.1\r\nHost: a\r\nX:1");
    /// assert_eq!(head.line, "GET / HTTP/1.1");
    /// assert_eq!(head.all("x"), ["1"]);
    /// ```
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let fields = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            let value = value.trim_matches([' ', '\t']);
            Some((name.to_ascii_lowercase(), value.to_owned()))
        });
        Self {
            fields: fields.collect(),
            line,
        }
    }

    /// The values of all fields of a name, which is in lower case.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(key, _)| key == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The status of an answer; none where this is none.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        let rest = self.line.strip_prefix("HTTP/1.")?;
        rest.split(' ').nth(1)?.parse().ok()
    }
}

/// All that was seen of one request.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// The status of the answer; none where there was none.
    pub status: Option<u16>,
    /// Why there was no answer.
    pub error: Option<String>,
    /// The head of the answer.
    pub answer: Head,
    /// The heads of the calls that the service made for it, in order.
    pub calls: Vec<Head>,
}

/// How a call of the service is to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// With this status, a body of known length, and these `raceway-clock` fields.
    Answer {
        /// The status.
        status: u16,
        /// The fields.
        clocks: Vec<String>,
    },
    /// Not at all: the connection is closed.
    Close,
}
