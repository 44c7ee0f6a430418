use std::path::PathBuf;

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
}

impl Default for Options {
    fn default() -> Self {
        Self {
            turn: kernel::Options::default(),
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            result_limit: 1 << 20,
            results: None,
        }
    }
}
