//! HTTP/1.1 as bytes: requests that no client would send, and a server for the calls that come back.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use towline_probe::{Case, Exchange, Head, Reply};

/// The longest message that is read, in bytes.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Runs cases: sends their requests, and answers the calls that come of them.
pub(crate) struct Harness {
    listener: TcpListener,
    url: String,
    service: String,
    wait: Duration,
}

impl Harness {
    /// `service`: its `host:port`. `wait`: how long a case may take.
    pub(crate) fn new(
        listener: TcpListener,
        service: String,
        wait: Duration,
    ) -> std::io::Result<Self> {
        Ok(Self {
            url: format!("http://{}", listener.local_addr()?),
            listener,
            service,
            wait,
        })
    }

    /// Runs a case; no other one has its number.
    pub(crate) async fn run(&self, number: usize, case: &Case) -> Exchange {
        let calls = RefCell::new(Vec::new());
        let path = format!("/case-{number}");
        let request = case.request(&self.service, &format!("{}{path}", self.url));
        let asked = async {
            let mut stream = connect(&self.service, self.wait).await?;
            // A server may refuse before it has read all, and close.
            let _ = stream.write_all(&request).await;
            // Of what breaks off, the service has to see the end.
            if !split(&request).is_some_and(|(head, body)| is_whole(&Head::read(head), body)) {
                let _ = stream.shutdown().await;
            }
            read(&mut stream).await
        };
        let answered = tokio::select! {
            answered = timeout(self.wait, asked) => answered,
            never = self.serve(case, &path, &calls) => match never {},
        };
        let mut exchange = Exchange {
            calls: calls.into_inner(),
            ..Exchange::default()
        };
        match answered {
            Ok(Ok(answer)) => {
                exchange.status = answer.status();
                exchange.answer = answer;
            }
            Ok(Err(error)) => exchange.error = Some(format!("{error:#}")),
            Err(_) => exchange.error = Some("no answer in time".to_owned()),
        }
        exchange
    }

    /// Answers calls, one at a time, for as long as it is polled.
    async fn serve(
        &self,
        case: &Case,
        path: &str,
        calls: &RefCell<Vec<Head>>,
    ) -> std::convert::Infallible {
        loop {
            let Ok((mut stream, _)) = self.listener.accept().await else {
                continue;
            };
            // A connection that says nothing holds up nobody for long.
            let Ok(Ok(call)) = timeout(Duration::from_secs(2), read(&mut stream)).await else {
                continue;
            };
            let is_of_this_case = call
                .line
                .split(' ')
                .nth(1)
                .and_then(|target| target.rsplit_once('/'))
                .is_some_and(|(before, _)| before == path);
            if !is_of_this_case {
                continue;
            }
            let reply = case.reply(calls.borrow().len(), &call);
            calls.borrow_mut().push(call);
            if let Reply::Answer { status, clocks } = reply {
                let clocks: String = clocks
                    .iter()
                    .map(|clock| format!("raceway-clock: {clock}\r\n"))
                    .collect();
                let answer = format!(
                    "HTTP/1.1 {status} Kit\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n{clocks}\r\n{{}}"
                );
                // Who called may have gone.
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        }
    }
}

/// A connection to `host:port`.
pub(crate) async fn connect(place: &str, wait: Duration) -> anyhow::Result<TcpStream> {
    let connected = timeout(wait, TcpStream::connect(place)).await;
    Ok(connected.context("no connection in time")??)
}

/// Reads a message with its body; gives its head.
async fn read(stream: &mut TcpStream) -> anyhow::Result<Head> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 8192]);
    loop {
        if let Some((head, body)) = split(&bytes) {
            let head = Head::read(head);
            if is_whole(&head, body) {
                return Ok(head);
            }
        }
        match stream.read(&mut chunk).await? {
            0 => {
                // A body that lasts until the connection ends.
                let Some((head, _)) = split(&bytes) else {
                    bail!("the connection was closed");
                };
                return Ok(Head::read(head));
            }
            _ if bytes.len() > MESSAGE_BYTES_MAX => bail!("the message is too long"),
            read => bytes.extend_from_slice(chunk.get(..read).unwrap_or_default()),
        }
    }
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some((bytes.get(..end)?, bytes.get(end + 4..)?))
}

fn is_whole(head: &Head, body: &[u8]) -> bool {
    if head.all("transfer-encoding").contains(&"chunked") {
        return body.ends_with(b"0\r\n\r\n");
    }
    let length = head
        .all("content-length")
        .first()
        .and_then(|length| length.parse().ok());
    match length {
        Some(length) => body.len() >= length,
        // A request without a length has no body; an answer lasts until the connection ends.
        None => head.status().is_none(),
    }
}
