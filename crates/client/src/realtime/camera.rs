//! What a session sends: pictures in, encoded in a thread of their own.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::Notify;
use video::{Codec, Encoder, EncoderConfig, Frame};

/// Bits per second, until the path is known.
const FIRST_BITRATE: u32 = 1_500_000;

/// Takes pictures, and sends them while there is a session. Cheap to clone; clones are the same.
///
/// Where encoding or the network is too slow, pictures are left out: the newest is what counts. Nothing here waits.
#[derive(Clone)]
pub struct Camera(Arc<Owner>);

/// When the last camera is gone, so is the thread.
struct Owner(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// There is something for the encoder.
    wanted: Condvar,
    /// The newest encoded picture is another one.
    encoded: Notify,
}

#[derive(Default)]
struct State {
    frame: Option<Frame>,
    encoded: Option<Encoded>,
    bitrate: Option<u32>,
    wants_keyframe: bool,
    /// Nobody is connected: encoding would be for nothing.
    is_idle: bool,
    is_over: bool,
}

/// An encoded picture.
#[derive(Clone, Debug)]
pub(super) struct Encoded {
    pub(super) data: Arc<[u8]>,
    /// In ticks of 1/90,000 s.
    pub(super) time: u64,
}

/// What the encoder has made is taken through it, by one connection at a time.
#[derive(Clone)]
pub(super) struct Lens(Arc<Shared>);

impl Camera {
    /// A camera of so many pictures a second at most.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn new(fps: u32) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State { is_idle: true, ..State::default() }),
            wanted: Condvar::new(),
            encoded: Notify::new(),
        });
        let worker = shared.clone();
        thread::Builder::new().name("camera".to_owned()).spawn(move || worker.work(fps))?;
        Ok(Self(Arc::new(Owner(shared))))
    }

    /// The next picture. Its timestamp, in ticks of 1/90,000 s, says when it was taken.
    pub fn show(&self, frame: Frame) {
        let Owner(shared) = &*self.0;
        let mut state = shared.state();
        if !state.is_idle {
            state.frame = Some(frame);
            drop(state);
            shared.wanted.notify_one();
        }
    }

    pub(super) fn lens(&self) -> Lens {
        Lens(self.0.0.clone())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.state().is_over = true;
        self.0.wanted.notify_one();
    }
}

impl Lens {
    /// A connection can send: from now on pictures are encoded, the next one as a keyframe.
    pub(super) fn begin(&mut self) {
        let mut state = self.0.state();
        state.is_idle = false;
        state.wants_keyframe = true;
        state.encoded = None;
    }

    /// No connection can send.
    pub(super) fn pause(&self) {
        let mut state = self.0.state();
        state.is_idle = true;
        state.frame = None;
        state.encoded = None;
    }

    /// The next encoded picture. Can be dropped while it waits.
    pub(super) async fn next(&mut self) -> Encoded {
        loop {
            let encoded = self.0.state().encoded.take();
            if let Some(encoded) = encoded {
                self.0.wanted.notify_one();
                return encoded;
            }
            self.0.encoded.notified().await;
        }
    }

    pub(super) fn request_keyframe(&self) {
        self.0.state().wants_keyframe = true;
    }

    pub(super) fn set_bitrate(&self, bits_per_second: u64) {
        self.0.state().bitrate = Some(u32::try_from(bits_per_second).unwrap_or(u32::MAX));
    }
}

impl Shared {
    fn work(&self, fps: u32) {
        let config =
            EncoderConfig { bitrate: FIRST_BITRATE, fps: fps.max(1), ..EncoderConfig::new(Codec::Vp8) };
        let mut encoder = Encoder::new(config);
        let mut packet = Vec::new();
        let mut state = self.state();
        loop {
            if state.is_over {
                return;
            }
            // One that nobody has sent yet is not to be overtaken: the next one builds on it.
            let frame = match state.encoded {
                Some(_) => None,
                None => state.frame.take(),
            };
            let Some(frame) = frame else {
                state = self.wanted.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if let Some(bitrate) = state.bitrate.take() {
                encoder.set_bitrate(bitrate);
            }
            if std::mem::take(&mut state.wants_keyframe) {
                encoder.request_keyframe();
            }
            drop(state);
            let made = encoder.encode(&frame, &mut packet);
            state = self.state();
            match made {
                Ok(Some(_)) if !state.is_idle => {
                    state.encoded = Some(Encoded { data: packet.as_slice().into(), time: frame.timestamp() });
                    self.encoded.notify_one();
                }
                Ok(_) => {}
                Err(error) => tracing::warn!("a picture was not encoded: {error}"),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
