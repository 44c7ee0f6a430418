//! From the configuration to a server that could be started.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::live::Spill;
use engine::{Catalog, Credential, Engine};
use kernel::RetryPolicy;
use mcp::Mcp;
use store::{Recovery, Sqlite};
use tools::SandboxStatus;

use super::toolbox;

use crate::config::{AuthMode, Config, Environment, Loaded, Sandbox};
use crate::failure::Failure;

/// The parts of a server.
pub(super) struct Assembly {
    pub(super) engine: Engine,
    pub(super) store: Arc<Sqlite>,
    pub(super) mcp: Mcp,
    pub(super) settings: server::Settings,
    /// Where what was used is exported to.
    pub(super) exports: export::Settings,
    /// What the server shows besides what the engine knows.
    pub(super) parts: server::Parts,
    /// Where conversations are kept, absolute.
    pub(super) data: PathBuf,
    /// Where tools work, absolute.
    pub(super) cwd: PathBuf,
    /// The names of the tools that models are offered.
    pub(super) tools: Vec<String>,
    pub(super) sandbox: SandboxStatus,
    /// What the sandbox cannot keep from commands.
    pub(super) exposed: Vec<PathBuf>,
    /// What a crash had left open.
    pub(super) recovery: Recovery,
}

impl Assembly {
    /// Opens the store, and nothing else: no connection, no port.
    pub(super) fn new(loaded: &Loaded, environment: &Environment) -> Result<Self, Failure> {
        let config = &loaded.config;
        let cwd = std::path::absolute(&config.cwd)?;
        let data = std::path::absolute(at_home(&config.data, environment)?)?;
        let exports = exports(config, environment)?;
        let tool_settings = tool_settings(loaded, &data, &exports)?;
        let sandbox = tool_settings.sandbox.status();
        let exposed = match sandbox {
            SandboxStatus::Confined { .. } => tool_settings.sandbox.exposed(&cwd, &tool_settings.protected),
            SandboxStatus::Off | SandboxStatus::Unavailable { .. } | SandboxStatus::Refusing { .. } => {
                Vec::new()
            }
        };
        let settings = server_settings(config, environment);
        // The server asks this again; but a refusal should leave nothing behind, not even an empty directory.
        if let Some(address) = exposed_without_key(&settings) {
            return Err(Failure::new(server::Error::Unprotected(address).to_string()));
        }
        let credentials = credentials(config, environment)?;
        let protected = tool_settings.protected.clone();
        let mcp = toolbox::mcp(config, &tool_settings)?;
        let toolbox = toolbox::toolbox(config, tool_settings, mcp.clone(), environment)?;
        let (store, recovery) =
            Sqlite::open(&data).map_err(|error| Failure::coded(error.to_string(), error.code().as_str()))?;
        let store = Arc::new(store);
        let parts = toolbox::parts(config, &toolbox, &mcp);
        let catalog = Catalog::new(credentials, config.default_model.clone())
            .with_aliases(config.model_aliases.clone());
        let names = toolbox::names(&toolbox);
        let engine =
            Engine::new(engine_options(config, &cwd, &data, protected), store.clone(), catalog, toolbox);
        Ok(Self {
            engine,
            store,
            mcp,
            settings,
            exports,
            parts,
            data,
            cwd,
            tools: names,
            sandbox,
            exposed,
            recovery,
        })
    }
}

/// A path whose `~`, if it begins with one, is the home directory.
fn at_home(path: &Path, environment: &Environment) -> Result<PathBuf, Failure> {
    let Ok(rest) = path.strip_prefix("~") else { return Ok(path.to_owned()) };
    match environment.value("HOME").filter(|home| !home.is_empty()) {
        Some(home) => Ok(Path::new(home).join(rest)),
        None => Err(Failure::coded(
            format!("{}: HOME is not set; write the path without ~", path.display()),
            "invalid-config",
        )),
    }
}

fn server_settings(config: &Config, environment: &Environment) -> server::Settings {
    let keys = config.auth.api_keys.iter().map(|key| key.0.reveal().to_owned());
    let named = config.auth.api_key_env.as_deref().and_then(|name| environment.value(name));
    server::Settings {
        http: config.http.0,
        ws: config.ws.0.map(|address| address.0),
        api_keys: keys.chain(named.map(|key| key.trim().to_owned())).collect(),
        open: config.auth.mode == AuthMode::None,
        allowed_origins: config.allowed_origins.clone(),
        allowed_hosts: config.allowed_hosts.clone(),
        body_limit: config.limits.body_bytes.0,
        legacy_clients: config.legacy_clients,
    }
}

fn exposed_without_key(settings: &server::Settings) -> Option<SocketAddr> {
    let protected = settings.open || !settings.api_keys.is_empty();
    let mut addresses = [Some(settings.http), settings.ws].into_iter().flatten();
    addresses.find(|address| !protected && !address.ip().is_loopback())
}

fn credentials(config: &Config, environment: &Environment) -> Result<Vec<Credential>, Failure> {
    let build = |credential: &crate::config::Credential| {
        let settings = credential.settings(environment, &config.limits);
        let provider = providers::build(settings)
            .map_err(|error| Failure::coded(error.to_string(), "invalid-config"))?;
        Ok(Credential { name: credential.name.clone(), provider })
    };
    config.credentials.iter().map(build).collect()
}

fn engine_options(config: &Config, cwd: &Path, data: &Path, protected: Vec<PathBuf>) -> engine::Options {
    let limits = &config.limits;
    engine::Options {
        turn: kernel::Options {
            max_steps: limits.steps,
            max_concurrent: limits.concurrent_tools,
            retry: RetryPolicy {
                base: limits.retry_delay.0,
                max_delay: limits.retry_max_delay.0,
                budget: limits.retry_budget.0,
            },
            stop_grace: limits.stop_grace.0,
            live_output_limit: limits.live_output_bytes.0,
            ..kernel::Options::default()
        },
        cwd: cwd.to_owned(),
        result_limit: limits.result_bytes.0,
        results: Some(data.join("results")),
        images: Some(data.join("images")),
        system_prompt: Some(config.system_prompt.clone().unwrap_or_else(|| prompt::DEFAULT.to_owned())),
        protected,
        compact_percent: limits.compact_percent,
        prices: config
            .metering
            .prices
            .iter()
            .map(|(model, price)| (model.clone(), (*price).into()))
            .collect(),
        spill: Spill { directory: Some(data.to_owned()), limit: limits.live_memory_bytes.0 },
        legacy_clients: config.legacy_clients,
    }
}

fn exports(config: &Config, environment: &Environment) -> Result<export::Settings, Failure> {
    let metering = &config.metering;
    let webhook = metering
        .webhook(environment)
        .map_err(|(key, message)| Failure::coded(format!("metering.{key}: {message}"), "invalid-config"))?;
    let file = metering.export_file.as_ref().map(|file| at_home(file, environment)).transpose()?;
    Ok(export::Settings {
        file: file.map(std::path::absolute).transpose()?,
        webhook,
        pace: export::Pace::default(),
    })
}

fn tool_settings(
    loaded: &Loaded,
    data: &Path,
    exports: &export::Settings,
) -> Result<tools::Settings, Failure> {
    let config = &loaded.config;
    let absolute = |path: &PathBuf| std::path::absolute(path);
    let file = loaded.file.as_ref().map(absolute).transpose()?;
    let hidden = config.tools.hidden_env.iter().cloned();
    let keys = config.credentials.iter().filter_map(|credential| credential.api_key_env.clone());
    let secrets = [&config.auth.api_key_env, &config.metering.webhook_secret_env];
    let withheld = hidden.chain(keys).chain(secrets.into_iter().flatten().cloned());
    Ok(tools::Settings {
        sandbox: tools::Sandbox {
            mode: match config.tools.sandbox {
                Sandbox::Auto => tools::Mode::Auto,
                Sandbox::Off => tools::Mode::Off,
                Sandbox::Require => tools::Mode::Require,
            },
            extra_writable: config.tools.writable.iter().map(absolute).collect::<Result<_, _>>()?,
        },
        protected: std::iter::once(data.to_owned()).chain(file).chain(exports.file.clone()).collect(),
        environment: tools::Environment {
            withheld: withheld.collect(),
            passed: config.tools.passed_env.clone(),
            set: config.tools.set_env.clone().into_iter().collect(),
        },
        live_output_limit: config.limits.live_output_bytes.0.saturating_mul(2),
    })
}
