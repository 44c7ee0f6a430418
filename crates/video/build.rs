//! Compiles the shim over libvpx against the installed headers, and links libvpx into the binary.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src/vpx_shim.c");
    println!("cargo::rustc-check-cfg=cfg(static_vpx)");

    let vpx = pkg_config::Config::new().atleast_version("1.8").cargo_metadata(false).probe("vpx").map_err(
        |error| format!("libvpx is needed to build (on Debian: apt install libvpx-dev).\n{error}"),
    )?;

    cc::Build::new()
        .file("src/vpx_shim.c")
        .includes(&vpx.include_paths)
        // Frames pass through libvpx's own optimised code; the shim is only slow to debug without this.
        .opt_level(2)
        .compile("dispatch_vpx_shim");

    // Left to itself, pkg-config links the shared library of a system directory. Debian's file for libvpx names a
    // directory in which the library is not, but lies below the right one.
    let directory = |variable| pkg_config::get_variable("vpx", variable).map(PathBuf::from);
    let directories = [directory("libdir")?, directory("pcfiledir")?.join("..")];
    if let Some(directory) = directories.iter().find(|directory| directory.join("libvpx.a").exists()) {
        println!("cargo::rustc-cfg=static_vpx");
        println!("cargo::rustc-link-search=native={}", directory.display());
        println!("cargo::rustc-link-lib=static=vpx");
    } else {
        println!("cargo::warning=there is no libvpx.a: the binary will need libvpx.so where it runs");
        for directory in directories {
            println!("cargo::rustc-link-search=native={}", directory.display());
        }
        println!("cargo::rustc-link-lib=dylib=vpx");
    }
    for library in ["m", "pthread"] {
        println!("cargo::rustc-link-lib=dylib={library}");
    }
    Ok(())
}
