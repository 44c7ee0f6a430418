//! A command from its start to its end: its output taken as it comes.

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt;
use kernel::tool::Cancelled;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};
use wire::OutputStream;

use super::output::{Decoder, Live, PIECE_BYTES, Transcript};
use super::process::{Exit, Group, Process};

/// How long a command that was killed may take to be gone before its call ends without it.
pub(super) const DYING: Duration = Duration::from_millis(250);

/// The most bytes that are still read from each pipe when a command has ended: a pipe holds no more, but something that
/// has left the group may go on writing.
const MAX_LEFT_BYTES: usize = 1 << 20;

/// How a run ended.
pub(super) enum End {
    /// The shell ended; how, if that could be learnt.
    Exited(Option<Exit>),
    TimedOut,
    Aborted,
}

/// A command that runs. Dropping it kills it.
pub(super) struct Run {
    exit: oneshot::Receiver<Exit>,
    group: Group,
    output: Output,
}

impl Run {
    pub(super) fn new(process: Process, live: Live) -> io::Result<Self> {
        let Process { stdout, stderr, exit, group } = process;
        let output = Output {
            stdout: Pipe::new(stdout, OutputStream::Stdout)?,
            stderr: Pipe::new(stderr, OutputStream::Stderr)?,
            transcript: Transcript::default(),
            live,
        };
        Ok(Self { exit, group, output })
    }

    /// Waits for the shell, not for the pipes: what has left the group may hold them for ever.
    pub(super) async fn finish(mut self, deadline: Instant, cancelled: Cancelled) -> (Transcript, End) {
        let mut stop = pin!(async {
            tokio::select! {
                () = cancelled => End::Aborted,
                () = sleep_until(deadline) => End::TimedOut,
            }
        });
        let end = tokio::select! {
            biased;
            exit = &mut self.exit => End::Exited(exit.ok()),
            end = &mut stop => end,
            never = self.output.pump() => match never {},
        };
        if !matches!(end, End::Exited(_)) {
            self.group.kill();
            let _ = timeout(DYING, &mut self.exit).await;
        }
        // All that the group has written is in the pipes by now.
        self.output.take_what_is_left();
        let flush = self.output.live.flush();
        match end {
            End::Exited(_) => {
                tokio::select! {
                    () = flush => {}
                    _ = stop => {}
                }
            }
            End::TimedOut | End::Aborted => drop(flush.now_or_never()),
        }
        (self.output.transcript, end)
    }
}

/// Both pipes of a command, and where what comes out of them goes.
struct Output {
    stdout: Pipe,
    stderr: Pipe,
    transcript: Transcript,
    live: Live,
}

impl Output {
    /// Moves output for as long as it is polled. Reads no faster than live output is taken, so that a command that
    /// floods has to wait.
    async fn pump(&mut self) -> Infallible {
        loop {
            tokio::select! {
                text = self.stdout.read(), if self.stdout.is_open => self.take(OutputStream::Stdout, &text),
                text = self.stderr.read(), if self.stderr.is_open => self.take(OutputStream::Stderr, &text),
                () = self.live.due() => self.live.flush().await,
            }
            if self.live.is_full() {
                self.live.flush().await;
            }
        }
    }

    fn take(&mut self, stream: OutputStream, text: &str) {
        self.transcript.push(text);
        self.live.push(stream, text);
    }

    fn take_what_is_left(&mut self) {
        let Self { stdout, stderr, transcript, live } = self;
        for pipe in [stdout, stderr] {
            let stream = pipe.stream;
            pipe.drain(|text| {
                transcript.push(text);
                live.push(stream, text);
            });
        }
    }
}

/// One pipe of a command.
struct Pipe {
    receiver: Receiver,
    stream: OutputStream,
    decoder: Decoder,
    is_open: bool,
    buffer: Box<[u8; PIECE_BYTES]>,
}

impl Pipe {
    fn new(end: OwnedFd, stream: OutputStream) -> io::Result<Self> {
        Ok(Self {
            receiver: Receiver::from_owned_fd(end)?,
            stream,
            decoder: Decoder::default(),
            is_open: true,
            buffer: Box::new([0; PIECE_BYTES]),
        })
    }

    /// The next whole characters; none of them when there was only a part of one, or at the end. Can be dropped at any
    /// time without losing any.
    async fn read(&mut self) -> String {
        loop {
            let read = match self.receiver.readable().await {
                Ok(()) => self.receiver.try_read(&mut *self.buffer),
                Err(error) => Err(error),
            };
            match read {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Ok(0) | Err(_) => {
                    self.is_open = false;
                    return self.decoder.finish();
                }
                Ok(count) => return self.decoder.decode(&self.buffer[..count]),
            }
        }
    }

    /// Takes what is in the pipe now, without waiting for more.
    fn drain(&mut self, mut take: impl FnMut(&str)) {
        let mut taken = 0;
        while self.is_open && taken < MAX_LEFT_BYTES {
            // Asks the system itself: the runtime may not know yet that there is something.
            match rustix::io::read(&self.receiver, &mut *self.buffer) {
                Err(rustix::io::Errno::INTR) => {}
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    taken += count;
                    take(&self.decoder.decode(&self.buffer[..count]));
                }
            }
        }
        take(&self.decoder.finish());
    }
}
