//! One configured instance: settings, observers, counters.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::clock::{Clock, CutError};
use crate::observer::{Observer, Reason};
use crate::strand::Component;
use crate::{Config, Counters, Settings, TraceFlags};

/// One configured instance: its settings, observers and counters. Cheap to clone.
///
/// Nothing has to be set globally: a middleware makes its own, or takes the default one.
///
/// ```
/// use towline_core::{Config, Context, Peer, Towline};
///
/// let towline = Towline::new(Config::new().service_name("stock").instance("1"));
/// let headers = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")];
/// let context = towline.accept(headers.as_slice(), &Peer::default());
/// assert_eq!(context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
/// context.scope(|| assert_eq!(Context::current().map(|c| c.span_id()), Some(context.span_id())));
/// ```
#[derive(Clone)]
pub struct Towline(Arc<Parts>);

struct Parts {
    settings: Settings,
    component: Component,
    counters: Counters,
    withheld_before: AtomicBool,
    made_at: Instant,
}

impl Towline {
    /// Decides the settings (options in code, then the environment, then defaults), and says once
    /// what will be extracted and injected.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let settings = config.resolve_env();
        let component = Component::new(&settings.service_name, &settings.instance);
        let towline = Self(Arc::new(Parts {
            settings,
            component,
            counters: Counters::default(),
            withheld_before: AtomicBool::new(false),
            made_at: Instant::now(),
        }));
        towline.introduce();
        towline
    }

    /// The instance that is made of the environment alone, when it is first asked for.
    #[must_use]
    pub fn of_environment() -> Self {
        static DEFAULT: OnceLock<Towline> = OnceLock::new();
        DEFAULT.get_or_init(|| Self::new(Config::new())).clone()
    }

    fn introduce(&self) {
        let settings = self.settings();
        if settings.disabled {
            tracing::info!(target: "towline", "towline is disabled: nothing is extracted or injected");
            return;
        }
        tracing::info!(
            target: "towline",
            service = %settings.service_name,
            instance = %settings.instance,
            clock = settings.clock.as_str(),
            clocks_to = %settings.propagate_to,
            propagators = %settings.propagators,
            deadlines = settings.deadlines,
            probe = settings.probe.as_str(),
            "towline extracts and injects traceparent, tracestate, raceway-clock"
        );
    }

    /// What was decided.
    #[inline]
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// What has been counted so far.
    #[inline]
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Whether it does anything at all.
    #[inline]
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        !self.0.settings.disabled
    }

    /// This service and instance, as they stand in clocks.
    #[must_use]
    pub fn component(&self) -> &Component {
        &self.0.component
    }

    pub(crate) fn made_at(&self) -> Instant {
        self.0.made_at
    }

    pub(crate) fn new_trace_flags(&self) -> TraceFlags {
        if self.settings().sampled {
            TraceFlags::RANDOM | TraceFlags::SAMPLED
        } else {
            TraceFlags::RANDOM
        }
    }

    /// Whether clocks may go to that host. The first time that one may not is logged, all are
    /// counted.
    pub(crate) fn may_carry_clock(&self, host: &str) -> bool {
        let allowed = self.settings().propagate_to.allows(host);
        if !allowed {
            self.dropped(Reason::SendWithheld);
            if !self.0.withheld_before.swap(true, Ordering::Relaxed) {
                tracing::info!(
                    target: "towline",
                    host,
                    "no clock is sent to this host: it is not local, nor in TOWLINE_PROPAGATE_TO"
                );
            }
        }
        allowed
    }

    /// A clock that may be sent, and whether it was cut; counts what was cut, or is not sent.
    pub(crate) fn sendable(
        &self,
        header: Result<(Clock, bool), CutError>,
    ) -> Option<(Clock, bool)> {
        if let Ok((_, true)) = header {
            self.dropped(Reason::SendCut);
        }
        let refused = |error| match error {
            CutError::TooLong => Reason::SendTooLong,
            CutError::OverLimits => Reason::SendOverLimits,
        };
        header.map_err(|error| self.dropped(refused(error))).ok()
    }

    pub(crate) fn dropped(&self, reason: Reason) {
        self.observe(|observer| observer.on_dropped(reason));
    }

    /// Tells the counters and all observers.
    pub(crate) fn observe(&self, tell: impl Fn(&dyn Observer)) {
        tell(&self.0.counters);
        tell(&self.0.settings.observers);
    }
}

impl fmt::Debug for Towline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Towline")
            .field("component", &self.0.component)
            .finish_non_exhaustive()
    }
}
