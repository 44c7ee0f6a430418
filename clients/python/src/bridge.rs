//! From tokio to asyncio.
//!
//! Nothing of tokio ever touches the interpreter: media must not stand still because some Python code is busy, and an
//! interpreter that ends is not to be waited for. What is done is put into the inbox of the loop that waits for it, and the
//! loop takes it out.

use std::future::Future;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures_util::FutureExt;
use pyo3::BoundObject;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyAny;
use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;

use crate::fault::Fault;

/// What is to be done in a loop.
type Letter = Box<dyn FnOnce(Python<'_>) -> PyResult<()> + Send>;

/// For sockets and media: their work is short, and that of the codecs has threads of its own. More of them would wake each
/// other more often than there is work.
const WORKERS: usize = 1;

/// The runtime of all clients in this process.
pub(crate) fn runtime() -> PyResult<&'static Runtime> {
    static RUNTIME: OnceLock<io::Result<Runtime>> = OnceLock::new();
    let build =
        || Builder::new_multi_thread().worker_threads(WORKERS).thread_name("dispatch").enable_all().build();
    let runtime = RUNTIME.get_or_init(build).as_ref();
    runtime.map_err(|error| PyRuntimeError::new_err(format!("no threads can be had for the client: {error}")))
}

/// A future of the running loop that has the result of `work`. It begins here and now, so that calls have their effects
/// in their order; if the future is cancelled, it is dropped.
pub(crate) fn future<'py, T>(
    py: Python<'py>,
    work: impl Future<Output = Result<T, Fault>> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>>
where
    T: for<'a> IntoPyObject<'a> + Send + 'static,
{
    static CREATE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let inbox = Inbox::of_running_loop(py)?;
    let future = CREATE.import(py, "dispatch_client._loop", "create_future")?.call0()?;
    let work = AssertUnwindSafe(work).catch_unwind();
    let mut work = Box::pin(work.map(|done| done.unwrap_or_else(|_| Err(Fault::panic()))));
    let runtime = runtime()?;
    let at_once = {
        let _context = runtime.enter();
        work.as_mut().now_or_never()
    };
    if let Some(result) = at_once {
        settle(py, &future, result)?;
        return Ok(future);
    }
    let waiting = future.clone().unbind();
    let task = runtime.spawn(async move {
        let result = work.await;
        inbox.put(move |py| settle(py, waiting.bind(py), result));
    });
    future.call_method1("add_done_callback", (Dropped(task.abort_handle()),))?;
    Ok(future)
}

/// What waits for a loop, which reads from [`fileno`](Inbox::fileno) to know when to [`empty`](Inbox::empty) it.
#[pyclass(frozen)]
pub(crate) struct Inbox(Arc<Shared>);

/// Puts something into an inbox, from anywhere.
#[derive(Clone)]
pub(crate) struct Slot(Arc<Shared>);

struct Shared {
    letters: Mutex<Letters>,
    /// Has one byte in it if there are letters.
    bell: UnixStream,
    ear: UnixStream,
}

#[derive(Default)]
struct Letters {
    waiting: Vec<Letter>,
    /// Nobody will take them out.
    is_abandoned: bool,
}

impl Inbox {
    /// That of the loop that runs here.
    pub(crate) fn of_running_loop(py: Python<'_>) -> PyResult<Slot> {
        static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let inbox = FUNCTION.import(py, "dispatch_client._loop", "inbox")?.call0()?;
        Ok(Slot(inbox.cast::<Self>()?.get().0.clone()))
    }
}

#[pymethods]
impl Inbox {
    #[new]
    fn new() -> PyResult<Self> {
        let (bell, ear) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ear.set_nonblocking(true)?;
        Ok(Self(Arc::new(Shared { letters: Mutex::default(), bell, ear })))
    }

    /// Can be read from when there is something to take out.
    fn fileno(&self) -> i32 {
        self.0.ear.as_raw_fd()
    }

    /// Takes out what there is, and does it.
    fn empty(&self, py: Python<'_>) -> PyResult<()> {
        let letters = {
            let mut letters = self.0.letters();
            // There may be nothing: then it was taken out already.
            let _ = (&self.0.ear).read(&mut [0]);
            std::mem::take(&mut letters.waiting)
        };
        let mut letters = letters.into_iter();
        while let Some(letter) = letters.next() {
            if let Err(error) = letter(py) {
                // Somebody's callback ends the program. If it does not, the rest is for the next turn.
                let mut later: Vec<Letter> = letters.collect();
                let mut now = self.0.letters();
                later.append(&mut now.waiting);
                now.waiting = later;
                self.0.ring(&now);
                return Err(error);
            }
        }
        Ok(())
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut letters = self.0.letters();
        letters.is_abandoned = true;
        let waiting = std::mem::take(&mut letters.waiting);
        drop(letters);
        // They can have slots of this inbox in them.
        drop(waiting);
    }
}

impl Slot {
    /// Has the loop do something, soon and in the order of these calls.
    pub(crate) fn put(&self, letter: impl FnOnce(Python<'_>) -> PyResult<()> + Send + 'static) {
        let mut letters = self.0.letters();
        if letters.is_abandoned {
            return;
        }
        letters.waiting.push(Box::new(letter));
        if letters.waiting.len() == 1 {
            self.0.ring(&letters);
        }
    }
}

impl Shared {
    fn letters(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self, letters: &Letters) {
        if !letters.waiting.is_empty() {
            // It has room for many bytes, and there is one at most, or two after an error.
            let _ = (&self.bell).write(&[0]);
        }
    }
}

/// Gives a future its result, unless nobody waits for it any more.
fn settle<T>(py: Python<'_>, future: &Bound<'_, PyAny>, result: Result<T, Fault>) -> PyResult<()>
where
    T: for<'a> IntoPyObject<'a>,
{
    if future.call_method0("done")?.is_truthy()? {
        return Ok(());
    }
    let result = result
        .map_err(PyErr::from)
        .and_then(|value| value.into_pyobject(py).map_err(Into::into).map(|value| value.into_any().unbind()));
    match result {
        Ok(value) => future.call_method1("set_result", (value,))?,
        Err(error) => future.call_method1("set_exception", (error.into_value(py),))?,
    };
    Ok(())
}

/// Called when a future is done: if nobody waits any more, the work is dropped.
#[pyclass(frozen)]
struct Dropped(AbortHandle);

#[pymethods]
impl Dropped {
    fn __call__(&self, future: &Bound<'_, PyAny>) -> PyResult<()> {
        if future.call_method0("cancelled")?.is_truthy()? {
            self.0.abort();
        }
        Ok(())
    }
}
