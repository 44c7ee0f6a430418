use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use meter::Price;

use crate::live::Spill;

/// How conversations run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Limits and policies of each turn.
    pub turn: kernel::Options,
    /// Where tools work when neither the message nor the conversation says; relative directories start here.
    pub cwd: PathBuf,
    /// The most bytes of one tool result that the log and the model get. A longer one is cut, and says so.
    pub result_limit: usize,
    /// Where results that were cut are kept whole. None: they are not.
    pub results: Option<PathBuf>,
    /// Where images that come with messages are kept. None: only images elsewhere are taken, by their address.
    pub images: Option<PathBuf>,
    /// The template of the system prompt where none was set. None: no system prompt.
    pub system_prompt: Option<String>,
    /// Files and directories that the system prompt never shows.
    pub protected: Vec<PathBuf>,
    /// Percent of the model's context window at which a conversation is compacted by itself, where it has no setting
    /// of its own; 0: never.
    pub compact_percent: u64,
    /// What models cost, by their real names, `credential/model`. One that is not there is free.
    pub prices: BTreeMap<String, Price>,
    /// How much of a live turn is kept in memory, and where the rest goes.
    pub spill: Spill,
    /// Whether clients of the first contract are served, which need a pause around the end of a turn.
    pub legacy_clients: bool,
}

impl Options {
    /// The pause that a client of the first contract needs between a turn's beginning, its reads of the history and the
    /// turn's end, and before another turn begins.
    pub const LEGACY_PAUSE: Duration = Duration::from_millis(150);
}

impl Default for Options {
    fn default() -> Self {
        Self {
            turn: kernel::Options::default(),
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            result_limit: 1 << 20,
            results: None,
            images: None,
            system_prompt: None,
            protected: Vec::new(),
            compact_percent: 85,
            prices: BTreeMap::new(),
            spill: Spill::default(),
            legacy_clients: false,
        }
    }
}
