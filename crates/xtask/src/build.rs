//! Building the programs and finding them.

use std::path::PathBuf;
use std::process::Command;

/// The programs that make up an installation.
pub(crate) const PROGRAMS: [&str; 8] = [
    "cloud-agent",
    "local-agent",
    "sync-watcher",
    "mcp-email",
    "mcp-odoo",
    "mcp-social",
    "mcp-whatsapp",
    "mcp-payment",
];

/// How the programs are built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Profile {
    /// As `cargo test` builds them, with fault points.
    Dev,
    /// As they are installed: no fault points.
    Release,
    /// Optimised, with fault points.
    Torture,
}

/// Builds all programs, with cargo's own progress on stderr, and returns the folder they are in.
pub(crate) fn programs(profile: Profile) -> Result<PathBuf, String> {
    build(&PROGRAMS, profile)?
        .into_iter()
        .find(|path| path.file_stem().is_some_and(|stem| stem == "local-agent"))
        .and_then(|path| path.parent().map(PathBuf::from))
        .ok_or_else(|| "cargo built no local-agent".into())
}

/// Builds this very program, and returns where it is.
pub(crate) fn this(profile: Profile) -> Result<PathBuf, String> {
    build(&["xtask"], profile)?.pop().ok_or_else(|| "cargo built no xtask".into())
}

/// Builds `programs` and returns their paths; cargo says where it put them, wherever the target
/// folder is.
fn build(programs: &[&str], profile: Profile) -> Result<Vec<PathBuf>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // From the top, all packages' features count alike, so that nothing is built twice.
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    command.args(["build", "--message-format=json-render-diagnostics"]);
    for program in programs {
        command.args(["--bin", program]);
    }
    match profile {
        Profile::Dev => &mut command,
        Profile::Release => command.arg("--release"),
        Profile::Torture => command.args(["--profile", "torture"]),
    };
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|e| format!("failed to start cargo: {e}"))?;
    if !output.status.success() {
        return Err("the programs do not build; see cargo's messages above".into());
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let executables = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    Ok(executables.collect())
}
