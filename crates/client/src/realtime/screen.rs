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

/// Pictures as they come: the newest, where whoever looks is too slow for all of them. Ends with the session.
pub struct Frames(Arc<Shared>);

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
    frames: VecDeque<Frame>,
    /// How many look.
    lookers: usize,
    waker: Option<Waker>,
    is_over: bool,
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
        if state.lookers == 0 {
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
        state.lookers += 1;
        // Whoever looks first sees nothing until a keyframe comes.
        state.needs_keyframe |= state.is_torn;
        drop(state);
        Frames(self.0.0.clone())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_over = true;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
        drop(state);
        self.0.wanted.notify_one();
    }
}

impl Stream for Frames {
    type Item = Frame;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        let mut state = self.0.state();
        if let Some(frame) = state.frames.pop_front() {
            return Poll::Ready(Some(frame));
        }
        if state.is_over {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.lookers -= 1;
        if state.lookers == 0 {
            state.packets.clear();
            state.frames.clear();
            state.is_torn = true;
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
                Ok(Some(frame)) if state.lookers > 0 => {
                    if state.frames.len() >= SHOWN {
                        state.frames.pop_front();
                    }
                    state.frames.push_back(frame);
                    if let Some(waker) = state.waker.take() {
                        waker.wake();
                    }
                }
                Ok(_) => {}
                Err(error) => tracing::debug!("a picture was not decoded: {error}"),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
