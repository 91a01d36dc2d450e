//! One request through any chain of services that run Towline, and what each of them says it saw.
//!
//! The request carries `towline-probe`; the answer's `towline-hops` has the record of the service
//! that answered, with those of its callees inside (`spec/edge.md`, "Probe"). A callee that saw
//! another parent than its caller sent has something in between; a call without a record went to
//! something that does not know Towline.

mod check;
mod record;
mod report;
mod request;
mod stop;
mod text;

pub use report::TrailReport;
pub use request::{Trail, TrailAnswer};
pub use stop::Stop;
