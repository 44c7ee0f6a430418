//! The locks of [`crate::live`], named here so that its tests can put a model checker's in their place.

pub(crate) use std::sync::{Arc, Mutex, MutexGuard};
