//! Raceway's own crate as a peer: see `tests/peer.rs`.
