//! One request, and what must come of it.

use std::fmt;

use super::answers::Answering;
use super::exchange::{Exchange, Head, Reply};
use super::rule::Rule;
use super::{clocks, further, hostile, v1, vectors};

type Judge = Box<dyn Fn(&Exchange) -> Result<(), String> + Send + Sync>;

/// One request to a service that offers `POST /test`, and the judgement of what comes of it.
pub struct Case {
    rule: Rule,
    name: String,
    /// What stands in the head of the request: names and values as they go over the wire.
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    answers: Vec<Answering>,
    /// The whole request, where it is not the usual one.
    raw: Option<Vec<u8>>,
    /// HTTP forbids such a request, so that a server may refuse it.
    may_be_refused: bool,
    judge: Judge,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule.id(), self.name)
    }
}

/// All cases, those of one rule together.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut all = vectors::cases();
    all.extend(further::cases());
    all.extend(clocks::cases());
    all.extend(v1::cases());
    all.extend(hostile::cases());
    all.sort_by_key(|case| case.rule);
    all
}

impl Case {
    /// With one call, which is answered well.
    pub(super) fn new(
        rule: Rule,
        name: impl Into<String>,
        fields: Vec<(String, String)>,
        judge: impl Fn(&Exchange) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        let fields: Vec<(Vec<u8>, Vec<u8>)> = fields
            .into_iter()
            .map(|(name, value)| (name.into_bytes(), value.into_bytes()))
            .collect();
        let is_plain = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
        Self {
            may_be_refused: !fields.iter().all(|(_, value)| value.iter().all(is_plain)),
            rule,
            name: name.into(),
            fields,
            answers: vec![Answering::Ended],
            raw: None,
            judge: Box::new(judge),
        }
    }

    /// With a call for each of these answers.
    pub(super) fn answered(self, answers: &[Answering]) -> Self {
        Self {
            answers: answers.to_vec(),
            ..self
        }
    }

    /// With these bytes as its request, which a server may refuse.
    pub(super) fn raw(self, request: Vec<u8>) -> Self {
        Self {
            raw: Some(request),
            answers: Vec::new(),
            ..self
        }
    }

    /// The rule that it is of.
    #[must_use]
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// Its name among the cases of the rule.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bytes to send. `host`: that of the service; `harness`: the URL below which its calls are
    /// answered, without a slash at its end.
    #[must_use]
    pub fn request(&self, host: &str, harness: &str) -> Vec<u8> {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let calls: Vec<String> = (0..self.answers.len())
            .map(|call| format!(r#"{{"url": "{harness}/{call}", "arguments": []}}"#))
            .collect();
        let body = format!("[{}]", calls.join(", "));
        let mut bytes = format!(
            "POST /test HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n",
            body.len()
        )
        .into_bytes();
        for (name, value) in &self.fields {
            bytes.extend_from_slice(name);
            bytes.push(b':');
            bytes.push(b' ');
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body.as_bytes());
        bytes
    }

    /// How a call is to be answered; `number`: how many came before it.
    #[must_use]
    pub fn reply(&self, number: usize, call: &Head) -> Reply {
        let answering = self.answers.get(number).copied();
        answering.unwrap_or(Answering::Nothing).reply(call)
    }

    /// Whether what was seen is as it must be.
    ///
    /// # Errors
    ///
    /// What is wrong, as a sentence without its point. It may quote what strangers sent, as it came.
    pub fn judge(&self, exchange: &Exchange) -> Result<(), String> {
        match (exchange.status, &exchange.error) {
            (Some(status @ 500..), _) => return Err(format!("it answered {status}")),
            // What is no request need not be answered, nor be called for.
            _ if self.raw.is_some() => return Ok(()),
            (Some(200), _) => {}
            (Some(status @ 400..500), _) if self.may_be_refused => {
                // Nothing of such a request may have gone on.
                return match exchange.calls.len() {
                    0 => Ok(()),
                    _ => Err(format!("it answered {status}, and made calls")),
                };
            }
            (Some(status), _) => return Err(format!("it answered {status}")),
            (None, Some(error)) => return Err(format!("it did not answer: {error}")),
            (None, None) => return Err("it did not answer".to_owned()),
        }
        let (asked, made) = (self.answers.len(), exchange.calls.len());
        if made != asked {
            let s = if asked == 1 { " was" } else { "s were" };
            return Err(format!("{asked} call{s} asked for, and {made} were made"));
        }
        (self.judge)(exchange)
    }
}
