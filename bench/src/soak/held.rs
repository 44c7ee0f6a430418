//! What a server holds at one moment, seen from outside.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use wire::account::RealtimeMetricsResponse;

use crate::client::Client;
use crate::server::Server;

/// What a server holds at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// What the server says of itself.
    pub realtime: RealtimeMetricsResponse,
    /// Open file descriptors of the process, but for files of the database: each of its connections, of which there are a
    /// few at most, is opened when there is so much to read at a time for the first time, and kept.
    pub descriptors: u64,
    /// Those of them that are UDP sockets.
    pub udp: u64,
    /// Threads of the process.
    pub threads: u64,
    /// Bytes of memory that the process occupies.
    pub resident: u64,
}

impl Held {
    /// Looks.
    ///
    /// # Errors
    /// When the server does not answer, or is not on this machine.
    pub async fn by(server: &Server, data: &Path, client: &Client) -> Result<Self> {
        let pid = server.pid();
        let descriptors = format!("/proc/{pid}/fd");
        let open: Vec<String> = fs::read_dir(&descriptors)
            .with_context(|| format!("cannot read {descriptors}"))?
            // One that is closed meanwhile has no target.
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .filter(|target| !target.starts_with(data))
            .map(|target| target.to_string_lossy().into_owned())
            .collect();
        let udp = udp_sockets(pid)?;
        let threads = fs::read_dir(format!("/proc/{pid}/task")).context("cannot count threads")?.count();
        Ok(Self {
            realtime: client.realtime_metrics().await?,
            descriptors: open.len() as u64,
            udp: open.iter().filter(|target| udp.contains(*target)).count() as u64,
            threads: threads as u64,
            resident: server.resident_bytes()?,
        })
    }

    /// What there is more of than there was, memory excepted.
    pub fn more_than(&self, before: &Self) -> Vec<String> {
        self.figures()
            .into_iter()
            .zip(before.figures())
            .filter(|((_, now), (_, before))| now > before)
            .map(|((name, now), (_, before))| format!("{name}: {before} before, {now} afterwards"))
            .collect()
    }

    /// Whether the server says of itself no more than before.
    pub fn realtime_is_within(&self, before: &Self) -> bool {
        let figures = self.figures().into_iter().zip(before.figures()).take(4);
        figures.into_iter().all(|((_, now), (_, before))| now <= before)
    }

    fn figures(&self) -> [(&'static str, u64); 7] {
        let Self { realtime, descriptors, udp, threads, resident: _ } = self;
        [
            ("sessions", realtime.sessions),
            ("media connections", realtime.connections),
            ("routes", realtime.routes),
            ("tasks", realtime.tasks),
            ("file descriptors", *descriptors),
            ("UDP sockets", *udp),
            ("threads", *threads),
        ]
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, figure) in self.figures() {
            write!(f, "{figure} {name}, ")?;
        }
        write!(f, "{:.1} MB", self.resident as f64 / 1e6)
    }
}

/// As the targets of descriptors are written.
fn udp_sockets(pid: u32) -> Result<HashSet<String>> {
    let mut sockets = HashSet::new();
    for table in ["udp", "udp6"] {
        let path = format!("/proc/{pid}/net/{table}");
        let table = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let inodes = table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(9));
        sockets.extend(inodes.map(|inode| format!("socket:[{inode}]")));
    }
    Ok(sockets)
}
