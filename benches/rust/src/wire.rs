//! A client of HTTP/1.1 that costs little: requests are written as they are, answers read just so
//! far as must be.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::inbound::Inbound;

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(10);
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A connection that is kept.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// What has come and was not taken yet.
    buffer: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    pub(crate) fn send(&mut self, request: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(request)?)
    }

    /// Waits for the answer, and drops it.
    pub(crate) fn skip_answer(&mut self) -> Result<()> {
        let head = self.take_head()?;
        ensure!(head.starts_with(b"HTTP/1.1 200 "), "not answered with 200");
        self.take_body(&head)?;
        Ok(())
    }

    /// Sends a request and waits for its answer.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Result<Answer> {
        self.send(request)?;
        let head = self.take_head()?;
        let body = self.take_body(&head)?;
        let head = String::from_utf8(head)?;
        ensure!(head.starts_with("HTTP/1.1 200 "), "answered {head}");
        let mut headers = HeaderMap::new();
        for line in head.lines().skip(1).filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").context("a field has a name")?;
            headers.append(HeaderName::try_from(name)?, HeaderValue::from_str(value)?);
        }
        Ok(Answer {
            headers,
            body: String::from_utf8(body)?,
        })
    }

    /// Status line and fields, with the empty line.
    fn take_head(&mut self) -> Result<Vec<u8>> {
        loop {
            let end = self
                .buffer
                .windows(4)
                .position(|window| window == b"\r\n\r\n");
            if let Some(end) = end {
                return Ok(self.buffer.drain(..end + 4).collect());
            }
            ensure!(self.buffer.len() <= HEAD_BYTES_MAX, "an endless head");
            self.read()?;
        }
    }

    fn take_body(&mut self, head: &[u8]) -> Result<Vec<u8>> {
        let head = std::str::from_utf8(head)?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.context("no content-length")?.parse()?;
        ensure!(length <= HEAD_BYTES_MAX, "a body of {length} bytes");
        while self.buffer.len() < length {
            self.read()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn read(&mut self) -> Result<()> {
        let mut chunk = [0; 4096];
        let count = self.stream.read(&mut chunk)?;
        if count == 0 {
            bail!("the server closed the connection");
        }
        self.buffer.extend(chunk.iter().take(count));
        Ok(())
    }
}

/// A request as it stands on the wire.
pub(crate) fn get(path: &str, inbound: Option<&Inbound>) -> Vec<u8> {
    let headers = inbound.map(Inbound::headers).unwrap_or_default();
    let mut text = format!("GET {path} HTTP/1.1\r\n").into_bytes();
    for (name, value) in &headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text
}
