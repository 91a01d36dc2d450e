//! `towline doctor`: what is off with running services and lock files, and what cures it.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use towline_probe::{Checkup, show, status_url};

use crate::Exit;
use crate::args::DoctorArgs;
use crate::demo::{Name, Places};
use crate::failure::Failure;
use crate::http::{self, Told};
use crate::out::Out;
use crate::probe::PLACES;

/// The longest lock file that is read, in bytes.
const LOCK_BYTES_MAX: u64 = 16 << 20;
/// The lock file of a folder.
const LOCK: &str = "Cargo.lock";

/// Asks all services, reads all lock files, and says what is off.
pub(crate) async fn run(args: &DoctorArgs, out: &mut Out) -> Exit {
    let mut checkup = Checkup::default();
    let places = Places::known(&args.state)?;
    let mut asked = Vec::new();
    for entry in &args.urls {
        asked.push(place(entry, &places)?);
    }
    let here = [PathBuf::from(LOCK)];
    let locks: &[PathBuf] = if args.urls.is_empty() && args.locks.is_empty() {
        &here
    } else {
        &args.locks
    };
    for path in locks {
        lock(&mut checkup, path)?;
    }
    let client = http::client().map_err(|error| Failure::system("cannot ask").because(error))?;
    let wait = Duration::from_secs(args.timeout);
    for (shown, url) in &asked {
        match http::status(&client, url, wait).await {
            Told::Status(status) => checkup.service(shown, *status),
            Told::Other(said) => checkup.no_status(shown, &said),
            Told::Nothing(reason) => checkup.not_reached(shown, &reason),
        }
    }
    if args.json {
        out.json(&checkup.json());
    } else {
        out.data(&checkup.text(out.charset));
    }
    Ok(if checkup.is_unreachable() {
        4
    } else {
        u8::from(!checkup.is_well())
    })
}

/// What is shown of a service, and where its status is. What stands behind `?` may be a secret.
fn place(entry: &str, places: &Places) -> Result<(String, String), Failure> {
    let entry = match entry.parse::<Name>() {
        Ok(name) => places.url(name),
        Err(_) => entry.to_owned(),
    };
    let url = status_url(&entry).map_err(|error| Failure::usage(error.to_string()).hint(PLACES))?;
    let shown = url.strip_suffix("/.well-known/towline").unwrap_or(&url);
    Ok((shown.to_owned(), url))
}

fn lock(checkup: &mut Checkup, path: &Path) -> Result<(), Failure> {
    let name = show(&path.display().to_string());
    let mut text = String::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(LOCK_BYTES_MAX + 1).read_to_string(&mut text));
    match read {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            return Err(Failure::bad_input(format!("{name} is not text")));
        }
        Err(error) => {
            let failure = Failure::not_found(format!("cannot read {name}")).because(error);
            return Err(failure.hint("name a running service, or a lock file with --lock"));
        }
    }
    checkup.lock(&name, &text).map_err(|error| {
        Failure::bad_input(format!("{name} is not a lock file of Cargo")).because(error)
    })
}
