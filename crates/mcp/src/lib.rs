//! MCP servers as tools of conversations.
//!
//! [`Mcp`] is a [`ToolSource`]: it gives a turn the tools of the servers that its directory names in
//! `.dispatch/mcp.json`, and of those that all conversations have ([`Settings::servers`]). What holds:
//!
//! - A server is started when the first turn or status request of its directory asks for it. There is one connection
//!   for each directory and server, shared by conversations, kept while it is used, ended after [`Settings::idle`].
//! - A server that is slow, dead or mad holds no turn up: a turn waits for [`Settings::patience`] at most, and goes on
//!   with the servers that are ready. A bad entry of a file hurts no other.
//! - Every call ends: with an answer, with [`Settings::call_timeout`], with the end of the server, or when it is
//!   cancelled. All of them are results in words for the model.
//! - Child processes end with their connection, with all of their process group, and with the program.
//! - No value of `env` and `headers` is in an error, in `Debug` or in the log.

mod call;
mod config;
mod connection;
mod list;
mod name;
mod pool;
mod result;
mod secret;
mod server;
mod transport;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_util::future::join_all;
use kernel::{Tool, ToolScope, ToolSource};

use call::RemoteTool;
use pool::{Member, Pool, Standing};
use server::{Lease, Phase, Session};

pub use config::{Error, Servers};

/// What the operator decides about MCP servers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Servers that all conversations have. A server of the same id in a directory's own file takes precedence.
    pub servers: Servers,
    /// Whether directories may name servers of their own, in `.dispatch/mcp.json`. Such a file starts processes with
    /// the rights of this server.
    pub project_files: bool,
    /// What the processes of servers see of this server's environment, beside what their own `env` sets.
    pub environment: tools::Environment,
    /// How long a turn waits for servers that are starting, counted from their start, and for the file of its directory.
    pub patience: Duration,
    /// How long a server may take to start and to list its tools.
    pub start_timeout: Duration,
    /// How long a call may take.
    pub call_timeout: Duration,
    /// A server that no turn and no status request has used for so long is ended.
    pub idle: Duration,
    /// When a server that could not be started is tried again. One that died is started again at once, but not more
    /// often than this.
    pub retry_after: Duration,
    /// The most tools of a server, and of a directory. Those that come later by name are left out.
    pub max_tools: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            servers: Servers::default(),
            project_files: true,
            environment: tools::Environment::default(),
            patience: Duration::from_secs(2),
            start_timeout: Duration::from_secs(60),
            call_timeout: Duration::from_secs(600),
            idle: Duration::from_secs(30 * 60),
            retry_after: Duration::from_secs(30),
            max_tools: 256,
        }
    }
}

/// How a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is there.
    Connected,
    /// It is being started.
    Starting,
    /// It cannot be had; the error says why.
    Error,
    /// It is not running.
    NotStarted,
    /// It is switched off in its file.
    Disabled,
}

/// What is known of a server of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerStatus {
    /// What it is called in its file. A file that cannot be used is in the list as `.dispatch/mcp.json`.
    pub id: String,
    /// How it does.
    pub state: State,
    /// Why it cannot be had, or what is wrong with its tools. No secrets.
    pub error: Option<String>,
    /// How many of its tools a turn gets.
    pub tool_count: usize,
    /// The file or configuration that names it.
    pub config_source: Option<String>,
}

/// The MCP servers of all conversations. Cheap to clone. When the last clone is gone, all servers end, as with
/// [`Mcp::shut_down`].
#[derive(Clone)]
pub struct Mcp(Arc<Pool>);

impl Mcp {
    /// Starts nothing yet. The methods need a tokio runtime.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Pool::new(settings)))
    }

    /// How the servers of a directory do, by their ids. Starts those that are not running, and waits for them as a turn
    /// does.
    pub async fn status(&self, cwd: &Path) -> Vec<ServerStatus> {
        let members = self.0.members(cwd).await;
        let phases = join_all(members.iter().map(settled)).await;
        let mut room = self.0.max_tools();
        members.into_iter().zip(phases).map(|(member, phase)| status(member, phase, &mut room)).collect()
    }

    /// Ends all servers for good and waits for their end, some seconds at most: those that do not end when they are
    /// asked are killed. There are no tools after that.
    pub async fn shut_down(&self) {
        self.0.shut_down().await;
    }

    async fn offered(&self, cwd: &Path) -> Vec<Arc<dyn Tool>> {
        let members = self.0.members(cwd).await;
        let phases = join_all(members.iter().map(settled)).await;
        let ready: Vec<(Arc<Lease>, Arc<Session>)> = members
            .into_iter()
            .zip(phases)
            .filter_map(|(member, phase)| match (member.standing, phase) {
                (Standing::Enabled(lease), Some(Phase::Ready(session))) => Some((lease, session)),
                _ => None,
            })
            .collect();
        let offers: Vec<_> = ready
            .iter()
            .flat_map(|(lease, session)| session.listing.tools.iter().map(move |offer| (lease, offer)))
            .take(self.0.max_tools())
            .collect();
        let called: Vec<_> =
            offers.iter().map(|(lease, offer)| (lease.server().id(), offer.name.as_str())).collect();
        let names = name::assign(&called);
        let tool = |((lease, offer), name): (&(&Arc<Lease>, &list::Offer), String)| -> Arc<dyn Tool> {
            Arc::new(RemoteTool::new(name, offer, Arc::clone(lease)))
        };
        offers.iter().zip(names).map(tool).collect()
    }
}

impl ToolSource for Mcp {
    fn tools(&self, scope: ToolScope) -> BoxFuture<'_, Vec<Arc<dyn Tool>>> {
        Box::pin(async move { self.offered(&scope.cwd).await })
    }
}

async fn settled(member: &Member) -> Option<Phase> {
    match &member.standing {
        Standing::Enabled(lease) => Some(lease.settled().await),
        Standing::Disabled | Standing::Broken(_) | Standing::ShutDown => None,
    }
}

fn status(member: Member, phase: Option<Phase>, room: &mut usize) -> ServerStatus {
    let (state, error, tool_count) = match (member.standing, phase) {
        (Standing::Disabled, _) => (State::Disabled, None, 0),
        (Standing::Broken(error), _) => (State::Error, Some(error.to_string()), 0),
        (Standing::ShutDown, _) | (Standing::Enabled(_), None | Some(Phase::Resting)) => {
            (State::NotStarted, None, 0)
        }
        (Standing::Enabled(_), Some(Phase::Starting { .. })) => (State::Starting, None, 0),
        (Standing::Enabled(_), Some(Phase::Failed { error, .. } | Phase::Died { error })) => {
            (State::Error, Some(error.to_string()), 0)
        }
        (Standing::Enabled(_), Some(Phase::Ready(session))) => {
            let listing = &session.listing;
            let count = listing.tools.len().min(*room);
            *room -= count;
            let cut = (count < listing.tools.len())
                .then(|| "some of its tools are left out: the directory has too many".to_owned());
            let notes: Vec<_> = listing.note.clone().into_iter().chain(cut).collect();
            (State::Connected, (!notes.is_empty()).then(|| notes.join("; ")), count)
        }
    };
    ServerStatus { id: member.id, state, error, tool_count, config_source: Some(member.source) }
}
