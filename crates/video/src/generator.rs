//! The model: what makes a picture of a picture.
//!
//! A model may run on the CPU in this very process, or on a GPU in another one, written in another language. The
//! contract must be the same for both, and so it promises little:
//!
//! - **Frames go in by [`submit`](Generator::submit) and come out by [`poll`](Generator::poll).** There is no call that
//!   takes a frame and returns the answer: it would have to wait for another process, and whoever waits cannot take the
//!   next packet from the network. Nothing is a future either: a driver without a runtime works with
//!   [`Waker::noop`](std::task::Waker::noop), and one with a runtime passes the waker of its own task.
//! - **What goes in are values.** A [`Style`] is text and the bytes of an image file, a [`Frame`] is three planes; both
//!   can be written to a pipe or to shared memory. Nothing is borrowed across calls and nothing comes back by reference.
//! - **Order is the order of calls.** A style holds for the frames that are submitted after it, and results come in the
//!   order of their frames. So a generator needs no acknowledgement to say which style a result was made with.
//! - **Back-pressure is a refusal.** A generator that has enough to do gives the frame back, and the driver drops it: in
//!   live video an old frame has no worth, and delay that has built up never goes away. Queues inside must be short.
//! - **Every accepted frame has one answer**, a picture or [`Output::Dropped`], unless the generator fails. Whoever
//!   counts frames can count on that.

use std::task::Waker;

use crate::frame::Frame;
use crate::reference::Reference;
use crate::restyle::Restyle;

/// What to make of the frames. It is replaced as a whole: what a client leaves as it was, the session repeats.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Style {
    /// What the client asks for, in its own words. Empty for nothing.
    pub prompt: String,
    /// A picture to go by.
    pub image: Option<Reference>,
}

impl Style {
    /// Whether there is nothing to do: the camera is shown as it is.
    pub fn is_passthrough(&self) -> bool {
        self.image.is_none() && self.prompt.trim().is_empty()
    }
}

/// Whether a generator can work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Health {
    /// Not yet: weights are being loaded, or a worker is starting. Frames are refused as [`Refused::Busy`].
    Starting,
    /// Yes.
    Ready,
    /// No more, and why. It will not recover; make another one.
    Failed(String),
}

/// The answer to one submitted frame.
#[derive(PartialEq, Debug)]
pub enum Output {
    /// The picture that was made of it, with its timestamp. The size is the generator's choice.
    Frame(Frame),
    /// There will be none: the generator fell behind and left it out.
    Dropped {
        /// That of the submitted frame.
        timestamp: u64,
    },
}

/// Why a frame was not taken, with the frame.
#[derive(PartialEq, Debug)]
pub enum Refused {
    /// There is enough to do. Drop the frame, and try with the next one.
    Busy(Frame),
    /// The generator has failed; [`Generator::health`] says why.
    Failed(Frame),
}

/// A model that changes pictures. The contract is at the head of this module.
///
/// Calls come one at a time. They may take as long as a frame's worth of work, as the built-in ones do inside `poll`,
/// but must not wait for anything else.
pub trait Generator: Send {
    /// Replaces the style for the frames that are submitted from now on.
    fn set(&mut self, style: Style);

    /// Takes a frame, or gives it back.
    fn submit(&mut self, frame: Frame) -> Result<(), Refused>;

    /// The next answer, if there is one. After `None`, `waker` is woken once when it is worth asking again: there is an
    /// answer, or [`health`](Self::health) has changed. Only the waker of the last call counts.
    fn poll(&mut self, waker: &Waker) -> Option<Output>;

    /// Whether it can work.
    fn health(&self) -> Health;
}

/// The generator of this name that needs no model: `passthrough` or `restyle`.
pub fn builtin(name: &str) -> Option<Box<dyn Generator>> {
    match name {
        "passthrough" => Some(Box::new(Passthrough::new())),
        "restyle" => Some(Box::new(Restyle::new())),
        _ => None,
    }
}

/// One frame between `submit` and `poll`, for generators that do their work in `poll`.
#[derive(Default)]
pub(crate) struct Slot {
    frame: Option<Frame>,
    /// Whether the work on the frame is done.
    finished: bool,
    waker: Option<Waker>,
}

impl Slot {
    pub(crate) fn put(&mut self, frame: Frame) -> Result<(), Refused> {
        if self.frame.is_some() {
            return Err(Refused::Busy(frame));
        }
        self.frame = Some(frame);
        self.finished = false;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        Ok(())
    }

    /// The frame, and whether the work on it is done.
    pub(crate) fn take(&mut self, waker: &Waker) -> Option<(Frame, bool)> {
        let frame = self.frame.take();
        self.waker = frame.is_none().then(|| waker.clone());
        frame.map(|frame| (frame, self.finished))
    }

    /// The frame, if there is work to do on it; to be put back by [`finish`](Self::finish).
    pub(crate) fn hold(&mut self) -> Option<Frame> {
        if self.finished { None } else { self.frame.take() }
    }

    pub(crate) fn finish(&mut self, frame: Frame) {
        self.frame = Some(frame);
        self.finished = true;
    }
}

/// Gives every frame back as it came, whatever the style.
#[derive(Default)]
pub struct Passthrough(Slot);

impl Passthrough {
    /// A generator that does nothing.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Generator for Passthrough {
    fn set(&mut self, _: Style) {}

    fn submit(&mut self, frame: Frame) -> Result<(), Refused> {
        self.0.put(frame)
    }

    fn poll(&mut self, waker: &Waker) -> Option<Output> {
        self.0.take(waker).map(|(frame, _)| Output::Frame(frame))
    }

    fn health(&self) -> Health {
        Health::Ready
    }
}
