//! `cargo xtask coverage`: of the lines of the crates on which everything rests, how many their tests
//! reach, and which they do not.
//!
//! One run of `cargo tarpaulin` with source-based instrumentation, over all tests of the seven
//! crates together (unit tests and `tests/` folders, no other crate's). A line that only a test of
//! another of the seven reaches counts as reached. Lines of tests count neither way: tarpaulin
//! leaves out functions and modules of tests, and their files are left out here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use serde_json::Value;

/// Of a hundred lines of each crate, so many are to be reached.
const PROMISED: usize = 95;
/// Where judging, agreeing and acting are decided.
const CRATES: [&str; 7] = ["task", "policy", "router", "claim", "approval", "executor", "sync"];
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// Instrumented objects are kept apart from the others, and the report beside them.
const FOLDER: &str = "target/coverage";
const REPORT: &str = "tarpaulin-report.json";
/// Files of tests, as patterns of tarpaulin's.
const TESTS: [&str; 3] = ["*/tests.rs", "*/tests/*", "*/benches/*"];
/// A test that says nothing for so long has stopped.
const TIMEOUT_SECONDS: &str = "600";

/// What is asked for.
#[derive(Args)]
pub(crate) struct Options {
    /// Only these crates, by their own tests.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    package: Vec<String>,
    /// Name the lines that no test reaches.
    #[arg(long)]
    missed: bool,
    /// Make no run: read a report of tarpaulin's (JSON), as one is left in target/coverage.
    #[arg(long, value_name = "FILE")]
    read: Option<PathBuf>,
}

/// The lines of one file that can be reached, and whether a test did.
type Lines = BTreeMap<u64, bool>;

/// The lines of one crate, file by file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Coverage {
    files: BTreeMap<String, Lines>,
}

impl Coverage {
    fn lines(&self) -> usize {
        self.files.values().map(BTreeMap::len).sum()
    }

    fn reached(&self) -> usize {
        self.files.values().flat_map(BTreeMap::values).filter(|reached| **reached).count()
    }

    fn is_enough(&self) -> bool {
        self.lines() > 0 && self.reached() * 100 >= PROMISED * self.lines()
    }

    /// Percent with one digit, never rounded up.
    fn percent(&self) -> String {
        let permille = self.reached() * 1000 / self.lines().max(1);
        format!("{}.{}", permille / 10, permille % 10)
    }

    /// `file:from-to`, a stretch each. Lines without code do not interrupt one.
    fn missed(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (file, lines) in &self.files {
            let mut stretch: Option<(u64, u64)> = None;
            for (line, reached) in lines {
                stretch = match (stretch, reached) {
                    (None, true) => None,
                    (None, false) => Some((*line, *line)),
                    (Some((from, _)), false) => Some((from, *line)),
                    (Some(ended), true) => {
                        found.push(range(file, ended));
                        None
                    }
                };
            }
            found.extend(stretch.map(|last| range(file, last)));
        }
        found
    }
}

fn range(file: &str, (from, to): (u64, u64)) -> String {
    if from == to { format!("{file}:{from}") } else { format!("{file}:{from}-{to}") }
}

pub(crate) fn run(options: &Options) -> Result<(), String> {
    let crates: Vec<String> = match options.package.as_slice() {
        [] => CRATES.map(str::to_owned).to_vec(),
        some => some.to_vec(),
    };
    let report = match &options.read {
        Some(report) => report.clone(),
        None => measure(&crates)?,
    };
    let text =
        std::fs::read_to_string(&report).map_err(|e| format!("failed to read {}: {e}", report.display()))?;
    let found = read(&text).map_err(|e| format!("failed to read {}: {e}", report.display()))?;
    let none = Coverage::default();
    let of = |name: &String| found.get(name).unwrap_or(&none);
    println!("| crate | lines | reached by tests | % | promised |\n|---|---|---|---|---|");
    for name in &crates {
        let coverage = of(name);
        let (lines, reached) = (coverage.lines(), coverage.reached());
        println!("| {name} | {lines} | {reached} | {} | {PROMISED} % |", coverage.percent());
    }
    if options.missed {
        println!();
        for stretch in crates.iter().flat_map(|name| of(name).missed()) {
            println!("{stretch}");
        }
    }
    let short: Vec<&str> = crates.iter().filter(|name| !of(name).is_enough()).map(String::as_str).collect();
    if short.is_empty() {
        return Ok(());
    }
    let hint = if options.missed { "" } else { "; --missed names the lines" };
    Err(format!("{} of {} crates fall short: {}{hint}", short.len(), crates.len(), short.join(", ")))
}

/// Runs the tests, and says where the report is.
fn measure(crates: &[String]) -> Result<PathBuf, String> {
    let folder = Path::new(ROOT).join(FOLDER);
    let report = folder.join(REPORT);
    // What an earlier run left is not to be taken for what this one found.
    match std::fs::remove_file(&report) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(format!("failed to remove {}: {e}", report.display()));
        }
        _ => {}
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(ROOT);
    command.args(["tarpaulin", "--engine", "llvm", "--locked", "--skip-clean"]);
    command.args(["--timeout", TIMEOUT_SECONDS, "--stderr", "--out", "Json"]);
    command.arg("--output-dir").arg(&folder).arg("--target-dir").arg(&folder);
    for name in crates {
        command.args(["--packages", name]);
    }
    for tests in TESTS {
        command.args(["--exclude-files", tests]);
    }
    // What tests print is no result.
    command.stdout(std::io::stderr());
    let hint = "cargo install --locked cargo-tarpaulin";
    let status = command.status().map_err(|e| format!("failed to start cargo tarpaulin: {e}; {hint}"))?;
    if !status.success() {
        return Err(format!(
            "cargo tarpaulin ended with {status}: a test failed, or it is not there; {hint}"
        ));
    }
    Ok(report)
}

/// A report of tarpaulin's, crate by crate.
fn read(text: &str) -> Result<BTreeMap<String, Coverage>, String> {
    let report: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let files = report["files"].as_array().ok_or("it names no files")?;
    let mut found: BTreeMap<String, Coverage> = BTreeMap::new();
    for file in files {
        let parts: Vec<&str> = file["path"]
            .as_array()
            .ok_or("a file without a path")?
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let Some((name, path)) = home(&parts) else { continue };
        let lines = found.entry(name).or_default().files.entry(path).or_default();
        for trace in file["traces"].as_array().ok_or("a file without lines")? {
            let line = trace["line"].as_u64().ok_or("a line without a number")?;
            let times = trace["stats"]["Line"].as_u64().ok_or("a line that was not counted")?;
            *lines.entry(line).or_default() |= times > 0;
        }
    }
    Ok(found)
}

/// The crate that a source file belongs to, and its path from the workspace's root.
fn home(parts: &[&str]) -> Option<(String, String)> {
    let at = parts.windows(3).rposition(|part| part[0] == "crates" && part[2] == "src")?;
    let is_test = parts[at..].iter().any(|part| *part == "tests" || *part == "tests.rs");
    (!is_test).then(|| (parts[at + 1].to_owned(), parts[at..].join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the form in which tarpaulin 0.37 writes it.
    const REPORT: &str = r#"{"files":[
        {"path":["/","home","somebody","crates","app","crates","sync","src","git.rs"],"content":"","covered":2,"coverable":5,
         "traces":[{"line":3,"address":[],"length":1,"stats":{"Line":7}},
                   {"line":5,"address":[],"length":1,"stats":{"Line":0}},
                   {"line":9,"address":[],"length":1,"stats":{"Line":0}},
                   {"line":10,"address":[],"length":1,"stats":{"Line":1}},
                   {"line":12,"address":[],"length":1,"stats":{"Line":0}}]},
        {"path":["/","home","somebody","crates","app","crates","sync","src","scan","tests.rs"],"traces":[{"line":1,"stats":{"Line":0}}]},
        {"path":["/","home","somebody","crates","app","crates","sync","tests","world.rs"],"traces":[{"line":1,"stats":{"Line":0}}]},
        {"path":["/","home","somebody","crates","app","crates","router","src","lib.rs"],"traces":[{"line":1,"stats":{"Line":1}}]}]}"#;

    #[test]
    fn lines_are_counted_by_crate_and_those_of_tests_are_not() {
        let found = read(REPORT).expect("a report");
        assert_eq!(found.keys().collect::<Vec<_>>(), ["router", "sync"]);
        assert_eq!((found["sync"].lines(), found["sync"].reached()), (5, 2));
        assert_eq!((found["router"].lines(), found["router"].reached()), (1, 1));
    }

    #[test]
    fn what_no_test_reaches_is_named_in_stretches() {
        let found = read(REPORT).expect("a report");
        assert_eq!(found["sync"].missed(), ["crates/sync/src/git.rs:5-9", "crates/sync/src/git.rs:12"]);
        assert!(found["router"].missed().is_empty());
    }

    #[test]
    fn nineteen_of_twenty_lines_are_enough_and_a_crate_without_lines_is_not() {
        let of = |reached: u64, all: u64| Coverage {
            files: BTreeMap::from([("a.rs".to_owned(), (0..all).map(|n| (n, n < reached)).collect())]),
        };
        for (reached, all, enough, percent) in [
            (95, 100, true, "95.0"),
            (94, 100, false, "94.0"),
            (949_999, 1_000_000, false, "94.9"),
            (0, 0, false, "0.0"),
        ] {
            let coverage = of(reached, all);
            assert_eq!(
                (coverage.is_enough(), coverage.percent()),
                (enough, percent.to_owned()),
                "{reached}/{all}"
            );
        }
    }

    #[test]
    fn a_report_in_another_form_is_no_report_of_nothing() {
        for text in ["", "{}", r#"{"files":[{"path":["crates","a","src","b.rs"]}]}"#] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
