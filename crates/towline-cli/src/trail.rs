//! `towline probe` of any service: one request, and the hop records of all that it came through.

use std::io::Read as _;
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use towline_core::TraceFlags;
use towline_probe::{Ids, REQUEST_BYTES_MAX, Trail, page};

use crate::Exit;
use crate::args::ProbeArgs;
use crate::demo::{Name, Places};
use crate::failure::Failure;
use crate::http::{self, Plain};
use crate::out::Out;
use crate::probe::{PLACES, exit};

/// The setting that has the services' token.
const TOKEN: &str = "TOWLINE_PROBE";

/// Sends the request, and shows what the services say they saw.
pub(crate) async fn run(args: &ProbeArgs, out: &mut Out) -> Exit {
    if args.repeat > 1 {
        let failure = Failure::usage("hop records are of one request");
        return Err(failure.hint("--repeat goes with services that offer POST /process"));
    }
    let url = url(args)?;
    let plain = request(args)?;
    let token = token()?;
    let client = http::client().map_err(|error| Failure::system("cannot send").because(error))?;
    let flags = TraceFlags::from_bits_truncate(args.flags.of(0));
    let trail = Trail::new(&url, Ids::random(), flags, &token);
    let begun = Instant::now();
    let answer = http::send_trail(&client, &trail, plain, Duration::from_secs(args.timeout)).await;
    let took = begun.elapsed();
    let report = match answer {
        Ok(answer) => trail.finish(&answer),
        Err(error) => trail.failed(&format!("{error:#}")),
    };
    let report = report.took(took);
    if args.json {
        out.json(&report.json());
    } else {
        out.data(&report.text(out.charset));
    }
    Ok(exit(report.outcome()))
}

fn url(args: &ProbeArgs) -> Result<String, Failure> {
    if let Ok(name) = args.url.parse::<Name>() {
        return Ok(format!("{}/process", Places::known(&args.state)?.url(name)));
    }
    page(&args.url).map_err(|error| Failure::usage(error.to_string()).hint(PLACES))
}

fn request(args: &ProbeArgs) -> Result<Plain, Failure> {
    let mut headers = HeaderMap::new();
    for header in &args.headers {
        headers.append(header.name.clone(), header.value.clone());
    }
    let body = args.data.as_deref().map(data).transpose()?;
    if body.is_some() && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let by_default = if body.is_some() {
        Method::POST
    } else {
        Method::GET
    };
    Ok(Plain {
        method: args.method.clone().unwrap_or(by_default),
        headers,
        body: body.unwrap_or_default(),
    })
}

/// The body, or what is in the file behind `@`.
fn data(text: &str) -> Result<Vec<u8>, Failure> {
    let Some(path) = text.strip_prefix('@') else {
        return Ok(text.into());
    };
    // One byte more than may be shows that it is too long.
    let limit = REQUEST_BYTES_MAX as u64 + 1;
    let mut body = Vec::new();
    let read = if path == "-" {
        std::io::stdin().lock().take(limit).read_to_end(&mut body)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut body))
    };
    match read {
        Err(error) => Err(Failure::not_found(format!("cannot read {path}")).because(error)),
        Ok(bytes) if bytes > REQUEST_BYTES_MAX => Err(Failure::bad_input(format!(
            "{path} is longer than {REQUEST_BYTES_MAX} bytes"
        ))),
        Ok(_) => Ok(body),
    }
}

/// The token of the services; `1` asks those that have none.
fn token() -> Result<String, Failure> {
    let set = std::env::var_os(TOKEN).filter(|token| !token.is_empty() && token != "off");
    let Some(set) = set else {
        return Ok("1".to_owned());
    };
    match set.to_str().map(str::trim) {
        Some(token) if HeaderValue::from_str(token).is_ok() => Ok(token.to_owned()),
        _ => Err(Failure::usage(format!("{TOKEN} is not one line of ASCII"))),
    }
}
