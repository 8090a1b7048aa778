//! From `main` to an exit status.

use std::future::Future;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use crate::{Failure, shown};

/// How many threads a program gets. Each costs memory for as long as it runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Threads {
    /// One for all asynchronous work: commands and tool servers.
    One,
    /// Two: daemons, whose sources should not wait for one another.
    Few,
}

/// Threads for files, git and databases; they end after some seconds without work.
const BLOCKING: usize = 8;

/// How long blocking work that nobody awaits any more may take to end. It is crash-safe; a read
/// of a terminal would otherwise keep the process alive for ever.
const LEFTOVER: Duration = Duration::from_millis(100);

/// Runs a program's work and turns its result into the exit status; a failure is printed to
/// stderr as `program: what failed: why` with a hint below.
pub fn run(program: &str, threads: Threads, work: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    ExitCode::from(status(program, threads, work))
}

/// [`run`], with the exit status as a number.
pub fn status(program: &str, threads: Threads, work: impl Future<Output = Result<(), Failure>>) -> u8 {
    let mut builder = match threads {
        Threads::One => tokio::runtime::Builder::new_current_thread(),
        Threads::Few => tokio::runtime::Builder::new_multi_thread(),
    };
    if threads == Threads::Few {
        builder.worker_threads(2);
    }
    if let Err(failure) = crate::fault_plan::arm(program) {
        let _ = writeln!(std::io::stderr(), "{program}: {}", shown(&failure.to_string()));
        return failure.status();
    }
    let result = match builder
        .max_blocking_threads(BLOCKING)
        .thread_keep_alive(Duration::from_secs(2))
        .enable_all()
        .build()
    {
        Ok(runtime) => {
            let result = runtime.block_on(work);
            runtime.shutdown_timeout(LEFTOVER);
            result
        }
        Err(error) => Err(Failure::failed("cannot start the runtime").because(error)),
    };
    crate::fault_plan::account(program);
    match result {
        Ok(()) => 0,
        Err(failure) => {
            // When stderr is gone, the exit status is all there is left to say.
            let _ = writeln!(std::io::stderr(), "{program}: {}", shown(&failure.to_string()));
            failure.status()
        }
    }
}
