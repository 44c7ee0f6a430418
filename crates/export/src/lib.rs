//! The outbox on its way out: every row of the ledger, in order, to a file of JSON lines and to a webhook.
//!
//! # What is promised
//!
//! - **At least once.** An exporter acknowledges what it has delivered, after it has delivered it; a start goes on after
//!   the last acknowledged row. What was delivered and not yet acknowledged when the process was killed comes again.
//! - **With ids that stay.** An event that comes again is the same, byte for byte, with the same `id`
//!   ([`meter::Entry::id`]). Whoever counts each id once has a bill that is right: see [`meter::Bill`].
//! - **In order and without gaps.** The `position` says 1, 2, 3 …. Nothing is skipped, however long a receiver fails.
//! - **Nobody waits for it.** Each exporter is a task of its own that reads the ledger; a receiver that is slow, or
//!   gone, costs the server nothing but what it logs about it. Events wait in the ledger.
//!
//! A file promises more: as long as it is not moved away, each event is in it once, whatever happens to the process.

mod exporter;
mod file;
mod webhook;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use store::Store;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use exporter::Exporter;
use file::LineFile;
use webhook::Sender;

pub use webhook::{InvalidWebhook, Webhook};

/// How long exporters have to deliver the rest when the server stops.
const FAREWELL: Duration = Duration::from_secs(3);

/// The name under which the webhook acknowledges. One for all URLs: a receiver that moves gets what is new.
const WEBHOOK: &str = "webhook";

/// Where events go.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// A file that they are appended to, one JSON object a line.
    pub file: Option<PathBuf>,
    /// A URL that they are posted to.
    pub webhook: Option<Webhook>,
    /// How often, and how many.
    pub pace: Pace,
}

/// How often something is tried, and how much at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long to wait for new rows before looking again.
    pub poll: Duration,
    /// The wait after the first failure. It doubles with each one that follows, and varies by a quarter,
    pub retry: Duration,
    /// up to this.
    pub longest_retry: Duration,
    /// How long a receiver may take to answer.
    pub answer: Duration,
    /// The most events that are delivered together.
    pub batch: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(1),
            retry: Duration::from_secs(1),
            longest_retry: Duration::from_secs(5 * 60),
            answer: Duration::from_secs(30),
            batch: 500,
        }
    }
}

/// Why nothing can be exported, or not now.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refuses the file.
    #[error("the export file {path} cannot be written: {error}")]
    File {
        /// The file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// Another process exports to the file.
    #[error("another process exports to {path}; give this one a file of its own")]
    Taken {
        /// The file.
        path: String,
    },
    /// There is something in the file that this ledger has not put there. It is left as it is.
    #[error(
        "{path} was not written from this ledger ({reason}); export to another file, or move this one away"
    )]
    Foreign {
        /// The file.
        path: String,
        /// What shows it.
        reason: String,
    },
    /// The webhook did not take the events.
    #[error("the webhook {url} {reason}")]
    Webhook {
        /// Scheme, host and path.
        url: String,
        /// What it did instead.
        reason: String,
    },
    /// The ledger cannot be read, or an acknowledgement not be written.
    #[error(transparent)]
    Ledger(#[from] store::Error),
}

/// The exporters of a server. Dropped, they are gone at once.
#[derive(Debug)]
pub struct Exporters {
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Exporters {
    /// Starts one task for each place that events go to. A half-written last line of the file, which a killed process
    /// has left there, is cut off. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// The file cannot be written, another process exports to it, or it is not of this ledger; the ledger cannot be
    /// read. That a webhook does not answer is no error.
    pub async fn start(settings: Settings, store: Arc<dyn Store>) -> Result<Self, Error> {
        let Settings { file, webhook, pace } = settings;
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        if let Some(path) = file {
            let path = std::path::absolute(&path)
                .map_err(|error| Error::File { path: path.display().to_string(), error })?;
            let name = format!("file:{}", path.display());
            let file = LineFile::open(path).await?;
            let acknowledged = store.exported(&name).await?;
            // A file that was moved away, or emptied, goes on where it was.
            let position = match file.last() {
                Some(last) => file.of_ledger(last, &*store).await?,
                None => acknowledged,
            };
            let store = store.clone();
            tasks.spawn(Exporter::new(name, store, file, pace, position, acknowledged, stop.clone()).run());
        }
        if let Some(webhook) = webhook {
            let sender = Sender::new(webhook, pace.answer)?;
            let position = store.exported(WEBHOOK).await?;
            let name = WEBHOOK.to_owned();
            tasks.spawn(Exporter::new(name, store, sender, pace, position, position, stop.clone()).run());
        }
        Ok(Self { tasks, stop })
    }

    /// Delivers the rest, as far as that goes at the first attempt and within a few seconds, and ends. What is left is
    /// delivered after the next start. To be called before the store is shut down.
    pub async fn shut_down(mut self) {
        self.stop.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, ended).await.is_err() {
            tracing::warn!("not everything is exported; the next start goes on with it");
        }
    }
}
