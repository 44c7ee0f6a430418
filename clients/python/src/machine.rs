//! The machine of a connection, for the cases that all clients run.

use std::sync::{Mutex, PoisonError};

use client::realtime::cases;
use pyo3::prelude::*;
use serde_json::Value;

use crate::fault::Fault;

/// A machine that is driven by hand.
#[pyclass(frozen)]
pub(crate) struct Machine(Mutex<cases::Machine>);

#[pymethods]
impl Machine {
    #[new]
    fn new(options: &str) -> PyResult<Self> {
        Ok(Self(Mutex::new(cases::Machine::new(parsed(options)?).map_err(Fault::input)?)))
    }

    /// Takes a step of a case, and returns the list of the outputs.
    fn step(&self, step: &str) -> PyResult<String> {
        let step = parsed(step)?;
        let outputs = self.machine(|machine| machine.step(&step)).map_err(Fault::input)?;
        Ok(Value::from(outputs).to_string())
    }

    /// The public state, in JSON.
    #[getter]
    fn state(&self) -> PyResult<String> {
        let state = self.machine(|machine| machine.state());
        Ok(serde_json::to_string(&state).map_err(|error| Fault::input(error.to_string()))?)
    }

    /// When it wants to be told the time.
    #[getter]
    fn deadline(&self) -> Option<u64> {
        self.machine(|machine| machine.deadline())
    }
}

impl Machine {
    fn machine<T>(&self, work: impl FnOnce(&mut cases::Machine) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn parsed(json: &str) -> Result<Value, Fault> {
    serde_json::from_str(json).map_err(|error| Fault::input(error.to_string()))
}
