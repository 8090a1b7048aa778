//! `cargo xtask mutants`: how many small changes to the code its tests notice, and why the others
//! go unnoticed.
//!
//! `cargo mutants` makes the changes, in a copy of this tree; what its tests did not notice has to
//! be explained in `mutants.txt` beside this crate's manifest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

/// Of a hundred mutants of each package, so many are to be noticed.
const PROMISED: usize = 90;
/// Where judging and acting are decided.
const PACKAGES: [&str; 3] = ["policy", "approval", "executor"];
const EXPLANATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/mutants.txt");
/// A mutant may loop for ever; a package's own tests take a few seconds.
const TIMEOUT_SECONDS: &str = "120";

/// What is asked for.
#[derive(Args)]
pub(crate) struct Options {
    /// Only these packages.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    package: Vec<String>,
    /// A share of the mutants, as `cargo mutants` takes it: 1/8 is every eighth.
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
    /// Make no run: read what one left in DIR/<package>/mutants.out.
    #[arg(long, value_name = "DIR")]
    read: Option<PathBuf>,
}

/// What came of one package's mutants, a line each as `cargo mutants` names them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Outcome {
    noticed: usize,
    missed: Vec<String>,
}

impl Outcome {
    fn read(folder: &Path) -> Result<Self, String> {
        let lines = |name: &str| -> Result<Vec<String>, String> {
            let path = folder.join("mutants.out").join(name);
            let text = std::fs::read_to_string(&path)
                .map_err(|e| format!("failed to read {}: {e}", path.display()))?;
            Ok(text.lines().map(str::to_owned).collect())
        };
        // One that makes the tests run for ever is noticed as well.
        let noticed = lines("caught.txt")?.len() + lines("timeout.txt")?.len();
        Ok(Self { noticed, missed: lines("missed.txt")? })
    }

    fn all(&self) -> usize {
        self.noticed + self.missed.len()
    }
}

pub(crate) fn run(options: &Options) -> Result<(), String> {
    let text =
        std::fs::read_to_string(EXPLANATIONS).map_err(|e| format!("failed to read {EXPLANATIONS}: {e}"))?;
    let explanations = explanations(&text);
    let packages: Vec<String> = match options.package.as_slice() {
        [] => PACKAGES.map(str::to_owned).to_vec(),
        some => some.to_vec(),
    };
    let scratch = tempfile::tempdir().map_err(|e| format!("failed to make a folder: {e}"))?;
    let folder = options.read.clone().unwrap_or_else(|| scratch.path().to_owned());
    let mut broken = 0;
    println!("| package | mutants | noticed | promised | not explained |\n|---|---|---|---|---|");
    let mut survivors = Vec::new();
    for package in &packages {
        let folder = folder.join(package);
        if options.read.is_none() {
            mutate(package, options.shard.as_deref(), &folder)?;
        }
        let outcome = Outcome::read(&folder)?;
        let explained = |name: &&String| explanations.contains_key(&without_position(name));
        let open = outcome.missed.len() - outcome.missed.iter().filter(explained).count();
        let enough = outcome.noticed * 100 >= PROMISED * outcome.all() && outcome.all() > 0;
        broken += usize::from(!enough || open > 0);
        println!(
            "| {package} | {} | {} ({} %) | {PROMISED} % | {open} |",
            outcome.all(),
            outcome.noticed,
            outcome.noticed * 100 / outcome.all().max(1),
        );
        survivors.extend(outcome.missed);
    }
    println!();
    for survivor in &survivors {
        let why = explanations.get(&without_position(survivor)).map_or("NOT EXPLAINED", String::as_str);
        println!("{survivor}\n    {why}");
    }
    if broken == 0 { Ok(()) } else { Err(format!("{broken} of {} packages fall short", packages.len())) }
}

/// Has `cargo mutants` make its changes in a copy, and the package's own tests look for them.
fn mutate(package: &str, shard: Option<&str>, folder: &Path) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|e| format!("failed to make {}: {e}", folder.display()))?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    command.args(["mutants", "--package", package, "--timeout", TIMEOUT_SECONDS, "--output"]).arg(folder);
    if let Some(shard) = shard {
        command.args(["--shard", shard]);
    }
    command.args(["--", "--lib"]);
    let status = command
        .status()
        .map_err(|e| format!("failed to start cargo mutants: {e}; cargo install --locked cargo-mutants"))?;
    // 2 and 3 say that some were missed or ran for ever, which is read from its report.
    match status.code() {
        Some(0 | 2 | 3) => Ok(()),
        _ => Err(format!("cargo mutants ended with {status}")),
    }
}

/// A mutant's name without line and column, which move with every edit above it.
fn without_position(name: &str) -> String {
    let mut parts = name.splitn(4, ':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(file), Some(_), Some(_), Some(what)) => format!("{file}:{what}"),
        _ => name.to_owned(),
    }
}

/// Mutant to reason. A reason stands below its mutants, indented; `#` begins a remark.
fn explanations(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut waiting: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if line.starts_with(char::is_whitespace) {
            for name in waiting.drain(..) {
                found.insert(name, line.trim().to_owned());
            }
        } else {
            waiting.push(line.trim_end().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_belongs_to_the_mutants_above_it_wherever_they_move() {
        let text = "# remark\ncrates/a/src/b.rs: replace x with y\ncrates/a/src/b.rs: replace + with -\n    Both log only.\n\n\
                    crates/a/src/c.rs: no reason\n";
        let known = explanations(text);
        assert_eq!(known.len(), 2);
        let name = "crates/a/src/b.rs:12:5: replace x with y";
        assert_eq!(known.get(&without_position(name)).map(String::as_str), Some("Both log only."));
        assert_eq!(known.get(&without_position("crates/a/src/c.rs:1:1: no reason")), None);
    }

    #[test]
    fn what_is_noticed_is_read_from_a_report() {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("mutants.out");
        std::fs::create_dir(&out).expect("folder");
        for (name, text) in [("caught.txt", "a\nb\n"), ("timeout.txt", "c\n"), ("missed.txt", "d\n")] {
            std::fs::write(out.join(name), text).expect("write");
        }
        let outcome = Outcome::read(folder.path()).expect("read");
        assert_eq!(outcome, Outcome { noticed: 3, missed: vec!["d".to_owned()] });
        assert!(Outcome::read(&out).is_err());
    }
}
