//! What SQLite reports, in the words of [`Error`].

use rusqlite::{ErrorCode, ffi};

use crate::Error;

/// Why a write did not happen.
#[derive(Debug)]
pub(super) enum Fault {
    /// It was refused before it had changed anything.
    Refused(Error),
    /// It failed on its way: the transaction has to be rolled back.
    Failed(Error),
    /// The operating system could not bring data to the disk. What the disk holds is unknown.
    Unsynced(Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        let unsynced = error.sqlite_error().is_some_and(|error| {
            matches!(error.extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
        });
        match unsynced {
            true => Self::Unsynced(translate(&error)),
            false => Self::Failed(translate(&error)),
        }
    }
}

/// The error that a caller sees.
pub(super) fn translate(error: &rusqlite::Error) -> Error {
    let Some(cause) = error.sqlite_error() else {
        // What remains are values of a wrong type: only a file that somebody else changed has them.
        return Error::Corrupt(error.to_string());
    };
    let text = format!("{error} (SQLite code {})", cause.extended_code);
    match cause.code {
        ErrorCode::DiskFull => Error::Full(text),
        // The file that readers and writer share could not be made larger.
        ErrorCode::SystemIoFailure if cause.extended_code == ffi::SQLITE_IOERR_SHMSIZE => Error::Full(text),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TypeMismatch => {
            Error::Corrupt(text)
        }
        ErrorCode::ConstraintViolation | ErrorCode::TooBig => Error::Misfit(text),
        _ => Error::Io(text),
    }
}
