//! Header maps as OpenTelemetry's carriers.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Extractor, Injector};

/// The fields of a request that came.
pub(crate) struct Came<'a>(pub(crate) &'a HeaderMap);

impl Extractor for Came<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }

    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        let values: Vec<_> = self
            .0
            .get_all(key)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        (!values.is_empty()).then_some(values)
    }
}

/// The fields of a call to make.
#[derive(Default)]
pub(crate) struct Goes(pub(crate) HeaderMap);

impl Goes {
    /// The value of a field, if it is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?.to_str().expect("text");
        (!value.is_empty()).then_some(value)
    }
}

impl Injector for Goes {
    fn set(&mut self, key: &str, value: String) {
        let name = HeaderName::try_from(key).expect("a name");
        self.0
            .insert(name, HeaderValue::try_from(value).expect("a value"));
    }
}

/// The header map of these fields.
pub(crate) fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_str(value).expect("a value"));
    }
    headers
}
