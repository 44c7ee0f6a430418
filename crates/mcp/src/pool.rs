//! The servers of all directories that are in use.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::Settings;
use crate::config::{self, Declared, Entry, Error, Found, PROJECT_FILE, Servers};
use crate::server::{Lease, Server};

/// How long ending all servers may take. Each has a little less.
const SHUTTING_DOWN: Duration = Duration::from_secs(8);

pub(crate) struct Pool {
    settings: Arc<Settings>,
    directories: Mutex<HashMap<PathBuf, Directory>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    _ends_with_the_pool: DropGuard,
}

#[derive(Default)]
struct Directory {
    /// What the file said that its servers come from, and the fingerprint of that.
    project: Servers,
    fingerprint: Option<u64>,
    servers: BTreeMap<String, Arc<Server>>,
}

/// One server that a directory should have.
pub(crate) struct Member {
    pub(crate) id: String,
    /// The file or configuration that names it.
    pub(crate) source: String,
    pub(crate) standing: Standing,
}

pub(crate) enum Standing {
    Enabled(Arc<Lease>),
    Disabled,
    Broken(Error),
    /// There are no servers any more.
    ShutDown,
}

impl Pool {
    pub(crate) fn new(settings: Settings) -> Self {
        let stop = CancellationToken::new();
        Self {
            settings: Arc::new(settings),
            directories: Mutex::default(),
            tasks: TaskTracker::new(),
            _ends_with_the_pool: stop.clone().drop_guard(),
            stop,
        }
    }

    pub(crate) fn max_tools(&self) -> usize {
        self.settings.max_tools
    }

    /// The servers of a directory by their ids, all of them in use and started or starting.
    pub(crate) async fn members(&self, cwd: &Path) -> Vec<Member> {
        let mut members = Vec::new();
        let (project, fingerprint) = self.project(cwd, &mut members).await;
        let servers = project.clone().or(&self.settings.servers);
        let mut directories = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
        directories.retain(|path, directory| {
            path == cwd || !directory.servers.values().all(|server| server.can_be_forgotten())
        });
        // Those that are no longer named, or named otherwise, end when the last turn that uses them does.
        let directory = directories.entry(cwd.to_owned()).or_default();
        let changed = directory.fingerprint != fingerprint;
        (directory.project, directory.fingerprint) = (project, fingerprint);
        directory.servers.retain(|id, server| match servers.entries.get(id).map(|entry| &entry.declared) {
            Some(Declared::Enabled(launch)) => launch == server.launch(),
            Some(Declared::Disabled | Declared::Broken(_)) | None => false,
        });
        for (id, Entry { source, declared }) in servers.entries {
            let standing = match declared {
                Declared::Enabled(_) if self.stop.is_cancelled() => Standing::ShutDown,
                Declared::Enabled(launch) => {
                    let server = directory.servers.entry(id.clone()).or_insert_with(|| {
                        let (settings, stop) = (self.settings.clone(), self.stop.child_token());
                        Server::new(&id, &launch, cwd.to_owned(), settings, stop, self.tasks.clone())
                    });
                    if changed {
                        server.forgive();
                    }
                    Standing::Enabled(Arc::new(Lease::new(server.clone())))
                }
                Declared::Disabled => Standing::Disabled,
                Declared::Broken(error) => Standing::Broken(error),
            };
            members.push(Member { id, source, standing });
        }
        members
    }

    /// What the directory's own file says. If it cannot be used, that is a member.
    async fn project(&self, cwd: &Path, members: &mut Vec<Member>) -> (Servers, Option<u64>) {
        if !self.settings.project_files {
            return (Servers::default(), None);
        }
        let Found { path, servers, fingerprint, silent } = config::read(cwd, self.settings.patience).await;
        if silent {
            // A file system that is slow for once is no reason to end servers that run.
            let directories = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(Directory { project, fingerprint, .. }) = directories.get(cwd) {
                return (project.clone(), *fingerprint);
            }
        }
        let servers = servers.unwrap_or_else(|error| {
            tracing::warn!("{error}");
            let id = PROJECT_FILE.to_owned();
            members.push(Member { id, source: path, standing: Standing::Broken(error) });
            Servers::default()
        });
        (servers, fingerprint)
    }

    /// Ends all servers, for good.
    pub(crate) async fn shut_down(&self) {
        self.stop.cancel();
        self.directories.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.tasks.close();
        let _ = timeout(SHUTTING_DOWN, self.tasks.wait()).await;
    }
}
