//! Three ways to look at the release binary from outside, over the network and nothing else: [`crash`] kills it at random
//! moments and looks for anything lost; [`soak`] has clients come and leave and looks for anything left; the `bench` binary
//! measures it.

pub mod client;
pub mod crash;
pub mod realtime;
pub mod server;
pub mod soak;

use std::path::PathBuf;

/// Where `cargo` leaves the release binary, as seen from the root of the checkout.
pub const BINARY: &str = "target/release/dispatch";

/// The `dispatch` binary of the same build as the running test: it lies one directory above the test's own.
///
/// # Errors
/// A sentence, when there is none.
pub fn binary_of_this_build() -> Result<PathBuf, String> {
    let test =
        std::env::current_exe().map_err(|error| format!("this test cannot say where it is: {error}"))?;
    let profile = test.parent().and_then(|deps| deps.parent());
    let binary = profile.map(|profile| profile.join("dispatch")).unwrap_or_default();
    if binary.is_file() {
        return Ok(binary);
    }
    Err(format!(
        "this test needs the server's binary at {}; `cargo build --package dispatch` makes it, with the profile of the test",
        binary.display()
    ))
}
