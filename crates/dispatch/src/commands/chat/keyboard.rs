//! Lines that are typed while a turn runs.
//!
//! The terminal collects a line by itself and echoes it, so nothing has to read until there is a whole one. What was
//! begun when the turn ends is still in the terminal, and becomes the beginning of the next prompt.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How often the terminal is looked at.
const PACE: Duration = Duration::from_millis(100);

/// The longest line that a terminal collects, and some more.
const LINE: usize = 8192;

/// The next line, without its end. Never ready when nobody types.
pub(super) async fn line() -> io::Result<String> {
    loop {
        if let Some(line) = typed()? {
            return Ok(line);
        }
        tokio::time::sleep(PACE).await;
    }
}

fn typed() -> io::Result<Option<String>> {
    let stdin = io::stdin();
    let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
    if poll(&mut ready, Some(&Timespec::default()))? == 0 || !ready[0].revents().contains(PollFlags::IN) {
        return Ok(None);
    }
    // Not through the buffer of std, which would keep from the prompt what comes after the line.
    let mut bytes = [0; LINE];
    let length = rustix::io::read(stdin.as_fd(), &mut bytes)?;
    let line = String::from_utf8_lossy(&bytes[..length]);
    Ok((length > 0).then(|| line.trim_end_matches(['\n', '\r']).to_owned()))
}
