//! Whether the disk can still be trusted.

use std::fmt::Display;
use std::sync::OnceLock;

use crate::Error;

/// Set once, when the operating system could not bring data to the disk.
///
/// After that it may have dropped the data and report success the next time, so that only the checksums of the WAL,
/// read anew, can say what is there. Until a restart reads them, nothing more is written.
#[derive(Debug, Default)]
pub(super) struct Health(OnceLock<Error>);

impl Health {
    /// Refuses when the disk has failed.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.0.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Notes that the disk has failed, and says so.
    pub(super) fn fail(&self, cause: &dyn Display) -> Error {
        let error = self.0.get_or_init(|| {
            tracing::error!(%cause, "the log could not be brought to the disk; nothing is written until a restart");
            Error::Io(format!(
                "data could not be brought to the disk ({cause}); nothing more is written until the server is \
                 restarted and has checked what the disk holds"
            ))
        });
        error.clone()
    }
}
