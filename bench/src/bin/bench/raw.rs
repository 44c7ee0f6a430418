//! A WebSocket that is read as cheaply as possible, so that what is measured is the other end.

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client's end of a WebSocket on this machine. It trusts the server.
pub(crate) struct Socket {
    tcp: TcpStream,
    received: Vec<u8>,
}

impl Socket {
    /// Connects to an address of the form `ws://127.0.0.1:port/`.
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        let host =
            url.strip_prefix("ws://").and_then(|rest| rest.strip_suffix('/')).context("not an address")?;
        let mut tcp = TcpStream::connect(host).await?;
        let request = format!(
            "GET / HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        tcp.write_all(request.as_bytes()).await?;
        let mut received = Vec::with_capacity(16 << 10);
        loop {
            ensure!(tcp.read_buf(&mut received).await? > 0, "the server closed the connection");
            if let Some(end) = memmem::find(&received, b"\r\n\r\n") {
                ensure!(received.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&received));
                received.drain(..end + 4);
                return Ok(Self { tcp, received });
            }
        }
    }

    /// Sends a text frame of less than 126 bytes.
    pub(crate) async fn send(&mut self, text: &str) -> Result<()> {
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).context("too long")?;
        // A client has to mask what it sends. This mask changes nothing.
        let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        Ok(self.tcp.write_all(&frame).await?)
    }

    /// Reads until these words are there: when that was, and all frames up to and including theirs.
    pub(crate) async fn until(&mut self, words: &str) -> Result<(Instant, Frames)> {
        let mut from = 0;
        while memmem::find(&self.received[from..], words.as_bytes()).is_none() {
            from = self.received.len().saturating_sub(words.len());
            ensure!(self.tcp.read_buf(&mut self.received).await? > 0, "the server closed the connection");
        }
        let at = Instant::now();
        loop {
            let (mut frames, mut rest) = (0, self.received.as_slice());
            while let Some(frame) = Frame::first(rest)? {
                frames += rest.len() - frame.after.len();
                rest = frame.after;
                if memmem::find(frame.content, words.as_bytes()).is_some() {
                    let rest = self.received.split_off(frames);
                    return Ok((at, Frames(std::mem::replace(&mut self.received, rest))));
                }
            }
            ensure!(self.tcp.read_buf(&mut self.received).await? > 0, "the server closed the connection");
        }
    }
}

/// Frames as they came.
pub(crate) struct Frames(Vec<u8>);

impl Frames {
    /// The texts in them.
    pub(crate) fn texts(&self) -> Result<Vec<&str>> {
        let (mut texts, mut rest) = (Vec::new(), self.0.as_slice());
        while let Some(Frame { kind, content, after }) = Frame::first(rest)? {
            match kind {
                Frame::TEXT => texts.push(std::str::from_utf8(content)?),
                Frame::PING => {}
                kind => bail!("a frame of kind {kind:#x} is not expected here"),
            }
            rest = after;
        }
        Ok(texts)
    }
}

/// One frame, and what comes after it.
struct Frame<'b> {
    kind: u8,
    content: &'b [u8],
    after: &'b [u8],
}

impl<'b> Frame<'b> {
    /// Text, whole.
    const TEXT: u8 = 0x81;
    const PING: u8 = 0x89;

    /// The first frame; none if it is not complete.
    fn first(bytes: &'b [u8]) -> Result<Option<Self>> {
        let Some((&[kind, length], rest)) = bytes.split_first_chunk() else { return Ok(None) };
        let (length, rest) = match length {
            126 => match rest.split_first_chunk() {
                Some((length, rest)) => (usize::from(u16::from_be_bytes(*length)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((length, rest)) => (usize::try_from(u64::from_be_bytes(*length))?, rest),
                None => return Ok(None),
            },
            short => (usize::from(short), rest),
        };
        Ok(rest.split_at_checked(length).map(|(content, after)| Self { kind, content, after }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: u8, content: &str) -> Vec<u8> {
        let mut frame = vec![kind];
        match u16::try_from(content.len()) {
            Ok(length) if length < 126 => frame.push(content.len() as u8),
            Ok(length) => {
                frame.push(126);
                frame.extend(length.to_be_bytes());
            }
            Err(_) => {
                frame.push(127);
                frame.extend((content.len() as u64).to_be_bytes());
            }
        }
        frame.extend(content.as_bytes());
        frame
    }

    #[test]
    fn frames_of_every_length_are_read() {
        let texts = ["a".to_owned(), "b".repeat(126), "c".repeat(70_000), String::new()];
        let mut bytes = of(Frame::PING, "");
        texts.iter().for_each(|text| bytes.extend(of(Frame::TEXT, text)));
        assert_eq!(Frames(bytes.clone()).texts().unwrap(), texts);
        // What is cut off is not there yet.
        for end in 0..of(Frame::TEXT, &texts[1]).len() {
            assert!(Frame::first(&of(Frame::TEXT, &texts[1])[..end]).unwrap().is_none(), "{end}");
        }
        assert!(Frames(of(0x88, "")).texts().is_err());
    }
}
