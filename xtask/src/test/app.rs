//! The web app: its types, its units, its size, and what people do with it, in Chromium against the release binary.

use anyhow::Result;

use super::Outcome;
use super::outside::Outside;
use crate::npm::APP;
use crate::process::{need, program, run};

/// Of the fonts that pictures of the views are drawn with, wherever they are compared, one that comes last.
const FONT: &str = "/usr/share/fonts/truetype/dejavu/DejaVuSans-Oblique.ttf";

pub(super) fn check() -> Result<Outcome> {
    APP.install()?;
    for name in ["check", "test", "build", "size"] {
        run(APP.script(name))?;
    }
    need("The font DejaVu Sans", program("test", &["-f", FONT]), "fonts-dejavu-extra")?;
    let outside = Outside::ready()?;
    // The tests bring an app of their own to a server that has none. Here the binary's own is meant.
    let mut tests = outside.given_to(APP.script("e2e"));
    tests.env("DISPATCH_APP_EMBEDDED", "1");
    run(tests)?;
    Ok(Outcome::Passed)
}
