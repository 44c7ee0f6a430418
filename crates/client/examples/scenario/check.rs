//! What is so and what is not, and waiting for it.

use std::fmt::Debug;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::Instant;

use crate::server::PATIENCE;

/// Counts.
#[derive(Default)]
pub(crate) struct Checks {
    passed: u32,
    failed: u32,
}

impl Checks {
    /// Says whether it is so.
    pub(crate) fn that(&mut self, what: &str, is: bool) {
        if is {
            self.passed += 1;
            println!("ok {what}");
        } else {
            self.failed(what);
        }
    }

    /// Says whether both are the same, and shows them if not.
    pub(crate) fn same<T: PartialEq + Debug>(&mut self, what: &str, is: T, expected: T) {
        if is != expected {
            println!("   it is       {is:?}\n   and not     {expected:?}");
        }
        self.that(what, is == expected);
    }

    /// It is not so.
    pub(crate) fn failed(&mut self, what: &str) {
        self.failed += 1;
        println!("NOT OK {what}");
    }

    /// The last line.
    pub(crate) fn summary(&self) -> ExitCode {
        println!("{} checks, {} failed", self.passed + self.failed, self.failed);
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, mut is: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        if Instant::now() > deadline {
            bail!("it never came to that: {what}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// What a future gives, if that does not take too long.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> Result<T> {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(given) => Ok(given),
        Err(_) => bail!("it takes too long: {what}"),
    }
}
