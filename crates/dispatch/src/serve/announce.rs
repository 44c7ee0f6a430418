//! What the server says when it has started.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

use super::Assembly;
use crate::config::{Credential, Loaded};

pub(super) struct Announcement<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) assembly: &'a Assembly,
    pub(super) http: Option<SocketAddr>,
    pub(super) ws: Option<SocketAddr>,
    /// Where the media of realtime sessions arrives; nowhere if there are none.
    pub(super) media: &'a [SocketAddr],
}

impl Announcement<'_> {
    /// Where to look on standard output, what to worry about on standard error.
    pub(super) fn print(&self) {
        // A server whose output nobody wants to see still serves.
        let _ = self.facts(&mut io::stdout().lock());
        let _ = self.warnings(&mut io::stderr().lock());
    }

    fn facts(&self, out: &mut impl Write) -> io::Result<()> {
        let (config, assembly) = (&self.loaded.config, self.assembly);
        writeln!(out, "Dispatch {}", env!("CARGO_PKG_VERSION"))?;
        let mut fact = |name: &str, value: &str| writeln!(out, "  {name:<12} {value}");
        if let Some(http) = self.http {
            fact("page", &format!("http://{}/", visible(http)))?;
            if !app::is_built() {
                fact(
                    "app",
                    "none: this server was built without its web app, and the page says how to get it",
                )?;
            }
        }
        let sockets =
            self.http.into_iter().chain(self.ws).map(|address| format!("ws://{}/", visible(address)));
        fact("websocket", &sockets.collect::<Vec<_>>().join(" and "))?;
        if !self.media.is_empty() {
            let media: Vec<String> = self.media.iter().map(|address| format!("udp {address}")).collect();
            fact("realtime", &media.join(" and "))?;
        }
        fact("data", &assembly.data.display().to_string())?;
        if let Some(file) = &self.loaded.file {
            fact("config", &file.display().to_string())?;
        }
        let credentials: Vec<String> = config.credentials.iter().map(credential).collect();
        fact("credentials", &credentials.join(", "))?;
        if let Some(model) = &config.default_model {
            fact("model", model)?;
        }
        let tools = if assembly.tools.is_empty() { "none".to_owned() } else { assembly.tools.join(", ") };
        fact("tools", &format!("{tools}; in {}", assembly.cwd.display()))?;
        if assembly.tools.iter().any(|tool| tool == "run_shell") {
            fact("sandbox", &assembly.sandbox.to_string())?;
        }
        let exports = &assembly.exports;
        let file = exports.file.as_ref().map(|file| file.display().to_string());
        let places: Vec<String> =
            file.into_iter().chain(exports.webhook.as_ref().map(ToString::to_string)).collect();
        if !places.is_empty() {
            fact("exports to", &places.join(" and "))?;
        }
        let recovered = assembly.recovery.turns.len();
        if recovered > 0 {
            let turns = if recovered == 1 { "1 turn" } else { &format!("{recovered} turns") };
            fact("recovered", &format!("{turns} that had been left open, now sealed as interrupted"))?;
        }
        // Always the last line: who waits for the server waits for this.
        fact("ready", "Ctrl-C stops the server")?;
        out.flush()
    }

    fn warnings(&self, out: &mut impl Write) -> io::Result<()> {
        for warning in &self.loaded.warnings {
            writeln!(out, "warning: {warning}")?;
        }
        for path in &self.assembly.exposed {
            writeln!(
                out,
                "warning: shell commands can change {}, because it lies inside a directory that they may write to (the \
                 working directory, the temporary one or a configured one); keep it elsewhere",
                path.display()
            )?;
        }
        let open = [self.http, self.ws].into_iter().flatten().filter(|address| !address.ip().is_loopback());
        if self.assembly.settings.api_keys.is_empty() {
            for address in open {
                writeln!(
                    out,
                    "\nWARNING: no key is required (auth.mode = \"none\"). EVERYBODY who can reach {address} can run \
                     commands on this machine and read all conversations.\n"
                )?;
            }
        }
        out.flush()
    }
}

/// An address that a browser understands.
fn visible(address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => format!("localhost:{}", address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => format!("localhost:{}", address.port()),
        IpAddr::V4(_) | IpAddr::V6(_) => address.to_string(),
    }
}

fn credential(credential: &Credential) -> String {
    let mut facts = vec![credential.kind.as_str().to_owned()];
    facts.extend(credential.place());
    if let Some(models) = &credential.models {
        let models: Vec<_> = models.iter().map(|model| model.id.as_str()).collect();
        facts.push(models.join(" "));
    }
    format!("{} ({})", credential.name, facts.join(", "))
}
