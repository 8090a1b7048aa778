//! `cargo xtask bench`: the figures that this project promises, measured on this machine.
//!
//! Each part measures one promise with the release programs and says so in rows of one table.
//! Where a figure is a ratio, both sides are measured in the same run, turn by turn, and the
//! ratio is the median over the pairs. Before each timed piece everything written so far is
//! synced to disk, so that nobody pays for what was done before.
//!
//! - [`claims`], [`cycle`], [`draft`], [`tools`], [`start`], [`memory`]: one promise each.
//! - [`lab`], [`daemon`], [`vaults`], [`samples`]: what they measure with.
//! - [`stats`], [`table`], [`machine`]: what becomes of it.

mod claims;
mod cycle;
mod daemon;
mod draft;
mod lab;
mod machine;
mod memory;
pub(crate) mod samples;
mod start;
mod stats;
mod table;
mod tools;
mod vaults;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clap::{Args, ValueEnum};

use self::lab::{Lab, OrFailed as _};
use self::table::{Row, Verdict};
use crate::build;

type Outcome<T = ()> = Result<T, String>;

/// What the benchmark is asked for.
#[derive(Args)]
pub(crate) struct Options {
    /// Where the table goes, as Markdown [default: bench.md in cargo's target folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Smaller vaults and fewer rounds, to see that it works.
    #[arg(long)]
    quick: bool,
    /// Only these parts.
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,
    /// The programs are built, and this is one of them.
    #[arg(long, hide = true)]
    built: bool,
}

/// One promise.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Local claims against a bare loop.
    Claims,
    /// A tool call on a kept session.
    Tools,
    /// `local-agent --dry-run --once`.
    Start,
    /// From a dropped file to its draft.
    Draft,
    /// The daemons' idle memory.
    Memory,
    /// A sync cycle against a sequence of git commands.
    Sync,
}

impl Part {
    fn title(self) -> &'static str {
        match self {
            Part::Claims => "local claims against a bare loop",
            Part::Tools => "MCP tool calls",
            Part::Start => "local-agent --dry-run --once",
            Part::Draft => "file dropped to draft",
            Part::Memory => "idle memory",
            Part::Sync => "sync cycles against the git command sequence",
        }
    }

    fn measure(self, lab: &Lab) -> Outcome<Vec<Row>> {
        match self {
            Part::Claims => claims::measure(lab),
            Part::Tools => tools::measure(lab),
            Part::Start => start::measure(lab),
            Part::Draft => draft::measure(lab),
            Part::Memory => memory::measure(lab),
            Part::Sync => cycle::measure(lab),
        }
    }
}

pub(crate) fn run(options: &Options) -> Outcome {
    if !options.built {
        return run_release();
    }
    let program = std::env::current_exe().or_failed("find this program")?;
    let bin = program.parent().ok_or("this program is in no folder")?;
    // Beside the programs: cargo's own folder, on a real file system, ignored by git.
    let target = bin.parent().unwrap_or(bin);
    let out = options.out.clone().unwrap_or_else(|| target.join("bench.md"));
    let facts = machine::facts(target);
    if machine::is_busy() {
        eprintln!("Other programs keep this machine busy; short times will come out too long.");
    }
    let lab = Lab::new(target, bin.to_owned(), options.quick)?;

    let wanted = |part: &Part| options.only.is_empty() || options.only.contains(part);
    let parts: Vec<Part> = Part::value_variants().iter().copied().filter(wanted).collect();
    let mut rows = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        eprintln!("bench {}/{}: {}", n + 1, parts.len(), part.title());
        let start = Instant::now();
        rows.extend(part.measure(&lab).unwrap_or_else(|reason| {
            eprintln!("  {reason}");
            vec![Row::failed(part.title(), &reason)]
        }));
        eprintln!("  {} s", start.elapsed().as_secs());
    }
    report(&facts, &rows, &out)
}

/// Builds everything in release, this program too, and has it measure.
fn run_release() -> Outcome {
    eprintln!("Building the programs in release (some minutes the first time) …");
    build::programs(build::Profile::Release)?;
    let program = build::this(build::Profile::Release)?;
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).arg("--built").envs(lab::GIT_ENVIRONMENT);
    for setting in lab::SETTINGS {
        command.env_remove(setting);
    }
    let status = command.status().or_failed("start the release program")?;
    if status.success() { Ok(()) } else { Err(format!("the benchmark ended with {status}")) }
}

/// How to read the table.
const METHOD: &str = "\
Times are medians. A ratio is the median over pairs that were measured turn by turn in this one run; \
of speeds it is ours over the baseline's, of times likewise, so that more is better for speeds and less for times.";

fn report(facts: &[String], rows: &[Row], out: &Path) -> Outcome {
    let table = table::markdown(rows);
    let facts: String = facts.iter().map(|fact| format!("- {fact}\n")).collect();
    let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let summary = format!(
        "{} figures met, {} missed, {} not measured, {} without a target",
        count(Verdict::Met),
        count(Verdict::Missed),
        count(Verdict::Failed),
        count(Verdict::Reported),
    );
    let text = format!("# Benchmark\n\n{facts}\n{METHOD}\n\n{table}\n{summary}\n");
    println!("{text}");
    std::fs::write(out, &text).or_failed(format!("write {}", out.display()))?;
    eprintln!("The table is in {}", out.display());
    if count(Verdict::Failed) == 0 { Ok(()) } else { Err("some figures could not be measured".into()) }
}
