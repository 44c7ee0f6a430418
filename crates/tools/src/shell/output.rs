//! What a command writes: decoded, kept for the result, and passed on while it runs.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::time::Duration;

use futures_channel::mpsc;
use kernel::ToolOutput;
use tokio::time::Instant;
use wire::OutputStream;

/// Turns bytes into whole characters. What is no UTF-8 becomes U+FFFD; a character that is cut off waits for its rest.
#[derive(Default)]
pub(super) struct Decoder {
    /// At most three bytes: the beginning of a character.
    rest: Vec<u8>,
}

impl Decoder {
    pub(super) fn decode(&mut self, bytes: &[u8]) -> String {
        let mut bytes = [std::mem::take(&mut self.rest).as_slice(), bytes].concat();
        let whole = bytes.len() - cut_off(&bytes);
        self.rest = bytes.split_off(whole);
        match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }
    }

    /// What is left when nothing more comes.
    pub(super) fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.rest)).into_owned()
    }
}

/// How many bytes at the end are the beginning of a character that is not complete.
fn cut_off(bytes: &[u8]) -> usize {
    (1..=bytes.len().min(3))
        .find(|count| {
            let end = &bytes[bytes.len() - count..];
            std::str::from_utf8(end)
                .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .unwrap_or(0)
}

/// The output for the result: the beginning and the end of it, however long it gets.
#[derive(Default)]
pub(super) struct Transcript {
    head: String,
    head_chars: usize,
    /// The latest characters after the head; up to twice as many as are kept in the end.
    tail: String,
    tail_chars: usize,
    /// How many characters have been left out of the tail.
    dropped: u64,
}

/// The most characters of a result, but for its notes.
const MAX_CHARS: usize = 50_000;

/// How many of them are from the beginning. The end gets more: errors and summaries stand there.
const HEAD_CHARS: usize = 20_000;
const TAIL_CHARS: usize = MAX_CHARS - HEAD_CHARS;

impl Transcript {
    pub(super) fn push(&mut self, text: &str) {
        let split = char_boundary(text, HEAD_CHARS - self.head_chars);
        let (head, tail) = text.split_at(split);
        self.head.push_str(head);
        self.head_chars += head.chars().count();
        self.tail.push_str(tail);
        self.tail_chars += tail.chars().count();
        if self.tail_chars > 2 * TAIL_CHARS {
            self.shorten();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// All of it, or its beginning and end with a note between them.
    pub(super) fn into_text(mut self) -> String {
        if self.tail_chars > TAIL_CHARS {
            self.shorten();
        }
        if self.dropped == 0 {
            return self.head + &self.tail;
        }
        let total = MAX_CHARS as u64 + self.dropped;
        format!(
            "{}\n[output cut: {} of {total} characters are left out here]\n{}",
            self.head, self.dropped, self.tail
        )
    }

    fn shorten(&mut self) {
        let excess = self.tail_chars - TAIL_CHARS;
        self.tail.drain(..char_boundary(&self.tail, excess));
        self.tail_chars = TAIL_CHARS;
        self.dropped += excess as u64;
    }
}

/// Where the character of that number begins, or the end.
fn char_boundary(text: &str, chars: usize) -> usize {
    text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at)
}

/// The most bytes of one piece of live output.
pub(super) const PIECE_BYTES: usize = 8 << 10;

/// How long output waits for more to go with it. The first after a pause does not wait.
const GATHER: Duration = Duration::from_millis(20);

/// Output on its way to whoever watches.
pub(super) struct Live {
    sender: mpsc::Sender<ToolOutput>,
    queue: VecDeque<ToolOutput>,
    queued_bytes: usize,
    /// When what is queued is to go.
    due: Instant,
    /// How many bytes may still be queued.
    left: usize,
}

impl Live {
    pub(super) fn new(sender: mpsc::Sender<ToolOutput>, limit: usize) -> Self {
        Self { sender, queue: VecDeque::new(), queued_bytes: 0, due: Instant::now(), left: limit }
    }

    pub(super) fn push(&mut self, stream: OutputStream, text: &str) {
        if self.left == 0 || text.is_empty() || self.sender.is_closed() {
            return;
        }
        let shown = &text[..text.floor_char_boundary(self.left)];
        self.append(stream, shown);
        if shown.len() < text.len() {
            self.left = 0;
            self.append(stream, "\n[live output ends here; the command goes on]\n");
        } else {
            self.left -= shown.len();
        }
    }

    fn append(&mut self, stream: OutputStream, mut text: &str) {
        self.queued_bytes += text.len();
        if let Some(last) = self.queue.back_mut().filter(|last| last.stream == stream) {
            let room = PIECE_BYTES.saturating_sub(last.data.len());
            let (fits, rest) = text.split_at(text.floor_char_boundary(room));
            last.data.push_str(fits);
            text = rest;
        }
        while !text.is_empty() {
            let (piece, rest) = text.split_at(text.floor_char_boundary(PIECE_BYTES));
            self.queue.push_back(ToolOutput { stream, data: piece.to_owned() });
            text = rest;
        }
    }

    /// Whether nothing more should be read before what is queued is sent.
    pub(super) fn is_full(&self) -> bool {
        self.queued_bytes >= PIECE_BYTES
    }

    /// Waits until what is queued should be sent: for ever when there is nothing.
    pub(super) async fn due(&self) {
        if self.queue.is_empty() {
            return std::future::pending().await;
        }
        if !self.is_full() {
            tokio::time::sleep_until(self.due).await;
        }
    }

    /// Sends what is queued, as fast as it is taken. Loses nothing when it is dropped half-way.
    pub(super) async fn flush(&mut self) {
        while !self.queue.is_empty() {
            let ready = poll_fn(|cx| self.sender.poll_ready(cx)).await;
            let Some(piece) = self.queue.pop_front() else { break };
            self.queued_bytes -= piece.data.len();
            if ready.and_then(|()| self.sender.start_send(piece)).is_err() {
                // Nobody watches any more.
                self.queue.clear();
                self.queued_bytes = 0;
            }
        }
        self.due = Instant::now() + GATHER;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_character_is_whole_wherever_its_bytes_are_cut() {
        let text = "aé€😀z";
        for cut in 0..=text.len() {
            let (first, second) = text.as_bytes().split_at(cut);
            let mut decoder = Decoder::default();
            let decoded = [decoder.decode(first), decoder.decode(second), decoder.finish()];
            assert_eq!(decoded.concat(), text);
            assert!(
                !decoded[0].contains('\u{fffd}') && !decoded[1].contains('\u{fffd}'),
                "{cut}: {decoded:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_decode_as_a_whole(pieces in prop::collection::vec(prop::collection::vec(
            prop::sample::select(vec![b'a', b'\n', 0x80, 0xbf, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xed, 0xa0, 0xf0, 0x9f,
                0x98, 0xff]), 0..6), 0..8)) {
            let mut decoder = Decoder::default();
            let mut decoded = String::new();
            for piece in &pieces {
                decoded += &decoder.decode(piece);
                prop_assert!(decoder.rest.len() <= 3);
            }
            decoded += &decoder.finish();
            prop_assert_eq!(decoded, String::from_utf8_lossy(&pieces.concat()).into_owned());
        }

        #[test]
        fn a_transcript_keeps_all_or_both_ends(lengths in prop::collection::vec(0..30_000_usize, 0..12)) {
            let mut transcript = Transcript::default();
            let mut chars = Vec::new();
            for length in lengths {
                let piece: String = (0..length).map(|_| ['a', 'é', '😀'][chars.len() % 3]).collect();
                chars.extend(piece.chars());
                transcript.push(&piece);
                prop_assert!(transcript.tail.capacity() <= 4 * 8 * MAX_CHARS);
            }
            let text = transcript.into_text();
            if chars.len() <= MAX_CHARS {
                prop_assert_eq!(text, chars.into_iter().collect::<String>());
            } else {
                let head: String = chars[..HEAD_CHARS].iter().collect();
                let tail: String = chars[chars.len() - TAIL_CHARS..].iter().collect();
                let note = format!(
                    "\n[output cut: {} of {} characters are left out here]\n",
                    chars.len() - MAX_CHARS,
                    chars.len()
                );
                prop_assert_eq!(text, head + &note + &tail);
            }
        }
    }

    fn piece(stream: OutputStream, data: &str) -> ToolOutput {
        ToolOutput { stream, data: data.to_owned() }
    }

    #[tokio::test]
    async fn live_output_is_gathered_by_stream_and_cut_into_pieces() {
        let (sender, receiver) = mpsc::channel(100);
        let mut live = Live::new(sender, 1 << 20);
        live.push(OutputStream::Stdout, "a");
        live.push(OutputStream::Stdout, "b");
        live.push(OutputStream::Stderr, "c");
        live.push(OutputStream::Stdout, "");
        live.push(OutputStream::Stdout, &"€".repeat(5000));
        live.flush().await;
        drop(live);
        let received: Vec<_> = receiver.collect().await;
        let per_piece = PIECE_BYTES / 3;
        assert_eq!(
            received,
            [
                piece(OutputStream::Stdout, "ab"),
                piece(OutputStream::Stderr, "c"),
                piece(OutputStream::Stdout, &"€".repeat(per_piece)),
                piece(OutputStream::Stdout, &"€".repeat(5000 - per_piece)),
            ]
        );
    }

    #[tokio::test]
    async fn live_output_ends_at_its_limit_and_says_so() {
        let (sender, receiver) = mpsc::channel(100);
        let mut live = Live::new(sender, 4);
        live.push(OutputStream::Stdout, "abc");
        live.push(OutputStream::Stdout, "éfg");
        live.push(OutputStream::Stderr, "h");
        live.flush().await;
        drop(live);
        let received: Vec<_> = receiver.collect().await;
        assert_eq!(
            received,
            [piece(OutputStream::Stdout, "abc\n[live output ends here; the command goes on]\n")]
        );
    }

    #[tokio::test]
    async fn a_flush_that_is_dropped_half_way_loses_nothing() {
        let (sender, mut receiver) = mpsc::channel(0);
        let mut live = Live::new(sender, 1 << 20);
        live.push(OutputStream::Stdout, "1");
        live.push(OutputStream::Stderr, "2");
        live.push(OutputStream::Stdout, "3");
        assert_eq!(live.flush().now_or_never(), None, "nobody takes the second piece");
        assert_eq!(receiver.next().await, Some(piece(OutputStream::Stdout, "1")));
        let (rest, ()) = tokio::join!(receiver.by_ref().take(2).collect::<Vec<_>>(), live.flush());
        assert_eq!(rest, [piece(OutputStream::Stderr, "2"), piece(OutputStream::Stdout, "3")]);
    }

    #[tokio::test]
    async fn output_that_nobody_watches_is_dropped() {
        let (sender, receiver) = mpsc::channel(0);
        let mut live = Live::new(sender, 1 << 20);
        live.push(OutputStream::Stdout, "1");
        drop(receiver);
        live.flush().await;
        live.push(OutputStream::Stdout, "2");
        assert_eq!(live.queue, []);
    }
}
