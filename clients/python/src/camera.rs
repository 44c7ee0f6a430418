//! Pictures of Python, on their way to a session.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use video::{CLOCK, Frame, Pool, Size};

use crate::fault::Fault;

/// A camera that is shown arrays.
#[pyclass(frozen)]
pub(crate) struct Camera {
    pub(crate) camera: client::realtime::Camera,
    pool: Pool,
    begun: Instant,
    /// The bytes of the last picture.
    bytes: Mutex<Vec<u8>>,
}

#[pymethods]
impl Camera {
    #[new]
    fn new(fps: u32) -> PyResult<Self> {
        let none =
            |error| Fault::new("invalid_state", format!("no thread can be had for the pictures: {error}"));
        let camera = client::realtime::Camera::new(fps).map_err(none)?;
        Ok(Self { camera, pool: Pool::new(), begun: Instant::now(), bytes: Mutex::default() })
    }

    /// A picture: H×W×3 bytes, RGB. `seconds` says when it was taken; now, if it says nothing.
    #[pyo3(signature = (picture, seconds))]
    fn show(&self, py: Python<'_>, picture: &Bound<'_, PyAny>, seconds: Option<f64>) -> PyResult<()> {
        let wrong = || Fault::input("a picture is an array of height × width × 3 of the type uint8");
        let picture: PyBuffer<u8> = PyBuffer::get(picture).map_err(|_| wrong())?;
        let &[height, width, 3] = picture.shape() else { return Err(wrong().into()) };
        let size = u32::try_from(width).ok().zip(u32::try_from(height).ok());
        let size = size.and_then(|(width, height)| Size::new(width, height).ok());
        let size =
            size.ok_or_else(|| Fault::input(format!("a picture cannot have {width}×{height} pixels")))?;
        let seconds = seconds.unwrap_or_else(|| self.begun.elapsed().as_secs_f64());
        let time = (seconds * CLOCK as f64) as u64;

        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.resize(picture.item_count(), 0);
        picture.copy_to_slice(py, &mut bytes)?;
        let frame = py.detach(|| Frame::from_rgb(&self.pool, size, time, &bytes));
        drop(bytes);
        self.camera.show(frame.ok_or_else(wrong)?);
        Ok(())
    }
}
