//! Where services are, and what is there.

use std::collections::HashMap;
use std::path::PathBuf;

use reqwest::Client;

use super::name::Name;
use super::state::{Record, State};
use crate::args::{PortOf, StateArg};
use crate::failure::Failure;
use crate::http::{Found, health};

/// Who started a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartedBy {
    /// `towline demo up`.
    Up,
    /// A `towline demo run` that is under way and will stop it.
    Run,
    /// Somebody else: it is left alone.
    Other,
}

impl StartedBy {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "towline demo up",
            Self::Run => "towline demo run",
            Self::Other => "somebody else",
        }
    }
}

/// A service's place and what is there.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) name: Name,
    pub(crate) url: String,
    pub(crate) found: Found,
    pub(crate) pid: Option<u32>,
    pub(crate) by: Option<StartedBy>,
    pub(crate) log: Option<PathBuf>,
}

impl Place {
    pub(crate) fn is_healthy(&self) -> bool {
        matches!(self.found, Found::Healthy(_))
    }

    pub(crate) fn of_record(record: Record, url: String, found: Found) -> Self {
        let by = if record.owner.is_some() {
            StartedBy::Run
        } else {
            StartedBy::Up
        };
        Self {
            name: record.name,
            url,
            found,
            pid: Some(record.process.pid()),
            by: Some(by),
            log: Some(record.log),
        }
    }
}

/// Looks where `up` has each service, else at its port.
pub(crate) async fn look(
    client: &Client,
    state: &State,
    names: &[Name],
    ports: &[PortOf],
) -> Result<Vec<Place>, Failure> {
    let records = state.records()?;
    let mut places = Vec::new();
    for &name in names {
        places.push(look_for(client, &records, name, port(name, ports)).await);
    }
    Ok(places)
}

/// The port that was asked for, else the service's own.
pub(crate) fn port(name: Name, ports: &[PortOf]) -> u16 {
    ports
        .iter()
        .rev()
        .find(|port| port.name == name)
        .map_or(name.port(), |port| port.port)
}

async fn look_for(client: &Client, records: &[Record], name: Name, port: u16) -> Place {
    let alive = records
        .iter()
        .filter(|record| record.name == name && record.process.is_alive() && !record.is_orphan());
    let (of_runs, of_up): (Vec<&Record>, Vec<&Record>) =
        alive.partition(|record| record.owner.is_some());
    if let Some((record, url)) = of_up
        .iter()
        .find_map(|record| Some((*record, record.url.clone()?)))
    {
        let found = health(client, &url).await;
        return Place::of_record(record.clone(), url, found);
    }
    let url = format!("http://127.0.0.1:{port}");
    let found = match health(client, &url).await {
        Found::Healthy(health) if health.service != name.as_str() => Found::Other(format!(
            "/health answered as {}#{}",
            health.service, health.instance
        )),
        found => found,
    };
    if let Some(record) = of_runs
        .into_iter()
        .find(|record| record.url.as_ref() == Some(&url))
    {
        return Place::of_record(record.clone(), url, found);
    }
    let by = matches!(found, Found::Healthy(_)).then_some(StartedBy::Other);
    Place {
        name,
        url,
        found,
        pid: None,
        by,
        log: None,
    }
}

/// The URLs of services by name.
#[derive(Debug, Default)]
pub(crate) struct Places(HashMap<Name, String>);

impl Places {
    /// Where `up` has services.
    pub(crate) fn known(arg: &StateArg) -> Result<Self, Failure> {
        let records = State::at(arg)?.records()?;
        let up = records
            .into_iter()
            .filter(|record| record.owner.is_none() && record.process.is_alive());
        Ok(Self(
            up.filter_map(|record| Some((record.name, record.url?)))
                .collect(),
        ))
    }

    /// These places, where they are others.
    pub(crate) fn with(mut self, places: &[Place]) -> Self {
        self.0
            .extend(places.iter().map(|place| (place.name, place.url.clone())));
        self
    }

    /// Where a service is; its own port where nobody knows better.
    pub(crate) fn url(&self, name: Name) -> String {
        self.0.get(&name).cloned().unwrap_or_else(|| name.own_url())
    }
}
