//! What models can call, and what clients are shown of it.

use std::path::PathBuf;
use std::sync::Arc;

use engine::Toolbox;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mcp::Mcp;
use wire::extension::{McpServerInfo, McpServerState};

use crate::config::{Config, Environment};
use crate::failure::Failure;

/// What models can call: what the configuration names, or everything.
pub(super) fn toolbox(
    config: &Config,
    settings: tools::Settings,
    mcp: Mcp,
    environment: &Environment,
) -> Result<Toolbox, Failure> {
    let home = environment.value("HOME").map(PathBuf::from);
    let mut toolbox = Toolbox {
        tools: tools::builtin(settings),
        sources: vec![Arc::new(tools::Skills::new(home)), Arc::new(mcp)],
        todos: true,
    };
    let Some(enabled) = &config.tools.enabled else { return Ok(toolbox) };
    let known = names(&toolbox);
    if let Some(unknown) = enabled.iter().find(|name| !known.contains(name)) {
        let message = format!("tools.enabled: there is no tool `{unknown}`; there are: {}", known.join(", "));
        return Err(Failure::coded(message, "invalid-config"));
    }
    let wanted = |name: &str| enabled.iter().any(|wanted| wanted == name);
    toolbox.tools.retain(|tool| wanted(&tool.spec().name));
    toolbox.todos = wanted(engine::TODO_WRITE);
    if !wanted(LOAD_SKILL) {
        toolbox.sources.remove(0);
    }
    Ok(toolbox)
}

/// The tool that reads skills.
const LOAD_SKILL: &str = "load_skill";

/// The tools of every conversation; those of MCP servers depend on the conversation.
pub(super) fn names(toolbox: &Toolbox) -> Vec<String> {
    let builtin = toolbox.tools.iter().map(|tool| tool.spec().name.clone());
    let todos = toolbox.todos.then(|| engine::TODO_WRITE.to_owned());
    let skills = (toolbox.sources.len() > 1).then(|| LOAD_SKILL.to_owned());
    builtin.chain(todos).chain(skills).collect()
}

/// The tool servers that there may be; starts none.
pub(super) fn mcp(config: &Config, tools: &tools::Settings) -> Result<Mcp, Failure> {
    let wrong =
        |error: &dyn std::fmt::Display| Failure::coded(format!("mcp.file: {error}"), "invalid-config");
    let servers = match &config.mcp.file {
        Some(file) => {
            let source = file.display().to_string();
            let text = std::fs::read_to_string(file).map_err(|error| wrong(&format!("{source}: {error}")))?;
            mcp::Servers::parse(&source, &text).map_err(|error| wrong(&error))?
        }
        None => mcp::Servers::default(),
    };
    Ok(Mcp::new(mcp::Settings {
        servers,
        project_files: config.mcp.project_files,
        environment: tools.environment.clone(),
        patience: config.mcp.patience.0,
        call_timeout: config.mcp.call_timeout.0,
        idle: config.mcp.idle_timeout.0,
        ..mcp::Settings::default()
    }))
}

/// What clients are shown of all this.
pub(super) fn parts(config: &Config, toolbox: &Toolbox, mcp: &Mcp) -> server::Parts {
    let extension = |name: String, activation: &str| server::Extension {
        name,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        trust: "bundled".to_owned(),
        activation: activation.to_owned(),
    };
    let credentials = config.credentials.iter();
    let providers =
        credentials.map(|credential| extension(format!("provider/{}", credential.name), "startup"));
    let tools = names(toolbox).into_iter().map(|name| extension(format!("tool/{name}"), "startup"));
    let rest = ["mcp", "cache-warming", "compaction", "system-prompt"];
    let rest = rest.into_iter().map(|name| extension(name.to_owned(), "on demand"));
    server::Parts {
        mcp: Some(Arc::new(McpServers(mcp.clone()))),
        realtime: None,
        extensions: providers.chain(tools).chain(rest).collect(),
    }
}

/// The MCP servers, for clients.
struct McpServers(Mcp);

impl server::McpStatus for McpServers {
    fn servers(&self, cwd: PathBuf) -> BoxFuture<'_, Vec<McpServerInfo>> {
        async move {
            let servers = self.0.status(&cwd).await.into_iter();
            servers
                .map(|server| McpServerInfo {
                    id: server.id,
                    state: match server.state {
                        mcp::State::Connected => McpServerState::Connected,
                        mcp::State::Starting => McpServerState::Starting,
                        mcp::State::Error => McpServerState::Error,
                        mcp::State::NotStarted => McpServerState::NotStarted,
                        mcp::State::Disabled => McpServerState::Disabled,
                    },
                    error: server.error,
                    tool_count: server.tool_count as u64,
                    config_source: server.config_source,
                })
                .collect()
        }
        .boxed()
    }
}
