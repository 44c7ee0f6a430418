//! What happened and was not looked at yet.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Happening;

/// How many frames wait for whoever takes them: some seconds of video.
const FRAMES: usize = 256;

#[derive(Default)]
pub(super) struct Mailbox {
    waiting: Mutex<Waiting>,
    news: Notify,
}

#[derive(Default)]
struct Waiting {
    happenings: VecDeque<Happening>,
    frames: usize,
    closed: bool,
}

impl Mailbox {
    /// Nothing counts that comes after [`Happening::Closed`].
    pub(super) fn put(&self, happening: Happening) {
        let mut waiting = self.waiting();
        if waiting.closed {
            return;
        }
        waiting.closed = matches!(happening, Happening::Closed { .. });
        if is_frame(&happening) {
            if waiting.frames == FRAMES {
                let oldest = waiting.happenings.iter().position(is_frame);
                oldest.and_then(|oldest| waiting.happenings.remove(oldest));
            } else {
                waiting.frames += 1;
            }
        }
        waiting.happenings.push_back(happening);
        drop(waiting);
        self.news.notify_one();
    }

    /// The oldest; none when there will be no more.
    pub(super) async fn take(&self) -> Option<Happening> {
        loop {
            {
                let mut waiting = self.waiting();
                if let Some(happening) = waiting.happenings.pop_front() {
                    waiting.frames -= usize::from(is_frame(&happening));
                    return Some(happening);
                }
                if waiting.closed {
                    return None;
                }
            }
            self.news.notified().await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_frame(happening: &Happening) -> bool {
    matches!(happening, Happening::Frame(_))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use serde_json::json;

    use super::*;
    use crate::realtime::Received;

    #[tokio::test]
    async fn old_frames_are_dropped_and_messages_never() {
        let mailbox = Mailbox::default();
        let frame = |time| {
            let data = [].into();
            Happening::Frame(Received { data, at: Instant::now(), keyframe: true, contiguous: true, time })
        };
        for time in 0..300 {
            mailbox.put(Happening::Message(json!(time)));
            mailbox.put(frame(time));
        }
        mailbox.put(Happening::Closed { code: Some(1000), reason: String::new() });
        mailbox.put(frame(300));
        let (mut messages, mut frames, mut closed) = (Vec::new(), Vec::new(), 0);
        while let Some(happening) = mailbox.take().await {
            match happening {
                Happening::Message(message) => messages.extend(message.as_u64()),
                Happening::Frame(frame) => frames.push(frame.time),
                Happening::Closed { .. } => closed += 1,
                Happening::Media(_) => {}
            }
        }
        assert_eq!(messages, (0..300).collect::<Vec<u64>>());
        assert_eq!(frames, (44..300).collect::<Vec<u64>>());
        assert_eq!(closed, 1);
    }
}
