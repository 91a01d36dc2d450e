//! What a middleware is made of: settings to decide, or an instance that there is already.

use std::sync::{Arc, OnceLock};

use crate::{Config, Towline};

/// The settings of a middleware while it is being built, and the instance that its clones share.
///
/// Layers and client middleware hold one: nothing is decided, or logged, before the first of them
/// is really used.
///
/// ```
/// use towline_core::Setup;
///
/// let setup = Setup::default().config(|config| config.service_name("shop"));
/// let clone = setup.clone();
/// assert_eq!(&*setup.towline().settings().service_name, "shop");
/// assert!(std::ptr::eq(setup.towline().counters(), clone.towline().counters()));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// None as long as nothing is set: then the environment's instance serves.
    config: Option<Config>,
    made: Arc<OnceLock<Towline>>,
}

impl Setup {
    /// Changes the settings. What was made of the old ones stays with whoever has it.
    #[must_use]
    pub fn config(self, change: impl FnOnce(Config) -> Config) -> Self {
        Self {
            config: Some(change(self.config.unwrap_or_default())),
            made: Arc::default(),
        }
    }

    /// The instance, made when it is first asked for.
    #[must_use]
    pub fn towline(&self) -> Towline {
        let make = || match &self.config {
            Some(config) => Towline::new(config.clone()),
            None => Towline::of_environment(),
        };
        self.made.get_or_init(make).clone()
    }
}

impl From<&Towline> for Setup {
    fn from(towline: &Towline) -> Self {
        Self {
            config: None,
            made: Arc::new(OnceLock::from(towline.clone())),
        }
    }
}
