//! `cargo xtask release`: what a machine is set up from, in one archive with its checksum.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::build::{PROGRAMS, Profile, programs};

/// What can be asked for.
#[derive(Args)]
pub(crate) struct Options {
    /// Where archive and checksum are written.
    #[arg(long, default_value = "target/release-archive")]
    out: PathBuf,
    /// Take the programs from this folder instead of building them; they are used as they are.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
}

/// What goes in beside the programs, from the top of the sources; what is not there is left out
/// only where it says so.
const FILES: [(&str, bool); 9] = [
    ("README.md", true),
    ("CHANGELOG.md", true),
    ("ARCHITECTURE.md", true),
    ("LICENSE", true),
    ("config.yaml", true),
    ("docs", true),
    ("deploy", true),
    (".mcp.json", false),
    (".claude", false),
];

/// Builds, assembles, packs and writes the checksum.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let top = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let built = match &options.programs {
        Some(folder) => folder.clone(),
        None => programs(Profile::Release)?,
    };
    let version = said(Command::new(built.join("local-agent")).arg("--version"))?;
    let version = version.split_whitespace().nth(1).ok_or("local-agent tells no version")?.to_owned();
    let name = format!("ai-employee-{version}-{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    std::fs::create_dir_all(&options.out)
        .map_err(|e| format!("failed to make {}: {e}", options.out.display()))?;
    let stage = options.out.join(&name);
    if stage.exists() {
        std::fs::remove_dir_all(&stage).map_err(|e| format!("failed to remove {}: {e}", stage.display()))?;
    }
    let bin = stage.join("bin");
    std::fs::create_dir_all(&bin).map_err(|e| format!("failed to make {}: {e}", bin.display()))?;
    for program in PROGRAMS {
        let from = built.join(program);
        std::fs::copy(&from, bin.join(program))
            .map_err(|e| format!("failed to copy {}: {e}", from.display()))?;
        said(Command::new(&from).arg("--generate").arg(&stage))?;
    }
    for (file, needed) in FILES {
        let from = top.join(file);
        if from.exists() {
            said(Command::new("cp").arg("-r").arg(&from).arg(stage.join(file)))?;
        } else if needed {
            return Err(format!("{file} is not there"));
        }
    }
    let archive = format!("{name}.tar.gz");
    // The same files give the same archive, whoever packs them and when.
    said(
        Command::new("tar")
            .current_dir(&options.out)
            .args([
                "--sort=name",
                "--owner=0",
                "--group=0",
                "--numeric-owner",
                "--mtime=2026-01-01T00:00:00Z",
            ])
            .args(["--use-compress-program=gzip -n -9", "-cf", &archive, &name]),
    )?;
    let sum = said(Command::new("sha256sum").current_dir(&options.out).arg(&archive))?;
    let file = options.out.join(format!("{archive}.sha256"));
    std::fs::write(&file, &sum).map_err(|e| format!("failed to write {}: {e}", file.display()))?;
    println!("{}\n{}", options.out.join(&archive).display(), sum.trim_end());
    Ok(())
}

/// Runs a program to its end; what it printed.
fn said(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let arguments: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    let shown = format!("{name} {}", arguments.join(" "));
    let output = command.output().map_err(|e| format!("failed to start {name}: {e}"))?;
    if !output.status.success() {
        return Err(format!("{shown}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
