//! What a session shows: encoded pictures in, decoded in a thread of their own while somebody looks.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

use futures_core::Stream;
use video::{Codec, Decoder, Frame, Pool};

/// How many encoded pictures wait. More means that there is no time to decode them.
const WAITING: usize = 16;

/// How many decoded pictures wait for whoever looks. Of more, the oldest are left out.
const SHOWN: usize = 4;

/// Takes what comes from the server.
#[derive(Clone)]
pub(super) struct Screen(Arc<Owner>);

/// When the last screen is gone, so is the thread, and streams end.
struct Owner(Arc<Shared>);

/// Pictures as they come: the newest, where whoever looks is too slow for all of them. Each who looks has all of its own.
/// Ends with the session.
pub struct Frames {
    shared: Arc<Shared>,
    /// Which of those who look.
    looker: u64,
}

struct Shared {
    state: Mutex<State>,
    wanted: Condvar,
}

#[derive(Default)]
struct State {
    packets: VecDeque<Packet>,
    /// Something was left out of what waits to be decoded.
    is_torn: bool,
    needs_keyframe: bool,
    lookers: Vec<Looker>,
    /// How many ever looked.
    looked: u64,
    is_over: bool,
}

struct Looker {
    number: u64,
    frames: VecDeque<Frame>,
    waker: Option<Waker>,
}

struct Packet {
    data: Arc<[u8]>,
    time: u64,
}

impl Screen {
    pub(super) fn new() -> std::io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), wanted: Condvar::new() });
        let worker = shared.clone();
        thread::Builder::new().name("screen".to_owned()).spawn(move || worker.work())?;
        Ok(Self(Arc::new(Owner(shared))))
    }

    /// An encoded picture came. `is_whole` says that nothing is missing between it and the one before.
    pub(super) fn push(&self, data: Arc<[u8]>, time: u64, is_whole: bool) {
        let Owner(shared) = &*self.0;
        let mut state = shared.state();
        if state.lookers.is_empty() {
            state.is_torn = true;
            return;
        }
        if state.packets.len() >= WAITING {
            state.packets.clear();
            state.is_torn = true;
        }
        state.is_torn |= !is_whole;
        state.packets.push_back(Packet { data, time });
        drop(state);
        shared.wanted.notify_one();
    }

    /// Whether what comes cannot be shown until a keyframe does.
    pub(super) fn needs_keyframe(&self) -> bool {
        self.0.0.state().needs_keyframe
    }

    pub(super) fn frames(&self) -> Frames {
        let mut state = self.0.0.state();
        let looker = state.looked;
        state.looked += 1;
        state.lookers.push(Looker { number: looker, frames: VecDeque::new(), waker: None });
        // Whoever looks first sees nothing until a keyframe comes.
        state.needs_keyframe |= state.is_torn;
        drop(state);
        Frames { shared: self.0.0.clone(), looker }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_over = true;
        for waker in state.lookers.iter_mut().filter_map(|looker| looker.waker.take()) {
            waker.wake();
        }
        drop(state);
        self.0.wanted.notify_one();
    }
}

impl Stream for Frames {
    type Item = Frame;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        let mut state = self.shared.state();
        let is_over = state.is_over;
        let Some(looker) = state.lookers.iter_mut().find(|looker| looker.number == self.looker) else {
            return Poll::Ready(None);
        };
        if let Some(frame) = looker.frames.pop_front() {
            return Poll::Ready(Some(frame));
        }
        if is_over {
            return Poll::Ready(None);
        }
        looker.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.lookers.retain(|looker| looker.number != self.looker);
        if state.lookers.is_empty() {
            state.packets.clear();
            state.is_torn = true;
        }
    }
}

impl State {
    fn show(&mut self, frame: Frame) {
        let Some((last, others)) = self.lookers.split_last_mut() else { return };
        for looker in others {
            looker.show(frame.copy());
        }
        last.show(frame);
    }
}

impl Looker {
    fn show(&mut self, frame: Frame) {
        if self.frames.len() >= SHOWN {
            self.frames.pop_front();
        }
        self.frames.push_back(frame);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Shared {
    fn work(&self) {
        let mut decoder = Decoder::new(Codec::Vp8, Pool::new());
        let mut state = self.state();
        loop {
            if state.is_over {
                return;
            }
            let Some(Packet { data, time }) = state.packets.pop_front() else {
                state = self.wanted.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if std::mem::take(&mut state.is_torn) {
                decoder.lost();
            }
            drop(state);
            let decoded = decoder.decode(&data, time);
            state = self.state();
            state.needs_keyframe = decoder.needs_keyframe();
            match decoded {
                Ok(Some(frame)) => state.show(frame),
                Ok(None) => {}
                Err(error) => tracing::debug!("a picture was not decoded: {error}"),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::{FutureExt, StreamExt};
    use video::{Encoder, EncoderConfig, Size};

    use super::*;

    /// Pictures of one shade each, the first of them a keyframe.
    fn packets(shades: &[u8]) -> Vec<Arc<[u8]>> {
        let (pool, size) = (Pool::new(), Size::new(64, 64).unwrap());
        let mut encoder = Encoder::new(EncoderConfig::new(Codec::Vp8));
        let packet = |(index, &shade): (usize, &u8)| {
            let mut frame = pool.frame(size, index as u64 * 3600);
            frame.planes_mut().into_iter().for_each(|mut plane| plane.clear(shade));
            let mut packet = Vec::new();
            encoder.encode(&frame, &mut packet).unwrap();
            packet.into()
        };
        shades.iter().enumerate().map(packet).collect()
    }

    async fn next(frames: &mut Frames) -> Option<u64> {
        let next = tokio::time::timeout(Duration::from_secs(60), frames.next()).await;
        next.expect("there is none").map(|frame| frame.timestamp())
    }

    #[tokio::test]
    async fn each_who_looks_sees_all_and_the_end() {
        let screen = Screen::new().unwrap();
        let (mut one, mut other) = (screen.frames(), screen.frames());
        for (index, packet) in packets(&[50, 100, 150]).into_iter().enumerate() {
            // Both wait before it comes.
            assert!(one.next().now_or_never().is_none() && other.next().now_or_never().is_none());
            screen.push(packet, index as u64, true);
            assert_eq!(
                (next(&mut one).await, next(&mut other).await),
                (Some(index as u64), Some(index as u64))
            );
        }
        drop(one);
        let waiting = tokio::spawn(async move { next(&mut other).await });
        tokio::task::yield_now().await;
        drop(screen);
        assert_eq!(waiting.await.unwrap(), None);
    }

    #[tokio::test]
    async fn whoever_is_slow_gets_the_newest_and_takes_none_from_others() {
        let screen = Screen::new().unwrap();
        let (mut slow, mut quick) = (screen.frames(), screen.frames());
        let count = SHOWN as u64 + 3;
        for (index, packet) in packets(&[90; SHOWN + 3]).into_iter().enumerate() {
            screen.push(packet, index as u64, true);
            assert_eq!(next(&mut quick).await, Some(index as u64));
        }
        for index in count - SHOWN as u64..count {
            assert_eq!(next(&mut slow).await, Some(index));
        }
        assert!(slow.next().now_or_never().is_none());
    }
}
