//! What the operator decides: a file, environment variables over it, and the command line over both.
//!
//! `dispatch.example.toml` documents every key. Nothing is started before all of it was read and checked.

mod credential;
mod environment;
mod load;
mod metering;
mod realtime;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use credential::Credential;
pub(crate) use environment::Environment;
pub(crate) use load::{Error, Loaded, load};
pub(crate) use metering::Metering;
pub(crate) use realtime::Realtime;
pub(crate) use value::{Address, Key, Period, SecondPort, Size};

/// The port that serves HTTP when nothing else is said.
pub(crate) const PORT: u16 = 24203;

/// The port of the contract's separate WebSocket.
pub(crate) const SECOND_PORT: u16 = 24205;

/// Everything that can be configured. Paths are relative to the directory that the server is started in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// HTTP, and WebSocket on any path.
    pub(crate) http: Address,
    /// WebSocket alone, for clients that expect a port of its own.
    pub(crate) ws: SecondPort,
    /// Where conversations are kept.
    pub(crate) data: PathBuf,
    /// Where tools work unless a client says otherwise.
    pub(crate) cwd: PathBuf,
    /// `credential/model`; absent: the first model of the first credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) default_model: Option<String>,
    /// Names under which models can be asked for besides their own.
    #[serde(deserialize_with = "value::table")]
    pub(crate) model_aliases: BTreeMap<String, String>,
    /// The template of the system prompt, until one is set; absent: the built-in one, empty: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) system_prompt: Option<String>,
    /// Whether clients of the first contract are served.
    #[serde(deserialize_with = "value::from_text")]
    pub(crate) legacy_clients: bool,
    /// What is logged: directives of `RUST_LOG`, which wins over this.
    pub(crate) log: String,
    /// Web origins besides those on loopback.
    #[serde(deserialize_with = "value::list")]
    pub(crate) allowed_origins: Vec<String>,
    /// Host names besides those of loopback.
    #[serde(deserialize_with = "value::list")]
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) auth: Auth,
    pub(crate) limits: Limits,
    pub(crate) tools: Tools,
    pub(crate) mcp: Mcp,
    pub(crate) realtime: Realtime,
    pub(crate) metering: Metering,
    pub(crate) credentials: Vec<Credential>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            http: Address::local(PORT),
            ws: SecondPort(Some(Address::local(SECOND_PORT))),
            data: PathBuf::from("~/.local/share/dispatch"),
            cwd: PathBuf::from("."),
            default_model: None,
            model_aliases: BTreeMap::new(),
            system_prompt: None,
            legacy_clients: false,
            log: "info".to_owned(),
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            auth: Auth::default(),
            limits: Limits::default(),
            tools: Tools::default(),
            mcp: Mcp::default(),
            realtime: Realtime::default(),
            metering: Metering::default(),
            credentials: Vec::new(),
        }
    }
}

/// Who may use the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Auth {
    pub(crate) mode: AuthMode,
    /// Any of these opens the door.
    #[serde(deserialize_with = "value::list")]
    pub(crate) api_keys: Vec<Key>,
    /// A variable that holds one more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) api_key_env: Option<String>,
}

/// Whether a key is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuthMode {
    /// Off loopback always; on loopback where there are keys.
    #[default]
    Key,
    /// Never: for networks in which everybody is trusted.
    None,
}

/// How long and how much.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// The most steps of a turn; 0: no limit.
    #[serde(deserialize_with = "value::count")]
    pub(crate) steps: u32,
    /// The most tools of a turn at a time; 0: no limit.
    #[serde(deserialize_with = "value::count")]
    pub(crate) concurrent_tools: usize,
    /// The longest time without a byte from a provider.
    pub(crate) stall_timeout: Period,
    /// The longest time until a connection to a provider stands.
    pub(crate) connect_timeout: Period,
    /// The most time that one step may wait for retries; 0: no retries.
    pub(crate) retry_budget: Period,
    /// The wait before the first retry.
    pub(crate) retry_delay: Period,
    /// The longest wait before a retry, unless the provider asks for more.
    pub(crate) retry_max_delay: Period,
    /// How long tools have to end after a stop.
    pub(crate) stop_grace: Period,
    /// The most bytes of one tool result.
    pub(crate) result_bytes: Size,
    /// The most bytes of live output of one tool call.
    pub(crate) live_output_bytes: Size,
    /// The most bytes of a request body or a WebSocket frame.
    pub(crate) body_bytes: Size,
    /// The most bytes of a running turn that are kept in memory for those who watch it.
    pub(crate) live_memory_bytes: Size,
    /// Percent of a model's context window at which conversations are compacted by themselves; 0: never.
    #[serde(deserialize_with = "value::count")]
    pub(crate) compact_percent: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 200,
            concurrent_tools: 4,
            stall_timeout: Period(Duration::from_secs(600)),
            connect_timeout: Period(Duration::from_secs(15)),
            retry_budget: Period(Duration::from_secs(600)),
            retry_delay: Period(Duration::from_secs(1)),
            retry_max_delay: Period(Duration::from_secs(60)),
            stop_grace: Period(Duration::from_secs(1)),
            result_bytes: Size::mib(1),
            live_output_bytes: Size::mib(1),
            body_bytes: Size::mib(16),
            live_memory_bytes: Size::mib(1),
            compact_percent: 85,
        }
    }
}

/// What models can call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tools {
    pub(crate) sandbox: Sandbox,
    /// Directories that tools may write besides the one that they work in.
    #[serde(deserialize_with = "value::list")]
    pub(crate) writable: Vec<PathBuf>,
    /// The tools that models are offered; absent: all.
    #[serde(deserialize_with = "value::some_list", skip_serializing_if = "Option::is_none")]
    pub(crate) enabled: Option<Vec<String>>,
    /// Variables of the server's environment that commands do not see, besides those that hold keys.
    #[serde(deserialize_with = "value::list")]
    pub(crate) hidden_env: Vec<String>,
    /// Variables that commands see though they look like keys.
    #[serde(deserialize_with = "value::list")]
    pub(crate) passed_env: Vec<String>,
    /// Variables that are set for commands.
    #[serde(deserialize_with = "value::table")]
    pub(crate) set_env: BTreeMap<String, String>,
}

/// Tool servers that speak the Model Context Protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Mcp {
    /// Whether `.dispatch/mcp.json` in a conversation's directory counts.
    #[serde(deserialize_with = "value::from_text")]
    pub(crate) project_files: bool,
    /// A file of the same form with servers for all conversations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<PathBuf>,
    /// How long a turn waits for servers that are starting.
    pub(crate) patience: Period,
    /// The longest that one call may take.
    pub(crate) call_timeout: Period,
    /// How long a server that nobody uses is kept.
    pub(crate) idle_timeout: Period,
}

impl Default for Mcp {
    fn default() -> Self {
        Self {
            project_files: true,
            file: None,
            patience: Period(Duration::from_secs(2)),
            call_timeout: Period(Duration::from_secs(600)),
            idle_timeout: Period(Duration::from_secs(1800)),
        }
    }
}

/// Whether the kernel keeps commands inside their directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sandbox {
    /// Where the kernel can.
    #[default]
    Auto,
    /// Never.
    Off,
    /// Or commands are not run.
    Require,
}
