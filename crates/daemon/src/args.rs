//! The flags that all binaries have in common.

use std::path::PathBuf;

use task::{Digest, Role};

/// Where things are; flattened into every binary's arguments.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct CommonArgs {
    /// Configuration file [env: AI_EMPLOYEE_CONFIG; else ./config.yaml, else the platform's]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// The vault's folder [else vault.path of the configuration, else ./vault]
    #[arg(long, value_name = "DIR", global = true)]
    pub vault: Option<PathBuf>,
    /// Keys, journal and state of this machine [env: AI_EMPLOYEE_DATA; else the platform's]
    #[arg(long, value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,
    /// Log more; twice for all
    #[arg(long, short, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
}

/// The switches between rehearsal and the real thing.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct ModeArgs {
    /// Rehearse: nothing is drafted elsewhere, sent, posted or paid [env: DRY_RUN]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = parse_bool, global = true)]
    pub dry_run: Option<bool>,
    /// Sample data in place of every real channel and server [env: MOCK_DATA, ODOO_MOCK, WHATSAPP_MOCK, PAYMENT_MOCK]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = parse_bool, global = true)]
    pub mock: Option<bool>,
}

/// The owner's handbook, on whichever machine.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum HandbookCommand {
    /// Which handbook counts here, whether the vault's is another, and what its rules do.
    Status,
    /// What the vault's handbook says otherwise than the accepted one.
    Diff,
    /// What the vault's handbook and the templates make of a sample mail (or a task's Markdown); nothing is kept
    /// and nothing is sent.
    Test {
        /// The mail as a file, as mail programs save it (.eml), or a task.
        file: PathBuf,
        /// Another handbook than the vault's.
        #[arg(long, value_name = "FILE")]
        handbook: Option<PathBuf>,
    },
    /// Have the vault's handbook count on this machine; asks in the terminal, or takes the digest of what was seen.
    Accept {
        /// The digest that `status` and `diff` print.
        #[arg(long)]
        digest: Option<Digest>,
    },
}

/// What flags say, for [`crate::load`]; absent ones leave the word to the environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags {
    /// `--dry-run`
    pub dry_run: Option<bool>,
    /// `--mock`: all four mock switches at once.
    pub mock: Option<bool>,
    /// `--role`
    pub role: Option<Role>,
    /// `--interval`, of sync-watcher.
    pub sync_interval_seconds: Option<u64>,
}

impl From<&ModeArgs> for Flags {
    fn from(args: &ModeArgs) -> Self {
        Self { dry_run: args.dry_run, mock: args.mock, ..Self::default() }
    }
}

/// Reads a switch as people write it in flags and environments.
pub fn parse_bool(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        modes: ModeArgs,
        #[command(subcommand)]
        command: Option<Command>,
    }

    #[derive(clap::Subcommand)]
    enum Command {
        Show { id: String },
    }

    #[test]
    fn switches_may_stand_alone_or_say_false() {
        let check = |args: &[&str], dry_run, mock| {
            let cli = Cli::try_parse_from([&["x"], args].concat()).expect("arguments");
            assert_eq!((cli.modes.dry_run, cli.modes.mock), (dry_run, mock), "{args:?}");
        };
        check(&[], None, None);
        check(&["--dry-run"], Some(true), None);
        check(&["--dry-run=false", "--mock=true"], Some(false), Some(true));
        check(&["--mock=off"], None, Some(false));
        assert!(Cli::try_parse_from(["x", "--dry-run=maybe"]).is_err());
    }

    #[test]
    fn a_switch_does_not_swallow_the_command_behind_it() {
        let cli =
            Cli::try_parse_from(["x", "--dry-run", "show", "EMAIL_1", "--vault", "v"]).expect("arguments");
        assert!(matches!(cli.command, Some(Command::Show { id }) if id == "EMAIL_1"));
        assert_eq!(cli.common.vault, Some("v".into()));
    }
}
