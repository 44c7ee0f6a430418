//! What a server writes to standard error: its end is kept for error messages, all of it goes to the log at debug.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::secret::Scrubber;

/// The most bytes that are kept.
const MAX_KEPT_BYTES: usize = 4 << 10;

/// The most bytes of one line that are looked at. The rest of the line is passed over.
const MAX_LINE_BYTES: usize = 8 << 10;

/// The most characters of one line that are shown.
const MAX_SHOWN: usize = 1000;

/// Reads it until it ends, or until this is dropped.
pub(super) struct Stderr {
    kept: Arc<Mutex<Kept>>,
    ended: CancellationToken,
    reader: AbortHandle,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<String>,
    bytes: usize,
}

impl Stderr {
    pub(super) fn new(mut pipe: Receiver, id: &str, scrubber: Arc<Scrubber>) -> Self {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let ended = CancellationToken::new();
        let mut lines = Lines { line: Vec::new(), id: id.to_owned(), scrubber, kept: kept.clone() };
        let end = ended.clone().drop_guard();
        let read = async move {
            let _end = end;
            let mut buffer = vec![0; 4 << 10];
            while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
                lines.take(&buffer[..count]);
            }
            lines.finish();
        };
        Self { kept, ended, reader: tokio::spawn(read).abort_handle() }
    }

    /// Waits until all of it was read.
    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// The last lines.
    pub(super) fn tail(&self) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Stderr {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

struct Lines {
    /// What has come of the line so far.
    line: Vec<u8>,
    id: String,
    scrubber: Arc<Scrubber>,
    kept: Arc<Mutex<Kept>>,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = MAX_LINE_BYTES - self.line.len();
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.finish();
            }
        }
    }

    /// Secrets are looked for in whole lines, so that none is missed for being cut in two.
    fn finish(&mut self) {
        let line = self.scrubber.clean(String::from_utf8_lossy(&self.line).trim_end());
        self.line.clear();
        if line.is_empty() {
            return;
        }
        let line: String = line.chars().take(MAX_SHOWN).collect();
        tracing::debug!(server = self.id, "{line}");
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += line.len();
        kept.lines.push_back(line);
        while kept.bytes > MAX_KEPT_BYTES {
            let Some(oldest) = kept.lines.pop_front() else { break };
            kept.bytes -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_without_secrets_and_bounded() {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let mut scrubber = Scrubber::default();
        scrubber.add("sk-0123456789");
        let (id, scrubber) = ("x".to_owned(), Arc::new(scrubber));
        let mut lines = Lines { line: Vec::new(), id, scrubber, kept: kept.clone() };
        lines.take(&vec![b'x'; 1 << 20]);
        lines.take(b"\nthe key is sk-01234");
        lines.take(b"56789\r\n\nlast");
        lines.finish();
        assert_eq!(
            kept.lock().unwrap().lines,
            ["x".repeat(MAX_SHOWN), "the key is [hidden]".to_owned(), "last".to_owned()]
        );
        for n in 0..10_000 {
            lines.take(format!("{n}\n").as_bytes());
        }
        let kept = kept.lock().unwrap();
        assert_eq!(kept.lines.back().unwrap(), "9999");
        assert_eq!(kept.bytes, kept.lines.iter().map(String::len).sum::<usize>());
        assert!(kept.bytes <= MAX_KEPT_BYTES);
    }
}
