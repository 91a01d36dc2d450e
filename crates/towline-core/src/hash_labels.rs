//! Clocks that name nobody (spec/edge.md, "Safe by default").

use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::hex;

impl Clock {
    /// The same clock with a hash in place of each name: labels are no part of any order.
    #[must_use]
    pub fn with_hashed_labels(&self) -> Self {
        let mut tree = self.tree();
        for hop in &mut tree.hops {
            hop.service = hashed(&hop.service);
            hop.instance = hashed(&hop.instance);
        }
        tree.to_clock()
    }
}

/// The first 8 hex digits of a label's SHA-256.
pub(crate) fn hashed(label: &str) -> String {
    let digest = Sha256::digest(label);
    let [a, b, c, d] = digest.first_chunk().copied().unwrap_or_default();
    let digits = hex::write8(u32::from_be_bytes([a, b, c, d]));
    digits.into_iter().map(char::from).collect()
}

/// `service#instance` of a clock of version 1, hashed part by part.
pub(crate) fn hashed_component(component: &str) -> String {
    match component.split_once('#') {
        Some((service, instance)) => format!("{}#{}", hashed(service), hashed(instance)),
        None => hashed(component),
    }
}
