//! What messages carry a context in.

use std::collections::{BTreeMap, HashMap};

use crate::headers::{Field, Headers};

/// A map of texts that a message carries a context in: the headers of Kafka, NATS or AMQP, the
/// attributes of SQS.
///
/// There are implementations for maps and lists of pairs; others are a few lines:
///
/// ```
/// use towline_core::{Carrier, Config, Field, Headers, Peer, Towline};
///
/// #[derive(Default)]
/// struct Attributes(Vec<(String, Vec<u8>)>);
///
/// impl Headers for Attributes {
///     fn read(&self) -> impl Iterator<Item = (Field, &[u8])> {
///         self.0.as_slice().read()
///     }
/// }
///
/// impl Carrier for Attributes {
///     fn set(&mut self, name: &'static str, value: Option<String>) {
///         self.0.set(name, value);
///     }
/// }
///
/// let towline = Towline::new(Config::new());
/// let context = towline.accept::<[(&str, &str)]>(&[], &Peer::default());
/// let mut message = Attributes::default();
/// context.send_message(&mut message);
/// assert_eq!(towline.receive_message(&message).trace_id(), context.trace_id());
/// ```
pub trait Carrier: Headers {
    /// Puts the value in place of all that have that name in any case; none takes them out. `name`
    /// is in lower case.
    fn set(&mut self, name: &'static str, value: Option<String>);
}

impl<N: AsRef<str>, V: AsRef<[u8]>> Headers for Vec<(N, V)> {
    fn read(&self) -> impl Iterator<Item = (Field, &[u8])> {
        self.as_slice().read()
    }
}

impl<N: AsRef<str> + From<&'static str>, V: AsRef<[u8]> + From<String>> Carrier for Vec<(N, V)> {
    fn set(&mut self, name: &'static str, value: Option<String>) {
        self.retain(|(other, _)| !other.as_ref().eq_ignore_ascii_case(name));
        self.extend(value.map(|value| (name.into(), value.into())));
    }
}

macro_rules! of_map {
    ($map:ident, $($key:tt)+) => {
        impl<N: AsRef<str> + $($key)+, V: AsRef<[u8]>> Headers for $map<N, V> {
            fn read(&self) -> impl Iterator<Item = (Field, &[u8])> {
                self.iter().filter_map(|(name, value)| {
                    Some((Field::of_name(name.as_ref())?, value.as_ref()))
                })
            }
        }

        impl<N, V> Carrier for $map<N, V>
        where
            N: AsRef<str> + From<&'static str> + $($key)+,
            V: AsRef<[u8]> + From<String>,
        {
            fn set(&mut self, name: &'static str, value: Option<String>) {
                self.retain(|other, _| !other.as_ref().eq_ignore_ascii_case(name));
                self.extend(value.map(|value| (name.into(), value.into())));
            }
        }
    };
}

of_map!(HashMap, std::hash::Hash + Eq);
of_map!(BTreeMap, Ord);

#[cfg(feature = "http")]
impl Carrier for http::HeaderMap {
    fn set(&mut self, name: &'static str, value: Option<String>) {
        let name = http::HeaderName::from_static(name);
        match value.and_then(|value| http::HeaderValue::try_from(value).ok()) {
            Some(value) => drop(self.insert(name, value)),
            None => drop(self.remove(name)),
        }
    }
}
