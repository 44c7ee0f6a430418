//! One server for one directory: started when it is needed, shared, watched, started again, ended.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::RoleClient;
use rmcp::service::Peer;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Settings;
use crate::config::Launch;
use crate::connection;
use crate::list::Listing;
use crate::secret::Scrubber;
use crate::transport::Ear;

/// A server of a directory. Ends when nobody holds it any more.
pub(crate) struct Server(Arc<Shared>);

/// What the server shares with the task that runs it.
pub(crate) struct Shared {
    pub(crate) id: String,
    pub(crate) launch: Launch,
    /// The directory that it serves.
    pub(crate) directory: PathBuf,
    pub(crate) settings: Arc<Settings>,
    pub(crate) scrubber: Arc<Scrubber>,
    pub(crate) phase: watch::Sender<Phase>,
    /// When it is to end.
    pub(crate) stop: CancellationToken,
    tasks: TaskTracker,
    leases: AtomicUsize,
    used: Mutex<Instant>,
    /// When it was last started because it had died.
    revived: Mutex<Option<Instant>>,
}

/// Where a server is in its life.
#[derive(Clone)]
pub(crate) enum Phase {
    /// Nobody has asked for it, or for so long that it was ended.
    Resting,
    /// It is being started. Turns wait for it until then.
    Starting { until: Instant },
    /// It is there.
    Ready(Arc<Session>),
    /// It could not be started.
    Failed { error: Arc<str>, at: Instant },
    /// It was there and died.
    Died { error: Arc<str> },
}

/// A server that is there, as of its last list of tools.
pub(crate) struct Session {
    pub(crate) peer: Peer<RoleClient>,
    pub(crate) ear: Arc<Ear>,
    pub(crate) listing: Arc<Listing>,
}

impl Server {
    pub(crate) fn new(
        id: &str,
        launch: &Launch,
        directory: PathBuf,
        settings: Arc<Settings>,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> Arc<Self> {
        Arc::new(Self(Arc::new(Shared {
            id: id.to_owned(),
            launch: launch.clone(),
            directory,
            settings,
            scrubber: Arc::new(launch.scrubber()),
            phase: watch::Sender::new(Phase::Resting),
            stop,
            tasks,
            leases: AtomicUsize::new(0),
            used: Mutex::new(Instant::now()),
            revived: Mutex::new(None),
        })))
    }

    pub(crate) fn id(&self) -> &str {
        &self.0.id
    }

    pub(crate) fn launch(&self) -> &Launch {
        &self.0.launch
    }

    /// Whether there is nothing about it that is worth remembering.
    pub(crate) fn can_be_forgotten(&self) -> bool {
        let unused = self.0.leases.load(Ordering::SeqCst) == 0;
        unused
            && match *self.0.phase.borrow() {
                Phase::Resting => true,
                Phase::Failed { .. } | Phase::Died { .. } => self.0.idle_at() <= Instant::now(),
                Phase::Starting { .. } | Phase::Ready(_) => false,
            }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.0.phase.borrow().clone()
    }

    pub(crate) fn call_timeout(&self) -> Duration {
        self.0.settings.call_timeout
    }

    /// A message of the server or about it, without secrets.
    pub(crate) fn clean(&self, words: &str) -> String {
        self.0.scrubber.clean(words)
    }

    /// What went wrong is no longer held against it.
    pub(crate) fn forgive(&self) {
        self.0.phase.send_if_modified(|phase| match phase {
            Phase::Failed { .. } | Phase::Died { .. } => {
                *phase = Phase::Resting;
                true
            }
            Phase::Resting | Phase::Starting { .. } | Phase::Ready(_) => false,
        });
        *self.0.revived.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Starts it if it should run and does not.
    fn ensure(&self) {
        let shared = &self.0;
        let (patience, retry_after) = (shared.settings.patience, shared.settings.retry_after);
        let now = Instant::now();
        let starts = shared.phase.send_if_modified(|phase| {
            let patience = match phase {
                Phase::Resting => patience,
                // It has made turns wait once. The next one goes on without it.
                Phase::Failed { at, .. } if now >= *at + retry_after => Duration::ZERO,
                Phase::Died { .. } => {
                    let mut revived = shared.revived.lock().unwrap_or_else(PoisonError::into_inner);
                    if revived.is_some_and(|last| now < last + retry_after) {
                        return false;
                    }
                    *revived = Some(now);
                    patience
                }
                Phase::Failed { .. } | Phase::Starting { .. } | Phase::Ready(_) => return false,
            };
            *phase = Phase::Starting { until: now + patience };
            true
        });
        if starts {
            shared.tasks.spawn(connection::run(shared.clone()));
        }
    }

    /// Waits until it is ready or has failed, but no longer than a turn may wait for it.
    async fn settle(&self) {
        let patience = self.0.settings.patience;
        let mut phases = self.0.phase.subscribe();
        loop {
            let until = match &*phases.borrow_and_update() {
                Phase::Starting { until } => *until,
                Phase::Ready(session) => match session.ear.stale_since() {
                    Some(since) => since + patience,
                    None => return,
                },
                Phase::Resting | Phase::Failed { .. } | Phase::Died { .. } => return,
            };
            if !matches!(timeout_at(until, phases.changed()).await, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// After a call that failed since the server is gone: why.
    pub(crate) async fn obituary(&self, session: &Session) -> String {
        let is_new = |phase: &Phase| match phase {
            Phase::Ready(now) => !Arc::ptr_eq(&now.ear, &session.ear),
            Phase::Died { .. } | Phase::Failed { .. } | Phase::Resting | Phase::Starting { .. } => true,
        };
        let mut phases = self.0.phase.subscribe();
        match timeout(Duration::from_secs(2), phases.wait_for(is_new)).await {
            Ok(Ok(phase)) => match &*phase {
                Phase::Died { error } | Phase::Failed { error, .. } => error.to_string(),
                Phase::Resting | Phase::Starting { .. } | Phase::Ready(_) => "it has ended".to_owned(),
            },
            Ok(Err(_)) | Err(_) => "it has ended".to_owned(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.stop.cancel();
    }
}

impl Shared {
    /// When it will have been idle for too long, unless it is used until then.
    pub(crate) fn idle_at(&self) -> Instant {
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        // While it is held, there is nothing to be seen before the same time has passed again.
        let last = if self.leases.load(Ordering::SeqCst) > 0 { Instant::now() } else { used };
        last + self.settings.idle
    }

    /// Puts it to rest if nobody holds it. Nobody can take it into use at the same moment: who holds it looks at the
    /// phase after that.
    pub(crate) fn rest_if_idle(&self) -> bool {
        self.phase.send_if_modified(|phase| {
            if self.leases.load(Ordering::SeqCst) > 0 || self.idle_at() > Instant::now() {
                return false;
            }
            *phase = Phase::Resting;
            true
        })
    }

    fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// A server in use: it is not ended for being idle.
pub(crate) struct Lease(Arc<Server>);

impl Lease {
    /// Takes a server into use and starts it if need be.
    pub(crate) fn new(server: Arc<Server>) -> Self {
        server.0.leases.fetch_add(1, Ordering::SeqCst);
        server.0.touch();
        server.ensure();
        Self(server)
    }

    /// The server, once it is ready or a turn must not wait for it any longer.
    pub(crate) async fn settled(&self) -> Phase {
        self.0.settle().await;
        self.0.phase()
    }

    pub(crate) fn server(&self) -> &Server {
        &self.0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let shared = &self.0.0;
        shared.touch();
        shared.leases.fetch_sub(1, Ordering::SeqCst);
    }
}
