//! `cargo xtask torture`: tries to break what the project promises, and says how far it came.
//!
//! Each suite is one promise under attack. A run prints a figure for each; a broken promise
//! prints the seed that breaks it again, and the command fails. Three efforts:
//!
//! - `--share`: a share of each that fits a few minutes, for CI; runs the programs as they are.
//! - the default: once through everything, as often as the promise says.
//! - `--minutes N`: round after round, each with another seed, until the time is up.

mod bounded;
mod clones;
mod contestant;
mod effects;
mod figure;
mod forged;
mod injection;
mod judge;
mod kills;
mod lab;
mod log;
mod machines;
mod partition;
mod power;
mod processes;
mod races;
mod scene;
mod schedules;
mod secrets;
mod syscalls;

use std::path::Path;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

pub(crate) use self::contestant::Contestant;
pub(crate) use self::figure::Figure;
pub(crate) use self::lab::Lab;
use crate::build;

/// What a suite gives: figures, or why it could not be run at all.
pub(crate) type Outcome<T = Vec<Figure>> = Result<T, String>;

/// What a run is asked for.
#[derive(Args)]
pub(crate) struct Options {
    /// Go on for so long, round after round.
    #[arg(long, value_name = "N", conflicts_with = "share")]
    minutes: Option<u64>,
    /// Where chance starts; a failure names the seed that repeats it [default: from the clock]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// A share of each suite, for CI.
    #[arg(long)]
    share: bool,
    /// So many cases of each suite instead of its own number.
    #[arg(long, value_name = "N")]
    cases: Option<u64>,
    /// Only these suites.
    #[arg(long, value_name = "SUITE", value_delimiter = ',')]
    only: Vec<Suite>,
    /// One case alone, the one of the seed, with all that happens in it.
    #[arg(long)]
    alone: bool,
    /// Of the system calls only those whose case has this in its name.
    #[arg(long, value_name = "TEXT")]
    case: Option<String>,
    /// The programs are built, and this is one of them.
    #[arg(long, hide = true)]
    built: bool,
}

/// One promise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Suite {
    /// Many processes claim in one vault.
    Races,
    /// Many clones claim at one remote.
    Clones,
    /// The audit log is tampered with.
    Log,
    /// Programs are killed at random.
    Kills,
    /// Every system call that changes something goes wrong.
    Syscalls,
    /// The power is cut.
    Power,
    /// Secrets are planted in what is synchronised.
    Secrets,
    /// A model obeys what strangers write.
    Injection,
    /// Orders are forged, altered and replayed.
    Forged,
    /// Orders are carried out while services, network and machine fail.
    Effects,
    /// Machines, owner and remote in one process, under a model.
    Schedules,
    /// An hour without the remote.
    Partition,
}

impl Suite {
    fn title(self) -> &'static str {
        match self {
            Self::Races => "local races",
            Self::Clones => "claims across clones",
            Self::Log => "log tampering",
            Self::Kills => "random kills",
            Self::Syscalls => "system calls",
            Self::Power => "power cuts",
            Self::Secrets => "planted secrets",
            Self::Injection => "injection",
            Self::Forged => "forged orders",
            Self::Effects => "effects under failure",
            Self::Schedules => "seeded schedules",
            Self::Partition => "partitions",
        }
    }

    fn run(self, lab: &Lab) -> Outcome {
        match self {
            Self::Races => races::run(lab),
            Self::Clones => clones::run(lab),
            Self::Log => log::run(lab),
            Self::Kills => kills::run(lab),
            Self::Syscalls => syscalls::run(lab),
            Self::Power => power::run(lab),
            Self::Secrets => secrets::run(lab),
            Self::Injection => injection::run(lab),
            Self::Forged => forged::run(lab),
            Self::Effects => effects::run(lab),
            Self::Schedules => schedules::run(lab),
            Self::Partition => partition::run(lab),
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<(), String> {
    if !options.built {
        return run_built(options);
    }
    let program = std::env::current_exe().map_err(|e| format!("failed to find this program: {e}"))?;
    let bin = program.parent().unwrap_or(Path::new("."));
    let start = Instant::now();
    let mut seed = options.seed.unwrap_or_else(lab::seed_of_the_clock);
    let until = options.minutes.map(|minutes| Duration::from_secs(60 * minutes));
    loop {
        let lab = Lab::new(bin, seed, options)?;
        round(options, &lab)?;
        if until.is_none_or(|until| start.elapsed() >= until) {
            return Ok(());
        }
        seed = seed.wrapping_add(1);
    }
}

/// Every suite once.
fn round(options: &Options, lab: &Lab) -> Result<(), String> {
    let wanted = |suite: &Suite| options.only.is_empty() || options.only.contains(suite);
    let suites: Vec<Suite> = Suite::value_variants().iter().copied().filter(wanted).collect();
    let mut figures = Vec::new();
    for (n, suite) in suites.iter().enumerate() {
        eprintln!("torture {}/{}: {}, seed {}", n + 1, suites.len(), suite.title(), lab.seed());
        let start = Instant::now();
        figures.extend(suite.run(lab).unwrap_or_else(|reason| {
            eprintln!("  {reason}");
            vec![Figure::broken_off(suite.title(), &reason)]
        }));
        eprintln!("  {} s", start.elapsed().as_secs());
    }
    println!("{}", figure::markdown(&figures));
    // A share runs on whatever machine there is; what it cannot try there is said, and a run of the
    // whole has to try it.
    let excused = |figure: &&Figure| lab.is_share() && figure.was_not_tried();
    let broken = figures.iter().filter(|figure| !figure.is_met() && !excused(figure)).count();
    if broken == 0 {
        return Ok(());
    }
    Err(format!("{broken} of {} figures not reached; the same again: --seed {}", figures.len(), lab.seed()))
}

/// Builds the programs, this one too, and has it begin. The whole of it runs optimised, with
/// fault points; a share runs what `cargo test` has built.
fn run_built(options: &Options) -> Result<(), String> {
    let profile = if options.share { build::Profile::Dev } else { build::Profile::Torture };
    build::programs(profile)?;
    let program = build::this(profile)?;
    let status = std::process::Command::new(program)
        .args(std::env::args_os().skip(1))
        .arg("--built")
        .status()
        .map_err(|e| format!("failed to start the program that was built: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("torture ended with {status}")) }
}
