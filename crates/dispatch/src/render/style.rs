//! Colours, where somebody sees them.

use std::io::{IsTerminal, Write};

/// Where output goes.
pub(crate) struct Target {
    pub(crate) out: Box<dyn Write>,
    /// Somebody looks at it: nothing may be in it that commands a terminal.
    pub(crate) terminal: bool,
    pub(crate) palette: Palette,
}

impl Target {
    pub(crate) fn stdout() -> Self {
        let stdout = std::io::stdout();
        Self { terminal: stdout.is_terminal(), palette: Palette::of(&stdout), out: Box::new(stdout) }
    }

    pub(crate) fn stderr() -> Self {
        let stderr = std::io::stderr();
        Self { terminal: stderr.is_terminal(), palette: Palette::of(&stderr), out: Box::new(stderr) }
    }
}

/// Styles, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Palette {
    pub(crate) colours: bool,
}

impl Palette {
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { colours: false };

    /// Colours on terminals, unless `NO_COLOR` is set or the terminal knows none.
    pub(crate) fn of(stream: &impl IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { colours: stream.is_terminal() && !refused && !dumb }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn cyan(self, text: &str) -> String {
        self.paint("36", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
