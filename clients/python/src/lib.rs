//! `dispatch_client._native`: the Rust client, as little of Python around it as possible.
//!
//! Calls that take time return futures of the running asyncio loop (`bridge`). Messages cross the boundary as JSON,
//! pictures as bytes; all that is pleasant to use is written in Python around this.

mod bridge;
mod camera;
mod client;
mod fault;
mod feed;
mod http;
mod machine;
mod pixels;
mod session;

/// Not for applications: `dispatch_client` is.
#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use super::bridge::Inbox;
    #[pymodule_export]
    use super::camera::Camera;
    #[pymodule_export]
    use super::client::Client;
    #[pymodule_export]
    use super::feed::{Turn, Watch};
    #[pymodule_export]
    use super::machine::Machine;
    #[pymodule_export]
    use super::pixels::Frames;
    #[pymodule_export]
    use super::session::Session;
}
