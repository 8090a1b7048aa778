//! One run of a program: input on its stdin, both outputs read to their ends, a time limit, and
//! nothing left running afterwards.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

/// What is run.
pub(super) struct Run<'a> {
    pub(super) program: &'a Path,
    pub(super) arguments: &'a [OsString],
    pub(super) environment: &'a [(String, String)],
    /// Its working folder: empty, so that it finds no settings of anybody.
    pub(super) folder: &'a Path,
    pub(super) input: String,
    pub(super) limit: Duration,
}

/// How it ended.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) stdout: String,
    /// The last of what it said on stderr.
    pub(super) complaint: String,
}

/// Why it did not end by itself. Reads on after "claude".
#[derive(Debug, thiserror::Error)]
pub(super) enum RunError {
    #[error("{} cannot be started: {source}; set drafter.claude_code.program in config.yaml", path.display())]
    Start { path: PathBuf, source: std::io::Error },
    #[error("was ended after {0} s, the limit of drafter.claude_code.timeout_seconds")]
    Slow(u64),
    #[error("answered with more than {} KB", LONGEST / 1024)]
    Long,
    #[error("cannot be talked to: {0}")]
    Pipe(#[from] std::io::Error),
}

/// The longest answer, in bytes.
const LONGEST: u64 = 1 << 20;
/// How much of what it complains about is kept, in bytes.
const KEPT: usize = 2_000;

/// The program with everything that it started, in a process group of its own. Dropping ends them all.
struct Group {
    child: Child,
    group: Option<Pid>,
}

impl Group {
    fn end(&self) {
        if let Some(group) = self.group {
            // Gone already: nothing to end.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs it to its end or to its limit.
pub(super) async fn run(run: Run<'_>) -> Result<Ended, RunError> {
    let mut command = Command::new(run.program);
    command
        .args(run.arguments)
        .envs(run.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(run.folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let child = command.spawn().map_err(|source| RunError::Start { path: run.program.to_owned(), source })?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let mut group = Group { child, group };
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (group.child.stdin.take(), group.child.stdout.take(), group.child.stderr.take())
    else {
        return Err(RunError::Pipe(std::io::Error::other("it was started without pipes")));
    };
    let input = run.input;
    let talk = async {
        let say = async move {
            // A program that reads nothing says in its exit status what was wrong.
            let _ = stdin.write_all(input.as_bytes()).await;
            drop(stdin);
        };
        let ((), stdout, complaint) = tokio::join!(say, whole(stdout), tail(stderr));
        let status = group.child.wait().await?;
        Ok::<_, RunError>(Ended { status, stdout: stdout?, complaint: complaint? })
    };
    match tokio::time::timeout(run.limit, talk).await {
        Ok(ended) => ended,
        Err(_) => {
            group.end();
            // Killed: it is reaped at once.
            group.child.wait().await?;
            Err(RunError::Slow(run.limit.as_secs()))
        }
    }
}

async fn whole(mut from: impl AsyncRead + Unpin) -> Result<String, RunError> {
    let mut bytes = Vec::new();
    (&mut from).take(LONGEST + 1).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 > LONGEST {
        return Err(RunError::Long);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads to the end, so that nobody waits for a full pipe, and keeps the last of it.
async fn tail(mut from: impl AsyncRead + Unpin) -> Result<String, RunError> {
    let mut kept: Vec<u8> = Vec::new();
    let mut piece = vec![0; 8 << 10];
    loop {
        let read = from.read(&mut piece).await?;
        if read == 0 {
            return Ok(String::from_utf8_lossy(&kept).into_owned());
        }
        kept.extend_from_slice(&piece[..read]);
        kept.drain(..kept.len().saturating_sub(KEPT));
    }
}
