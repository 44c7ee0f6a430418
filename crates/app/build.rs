//! Builds the web app with npm, and puts its files into the crate.
//!
//! The variable `DISPATCH_APP` says which app: without it, the one of the checkout is built; `none` is none; anything else
//! names the folder of one that is built already. Where the app cannot be built the crate can all the same: it has a page
//! then that says how to get the app.

#[path = "build/embed.rs"]
mod embed;
#[path = "build/source.rs"]
mod source;

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};

use source::Source;

/// What the app is made of, from the root of the checkout.
const INPUTS: [&str; 8] = [
    "app/index.html",
    "app/package-lock.json",
    "app/package.json",
    "app/src",
    "app/svelte.config.js",
    "app/tsconfig.json",
    "app/vite.config.ts",
    "clients/typescript/src",
];

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let root = here.join("../..");
    println!("cargo::rerun-if-env-changed=DISPATCH_APP");
    watch(&here.join("build"));
    watch(&here.join("fallback"));
    let source = source::find(env::var("DISPATCH_APP").ok().as_deref(), &root.join("app"), &out);
    let folder = match &source {
        Source::Checkout(folder) => {
            INPUTS.iter().for_each(|input| watch(&root.join(input)));
            folder.clone()
        }
        Source::Elsewhere(folder) => {
            watch(folder);
            folder.clone()
        }
        Source::None => here.join("fallback"),
        Source::Failed(why) => {
            println!("cargo::warning=the server will be without its web app");
            why.lines().for_each(|line| println!("cargo::warning={line}"));
            // A file that is never there: the next build tries again.
            watch(&out.join("never"));
            here.join("fallback")
        }
    };
    let files = embed::files(&folder)?;
    embed::write(&files, &out)?;
    Ok(())
}

fn watch(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}
