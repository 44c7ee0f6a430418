//! The pictures of a session, for whatever in Python reads and writes buffers.

use std::ffi::c_int;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use pyo3::ffi;
use pyo3::prelude::*;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use video::{CLOCK, Frame};

use crate::bridge;
use crate::session::{Shown, Tell};

/// How many pictures Python has, at most, and has not looked at yet.
const AHEAD: usize = 2;

/// Memory that is at rest. More of it would mean that somebody has stopped keeping pictures.
const IDLE: usize = 4;

/// Somebody who looks. When this is gone, nobody does.
#[pyclass(frozen)]
pub(crate) struct Frames {
    wanted: Arc<Semaphore>,
    task: AbortHandle,
}

impl Frames {
    /// Tells each picture, as its pixels, height, width, and when it was taken, in seconds; and `None` when there will be
    /// no more.
    pub(crate) fn begin(shown: Arc<Shown>, tell: Tell) -> PyResult<Self> {
        let wanted = Arc::new(Semaphore::new(AHEAD));
        let (asked, shelf) = (wanted.clone(), Shelf::default());
        let look = async move {
            while let Ok(permit) = asked.acquire().await {
                permit.forget();
                let Some(frame) = shown.lock().await.next().await else { break };
                let (width, height) = (frame.size().width(), frame.size().height());
                let seconds = frame.timestamp() as f64 / CLOCK as f64;
                tell.tell((Pixels::of(&frame, shelf.clone()), height, width, seconds));
            }
            tell.tell(None::<u32>);
        };
        Ok(Self { wanted, task: bridge::runtime()?.spawn(look).abort_handle() })
    }
}

#[pymethods]
impl Frames {
    /// One of those that were told was looked at.
    fn taken(&self) {
        self.wanted.add_permits(1);
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where memory goes when nobody has the picture any more, so that a steady stream of them allocates nothing.
#[derive(Clone, Default)]
pub(crate) struct Shelf(Arc<Mutex<Vec<Vec<u8>>>>);

/// Height × width × 3 bytes, RGB, without gaps. They can be written to.
#[pyclass]
pub(crate) struct Pixels {
    rgb: Vec<u8>,
    shelf: Shelf,
}

impl Pixels {
    pub(crate) fn of(frame: &Frame, shelf: Shelf) -> Self {
        let mut rgb = shelf.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        frame.to_rgb(&mut rgb);
        Self { rgb, shelf }
    }
}

#[pymethods]
impl Pixels {
    #[allow(unsafe_code)]
    unsafe fn __getbuffer__(
        mut slf: PyRefMut<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let (py, pixels, length) = (slf.py(), slf.rgb.as_mut_ptr(), slf.rgb.len().cast_signed());
        // SAFETY: `view` is for this to fill. It holds on to this object, in which the bytes stay where they are and as
        // long as they are until it is dropped; Rust does not look at them meanwhile.
        match unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), pixels.cast(), length, 0, flags) } {
            0 => Ok(()),
            _ => Err(PyErr::fetch(py)),
        }
    }
}

impl Drop for Pixels {
    fn drop(&mut self) {
        let mut shelf = self.shelf.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.len() < IDLE {
            shelf.push(std::mem::take(&mut self.rgb));
        }
    }
}
