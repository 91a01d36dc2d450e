//! What services write, and what can be read from it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use towline_probe::show;

/// How much of a log's begin, and of its end, is read, in bytes.
const READ_MAX: u64 = 64 << 10;

/// Opens a log anew. It never follows a link: the folder for temporary files is everybody's.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).map_err(io::Error::other)?;
    let mut options = OpenOptions::new();
    options
        .create(true)
        .write(true)
        .truncate(true)
        .append(false)
        .mode(0o644)
        .custom_flags(no_follow);
    options.open(path)
}

/// The port that a service says it listens on: `NAME listening on 127.0.0.1:PORT`.
pub(crate) fn port(path: &Path) -> Option<u16> {
    let mut text = Vec::new();
    File::open(path)
        .ok()?
        .take(READ_MAX)
        .read_to_end(&mut text)
        .ok()?;
    let text = String::from_utf8_lossy(&text);
    // The last line may still be being written.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let (_, port) = whole
        .lines()
        .find_map(|line| line.split_once(" listening on 127.0.0.1:"))?;
    port.trim().parse().ok()
}

/// The last lines of a log, safe to print, each after a line break and an indent; empty if there are
/// none.
pub(crate) fn tail(path: &Path) -> String {
    const LINES_MAX: usize = 8;
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let end = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(end.saturating_sub(READ_MAX)))?;
        let mut text = Vec::new();
        file.take(READ_MAX).read_to_end(&mut text)?;
        Ok(text)
    };
    let text = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = lines
        .get(lines.len().saturating_sub(LINES_MAX)..)
        .unwrap_or_default();
    last.iter()
        .map(|line| format!("\n  | {}", show(line)))
        .collect()
}

/// The last line of a log, safe to print.
pub(crate) fn last_line(path: &Path) -> Option<String> {
    tail(path)
        .lines()
        .last()
        .and_then(|line| line.strip_prefix("  | "))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn log(test: &str, text: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("towline-log-{}-{test}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn the_port_is_read_from_a_whole_line() {
        for (n, (text, expected)) in [
            ("", None),
            ("go listening on 127.0.0.1:4", None),
            (
                "starting\ngo listening on 127.0.0.1:43210\nmore",
                Some(43210),
            ),
            ("go listening on 127.0.0.1:99999\n", None),
            (
                "x\n{\"msg\":\"y\"}\nrust listening on 127.0.0.1:80 \n",
                Some(80),
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let path = log(&format!("port-{n}"), text.as_bytes());
            assert_eq!(port(&path), expected, "{text}");
            std::fs::remove_file(path).unwrap();
        }
        assert_eq!(port(Path::new("/no/such/log")), None);
    }

    #[test]
    fn the_tail_is_short_and_safe() {
        let text: String = (0..100_000).map(|n| format!("line {n}\n")).collect();
        let path = log("tail", &[text.as_bytes(), b"\x1b[2Jbad\xff\n\n"].concat());
        let tail = tail(&path);
        assert_eq!(tail.lines().count(), 9);
        assert!(tail.starts_with("\n  | line 99993\n"), "{tail}");
        assert!(tail.contains(r"\u{1b}[2Jbad"), "{tail}");
        assert!(last_line(&path).unwrap().starts_with(r"\u{1b}"));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_log_is_not_written_through_a_link() {
        let target = log("target", b"kept");
        let link = std::env::temp_dir().join(format!("towline-log-{}-link", std::process::id()));
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(create(&link).is_err());
        assert_eq!(std::fs::read(&target).unwrap(), b"kept");
        std::fs::remove_file(link).unwrap();
        std::fs::remove_file(target).unwrap();
    }
}
