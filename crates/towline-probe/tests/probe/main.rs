//! The checker against services in memory: every fault is found, and nothing else is.

mod faults;
mod healthy;
mod random;
mod render;
mod simulation;
mod strange;
mod wire;
