//! Developer commands: `cargo xtask demo` shows the whole loop, `cargo xtask bench` measures it,
//! `cargo xtask torture` tries to break it, `cargo xtask mutants` and `cargo xtask coverage`
//! try its tests, `cargo xtask release` packs it.
#![expect(clippy::print_stdout, reason = "a command-line program talks to its user")]
#![expect(clippy::print_stderr, reason = "a command-line program talks to its user")]

mod bench;
mod build;
mod coverage;
mod demo;
mod mutants;
mod release;
mod torture;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Developer commands of the AI Employee")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The whole loop on this machine, offline: two vaults, a bare repository between them, sample
    /// events, drafts, your review, and the effects on sample accounts.
    Demo(demo::Options),
    /// The figures that the project promises, measured here in release beside their baselines.
    Bench(bench::Options),
    /// Tries to break what the project promises, with crashes, races and a hostile other side.
    Torture(torture::Options),
    /// Small changes to the code: how many of them its tests notice, and why not the others.
    Mutants(mutants::Options),
    /// The lines that the tests of the crates on which everything rests reach, and those they do not.
    Coverage(coverage::Options),
    /// Programs, deploy scripts, documentation, man pages and completions in one archive, with its checksum.
    Release(release::Options),
    /// One of the processes that a suite sets against each other.
    #[command(subcommand, hide = true)]
    Contestant(torture::Contestant),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo(options) => demo::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Torture(options) => torture::run(&options),
        Command::Mutants(options) => mutants::run(&options),
        Command::Coverage(options) => coverage::run(&options),
        Command::Release(options) => release::run(&options),
        Command::Contestant(contestant) => contestant.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
