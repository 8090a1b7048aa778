//! `cargo xtask mutants`: how many small changes to the code its tests notice, and why the others
//! go unnoticed.
//!
//! `cargo mutants` makes the changes, in a copy of this tree; what its tests did not notice has to
//! be explained in `mutants.txt` beside this crate's manifest.
//!
//! Some hundred mutants a package, each a build and a run of the tests, take an hour or more. So each is
//! first held against the quick tests, and only what these do not notice against the exhaustive ones;
//! dependencies are taken from this tree's target folder; and `--resume` goes on where a run was broken off.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use serde_json::Value;

/// Of a hundred mutants of each package, so many are to be noticed.
const PROMISED: usize = 90;
/// Where judging and acting are decided.
const PACKAGES: [&str; 3] = ["policy", "approval", "executor"];
const TARGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target");
const EXPLANATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/mutants.txt");
/// The tests that fail at each step in turn: most of a package's time, and seldom the first to notice.
const EXHAUSTIVE: &str = "every_step";
/// A mutant may loop for ever; a package's quick tests take a few seconds, and some more on a busy machine.
const QUICK_SECONDS: &str = "120";
/// The exhaustive ones take a minute. One that is cut off would count as noticed.
const EXHAUSTIVE_SECONDS: &str = "900";
/// Cases of a property; the full number adds time and hardly a mutant.
const PROPERTY_CASES: &str = "24";
/// A file system in memory, where there is one: the tests wait for the disk more than for anything else.
const MEMORY: &str = "/dev/shm";
/// What was caught, or does not compile, in the runs that one goes on from.
const BEFORE: &str = "previously_caught.txt";

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
    /// Go on where a run was broken off: what was noticed is not tried again. Only while neither code nor
    /// tests have changed.
    #[arg(long)]
    resume: bool,
}

/// What came of one package's mutants, a line each as `cargo mutants` names them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Outcome {
    noticed: usize,
    missed: Vec<String>,
}

/// One of the lists of the last run.
fn list(folder: &Path, name: &str) -> Result<BTreeSet<String>, String> {
    let path = folder.join("mutants.out").join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        // Only a run that goes on has this one.
        Err(error) if error.kind() == ErrorKind::NotFound && name == BEFORE => Ok(BTreeSet::new()),
        Err(error) => Err(format!("failed to read {}: {error}", path.display())),
    }
}

impl Outcome {
    /// Reads the reports. A run that was broken off is an error: what it did not come to is neither
    /// noticed nor missed.
    fn read(folder: &Path) -> Result<Self, String> {
        let [caught, endless, missed, unviable] =
            ["caught.txt", "timeout.txt", "missed.txt", "unviable.txt"].map(|name| list(folder, name));
        let (caught, endless, missed, unviable) = (caught?, endless?, missed?, unviable?);
        let path = folder.join("mutants.out/mutants.json");
        let planned: Vec<Value> = std::fs::read(&path)
            .map_err(|error| error.to_string())
            .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()))
            .map_err(|why| format!("failed to read {}: {why}", path.display()))?;
        let tried = caught.len() + endless.len() + missed.len() + unviable.len();
        if tried < planned.len() {
            return Err(format!(
                "the run in {} was broken off after {tried} of {} mutants; --resume goes on with it",
                folder.display(),
                planned.len()
            ));
        }
        // What does not compile is no mutant. A run that goes on counts it among what was caught before.
        let unviable: BTreeSet<String> = unviable.union(&kept_unviable(folder)).cloned().collect();
        // One that makes the tests run for ever is noticed as well.
        let noticed = &(&caught | &endless) | &list(folder, BEFORE)?;
        Ok(Self { noticed: (&noticed - &unviable).len(), missed: missed.into_iter().collect() })
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
    let folder = options.read.clone().unwrap_or_else(|| Path::new(TARGET).join("mutants"));
    let mut broken = 0;
    println!("| package | mutants | noticed | promised | not explained |\n|---|---|---|---|---|");
    let mut survivors = Vec::new();
    for package in &packages {
        let folder = folder.join(package);
        if options.read.is_none() {
            mutate(package, options, &folder)?;
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

/// Holds the mutants against the quick tests, and what these do not notice against all.
fn mutate(package: &str, options: &Options, folder: &Path) -> Result<(), String> {
    if !options.resume {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(format!("failed to remove {}: {error}", folder.display()));
            }
            _ => {}
        }
    }
    std::fs::create_dir_all(folder).map_err(|e| format!("failed to make {}: {e}", folder.display()))?;
    once(package, options, folder, &["--skip", EXHAUSTIVE], QUICK_SECONDS)?;
    if list(folder, "missed.txt")?.is_empty() {
        return Ok(());
    }
    once(package, options, folder, &[], EXHAUSTIVE_SECONDS)
}

/// One run of `cargo mutants`, in a copy, over what no run before it in this folder has settled.
fn once(
    package: &str,
    options: &Options,
    folder: &Path,
    tests: &[&str],
    seconds: &str,
) -> Result<(), String> {
    settle(folder)?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    command
        .args(["mutants", "--iterate", "--package", package, "--timeout", seconds, "--output"])
        .arg(folder);
    if let Some(shard) = &options.shard {
        command.args(["--shard", shard]);
    }
    command.args(["--", "--lib", "--"]).args(tests);
    let memory = Path::new(MEMORY).is_dir().then_some(MEMORY);
    for (name, value) in
        [("CARGO_TARGET_DIR", Some(TARGET)), ("PROPTEST_CASES", Some(PROPERTY_CASES)), ("TMPDIR", memory)]
    {
        if let Some(value) = value.filter(|_| std::env::var_os(name).is_none()) {
            command.env(name, value);
        }
    }
    let status = command
        .status()
        .map_err(|e| format!("failed to start cargo mutants: {e}; cargo install --locked cargo-mutants"))?;
    // 2 and 3 say that some were missed or ran for ever, which is read from its report.
    match status.code() {
        Some(0 | 2 | 3) => Ok(()),
        _ => Err(format!("cargo mutants ended with {status}")),
    }
}

/// Prepares for another run: keeps which mutants do not compile, and has those that ran for ever count as
/// caught, so that they need not run for ever again.
fn settle(folder: &Path) -> Result<(), String> {
    let out = folder.join("mutants.out");
    if !out.is_dir() {
        return Ok(());
    }
    let append = |path: &Path, lines: &BTreeSet<String>| {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let mut file = File::options().create(true).append(true).open(path)?;
        file.write_all(text.as_bytes())
    };
    append(&folder.join("unviable.txt"), &list(folder, "unviable.txt")?)
        .and_then(|()| append(&out.join("caught.txt"), &list(folder, "timeout.txt").unwrap_or_default()))
        .map_err(|e| format!("failed to write in {}: {e}", folder.display()))
}

/// The mutants that earlier runs in this folder found not to compile.
fn kept_unviable(folder: &Path) -> BTreeSet<String> {
    // Absent after a first run.
    let text = std::fs::read_to_string(folder.join("unviable.txt")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
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

    /// A folder as a run leaves it.
    fn report(planned: usize, lists: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("mutants.out");
        std::fs::create_dir(&out).expect("folder");
        for name in ["caught.txt", "timeout.txt", "missed.txt", "unviable.txt"] {
            std::fs::write(out.join(name), "").expect("write");
        }
        for (name, text) in lists {
            std::fs::write(out.join(name), text).expect("write");
        }
        let planned = serde_json::to_vec(&vec![Value::Null; planned]).expect("json");
        std::fs::write(out.join("mutants.json"), planned).expect("write");
        folder
    }

    #[test]
    fn what_is_noticed_is_read_from_a_report() {
        let lists = [
            ("caught.txt", "a\nb\n"),
            ("timeout.txt", "c\n"),
            ("missed.txt", "d\n"),
            ("unviable.txt", "e\n"),
        ];
        let folder = report(5, &lists);
        let outcome = Outcome::read(folder.path()).expect("read");
        assert_eq!(outcome, Outcome { noticed: 3, missed: vec!["d".to_owned()] });
        assert!(Outcome::read(&folder.path().join("mutants.out")).is_err());
    }

    #[test]
    fn a_run_that_was_broken_off_gives_no_figure() {
        let folder = report(3, &[("caught.txt", "a\nb\n")]);
        let error = Outcome::read(folder.path()).expect_err("broken off");
        assert!(error.contains("broken off after 2 of 3 mutants"), "{error}");
    }

    #[test]
    fn a_run_that_goes_on_keeps_what_was_noticed_and_what_was_no_mutant() {
        let lists =
            [("caught.txt", "a\n"), ("timeout.txt", "b\n"), ("missed.txt", "c\n"), ("unviable.txt", "d\n")];
        let folder = report(4, &lists);
        settle(folder.path()).expect("settled");
        assert_eq!(list(folder.path(), "caught.txt").expect("list"), ["a", "b"].map(str::to_owned).into());
        // As cargo mutants goes on: everything that is settled is in one list, and only the rest is tried.
        let next = report(1, &[(BEFORE, "a\nd\nb\n"), ("caught.txt", "c\n")]);
        std::fs::copy(folder.path().join("unviable.txt"), next.path().join("unviable.txt")).expect("copy");
        let outcome = Outcome::read(next.path()).expect("read");
        assert_eq!(outcome, Outcome { noticed: 3, missed: Vec::new() });
    }
}
