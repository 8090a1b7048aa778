//! Logs, to stderr; results go to stdout and are the binary's own business.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::CommonArgs;
use crate::terminal::OneLine;

/// Libraries that say much and mean little at the level that is meant for us.
const QUIET: &str = "hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn,rmcp=warn,async_imap=warn,genai=warn,h2=warn,globset=warn";

/// Sends logs to stderr: at the level that `-v` says, else as `RUST_LOG` says, else at
/// `default` (`"info"` for a daemon, `"warn"` for a command). Calling it twice changes nothing.
pub fn init_logging(args: &CommonArgs, default: &str) {
    let level = match args.verbose {
        0 => None,
        1 => Some("debug"),
        _ => Some("trace"),
    };
    let asked = std::env::var("RUST_LOG").ok().filter(|text| !text.trim().is_empty());
    let (filter, bad) = match (level, asked) {
        (Some(level), _) => (quieted(level), None),
        // Libraries that write down what goes over the wire are unquieted by name only.
        (None, Some(asked)) => {
            match EnvFilter::try_new(&asked).and_then(|_| EnvFilter::try_new(format!("{QUIET},{asked}"))) {
                Ok(filter) => (filter, None),
                Err(error) => (quieted(default), Some(error)),
            }
        }
        (None, None) => (quieted(default), None),
    };
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| OneLine(std::io::stderr()))
        // A log that cannot be written would be reported on stderr, which is that very log, and panics there.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(args.verbose > 0)
        .try_init()
        .is_ok();
    if let (true, Some(error)) = (started, bad) {
        tracing::warn!("RUST_LOG is ignored: {error}");
    }
}

fn quieted(level: &str) -> EnvFilter {
    EnvFilter::new(format!("{level},{QUIET}"))
}
