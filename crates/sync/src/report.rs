//! What synchronisation tells its callers.

use chrono::{DateTime, Utc};
use git2::{ErrorClass, ErrorCode};
use vault::{FileError, LockError};

use crate::transport::{Trouble, TroubleKind};
use crate::worktree::ApplyError;
use crate::{BadNote, ScanError};

/// What one cycle did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// How many files on this machine were changed by what came in.
    pub pulled: usize,
    /// How many changed files went out.
    pub pushed: usize,
    /// Paths under `Conflicts/` where the losing version of something was kept.
    pub conflicts: Vec<String>,
    /// What was not taken or not sent. Each is said once.
    pub refused: Vec<Refusal>,
    /// The remote's tip, as far as it is known; none while it is empty.
    pub tip: Option<String>,
    /// Changes wait until pushes may follow one another (`sync.push_gap_seconds`).
    pub held: bool,
}

impl Report {
    /// Whether anything went in or out.
    pub fn changed(&self) -> bool {
        self.pulled > 0 || self.pushed > 0
    }
}

/// Something that was not taken from the remote, or not sent to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Relative to the vault; shown only, it may have been anything.
    pub path: String,
    /// Why.
    pub reason: String,
    /// Whether another machine tried it, which is an alarm, or it lies here and is not sent.
    pub incoming: bool,
}

/// How synchronisation stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// When the remote was last seen and everything of it integrated.
    pub last_seen: Option<DateTime<Utc>>,
    /// What went wrong since, in one message.
    pub trouble: Option<String>,
    /// Set while only the owner can make it go on: the remote was rewound, or its branch is gone.
    pub stopped: bool,
    /// The remote's tip as of `last_seen`.
    pub tip: Option<String>,
    /// Whether this machine has changes that the remote lacks.
    pub unpushed: bool,
    /// What stays on this machine because of a secret: file, and where in it what kind. Never the
    /// secret.
    pub withheld: Vec<(String, String)>,
    /// What another machine tried within the last hour and may not: path and reason.
    pub foreign: Vec<(String, String)>,
}

/// Why a cycle did not do all of its work. Local work goes on in every case.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// No connection. Changes were committed here and go out later.
    #[error("reach the remote {remote}: {said}; changes are kept here and go out when it is back")]
    Unreachable {
        /// Its address, without a password.
        remote: String,
        /// What git said.
        said: String,
        /// Whether a push may have arrived all the same.
        may_have_happened: bool,
    },
    /// Connected, but not let in.
    #[error(
        "get into the remote {remote}: {said}; check the key, the password or the certificate with `git -C {vault} ls-remote`"
    )]
    Denied {
        /// Its address, without a password.
        remote: String,
        /// What git said.
        said: String,
        /// The vault.
        vault: String,
    },
    /// There is no such repository.
    #[error("find the remote {remote}: {said}; check sync.remote")]
    Missing {
        /// Its address, without a password.
        remote: String,
        /// What git said.
        said: String,
    },
    /// The remote's rules refused the push.
    #[error(
        "push to {remote}: refused: {said}; changes are kept here and offered again; whoever runs the remote knows its rules (a protected branch, a hook, a quota)"
    )]
    Declined {
        /// Its address, without a password.
        remote: String,
        /// What the remote said.
        said: String,
    },
    /// The remote's history does not contain the last tip that was seen.
    #[error(
        "the remote was set back: {found} does not descend from {seen}, the last tip seen here; nothing is synchronised until you have looked at it and run `local-agent trust-tip {found}`"
    )]
    Rewound {
        /// The last tip seen.
        seen: String,
        /// What is there now.
        found: String,
    },
    /// The remote has no such branch any more.
    #[error(
        "the remote {remote} has no branch {branch} any more; nothing is synchronised until it has: check sync.remote and sync.branch, or put back what was seen last with `git -C {vault} push origin {seen}:refs/heads/{branch}`"
    )]
    Gone {
        /// Its address, without a password.
        remote: String,
        /// The vault's branch.
        branch: String,
        /// The last tip seen.
        seen: String,
        /// The vault.
        vault: String,
    },
    /// A commit that was not made by the cycle holds a secret.
    #[error("push commit {commit}, which holds a secret: {reason}")]
    Secret {
        /// Which.
        commit: String,
        /// Where and what kind; never the value.
        reason: String,
    },
    /// The search for secrets could not be set up.
    #[error(transparent)]
    Guard(#[from] secret_scan::BuildError),
    /// Other agents push all the time.
    #[error("push to {remote}: other machines were faster {attempts} times in a row; trying again later")]
    Contended {
        /// Its address, without a password.
        remote: String,
        /// How often.
        attempts: u32,
    },
    /// The remote's ref stays locked although nobody moves it.
    #[error(
        "push to {remote}: the remote is locked: {said}; if this goes on, a push died there: when no git runs in that repository, remove the .lock file that is named"
    )]
    Locked {
        /// Its address, without a password.
        remote: String,
        /// What the remote said.
        said: String,
    },
    /// Another process synchronises this vault.
    #[error("another process has been synchronising this vault for {seconds} s; `fuser -v {lock}` names it")]
    Busy {
        /// What it holds.
        lock: String,
        /// How long we waited.
        seconds: u64,
    },
    /// A person has checked out something else.
    #[error("the vault's git is on {found}, not on branch {wanted}; run `git -C {vault} switch {wanted}`")]
    HeadElsewhere {
        /// What is checked out.
        found: String,
        /// What should be.
        wanted: String,
        /// The vault.
        vault: String,
    },
    /// Not a commit's name.
    #[error("{0:?} names no commit; give all 40 digits as they were shown")]
    NoCommit(String),
    /// Not a reservation that a ref can carry.
    #[error("{0:?} cannot be reserved: no ref can have that name")]
    NoReservation(String),
    /// Not a note that a ref can carry.
    #[error(transparent)]
    Note(#[from] BadNote),
    /// The git program.
    #[error("run git: {said}")]
    Program {
        /// What it said.
        said: String,
        /// Whether a push may have arrived all the same.
        may_have_happened: bool,
    },
    /// The repository in the vault.
    #[error("{what}: {}{}", cause.message(), remedy(cause))]
    Repository {
        /// What was tried.
        what: &'static str,
        /// What libgit2 said.
        #[source]
        cause: git2::Error,
    },
    /// Looking at the vault.
    #[error("look for changes: {0}")]
    Scan(#[from] ScanError),
    /// Changing the vault. The remote's state was not taken over; the next cycle tries again.
    #[error("take over the remote's changes: {0}")]
    Apply(#[from] ApplyError),
    /// The vault's lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The data directory.
    #[error("write down the last tip seen: {0}")]
    Memory(#[from] vault::DurableError),
    /// No randomness.
    #[error("name this run: {0}")]
    Randomness(getrandom::Error),
    /// The thread that does the work is gone.
    #[error("synchronisation has ended")]
    Ended,
}

impl SyncError {
    /// Whether a push of this very call may have arrived although it failed.
    pub(crate) fn may_have_happened(&self) -> bool {
        match self {
            SyncError::Unreachable { may_have_happened, .. }
            | SyncError::Program { may_have_happened, .. } => *may_have_happened,
            // After the push, before it was written down.
            SyncError::Repository { .. } | SyncError::Memory(_) | SyncError::Apply(_) | SyncError::Ended => {
                true
            }
            _ => false,
        }
    }

    /// Whether the remote cannot be worked with for now, through no doing of this machine.
    pub(crate) fn is_out_of_reach(&self) -> bool {
        matches!(
            self,
            SyncError::Unreachable { .. }
                | SyncError::Denied { .. }
                | SyncError::Missing { .. }
                | SyncError::Program { .. }
        )
    }

    /// Whether the remote could not be spoken to: there is no way to it, it is gone, or it lets nobody in.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, SyncError::Unreachable { .. } | SyncError::Missing { .. } | SyncError::Denied { .. })
    }

    /// Whether only the owner can make it go on.
    pub fn needs_owner(&self) -> bool {
        matches!(self, SyncError::Rewound { .. } | SyncError::Gone { .. })
    }

    pub(crate) fn repository(what: &'static str) -> impl FnOnce(git2::Error) -> Self {
        move |cause| SyncError::Repository { what, cause }
    }

    pub(crate) fn of(trouble: Trouble, remote: &str, vault: &str) -> Self {
        let Trouble { kind, said, may_have_happened } = trouble;
        let (remote, vault) = (remote.to_owned(), vault.to_owned());
        match kind {
            TroubleKind::Unreachable | TroubleKind::Timeout => {
                SyncError::Unreachable { remote, said, may_have_happened }
            }
            TroubleKind::Denied => SyncError::Denied { remote, said, vault },
            TroubleKind::Missing | TroubleKind::NoBranch => SyncError::Missing { remote, said },
            TroubleKind::NotInstalled => SyncError::Program { said, may_have_happened },
            TroubleKind::Other => {
                let said =
                    format!("with the remote {remote}: {said}; `git -C {vault} ls-remote` tries it by hand");
                SyncError::Program { said, may_have_happened }
            }
        }
    }
}

/// What a person can do about a repository that does not answer.
fn remedy(cause: &git2::Error) -> &'static str {
    match (cause.code(), cause.class()) {
        (ErrorCode::Locked, _) => {
            "; another git works in the vault, or one died there: when none runs, remove the .lock file that is named"
        }
        // What should be there is not, or cannot be read: a disk that fails, a power cut.
        (_, ErrorClass::Odb | ErrorClass::Object | ErrorClass::Zlib | ErrorClass::Tree) => {
            "; `git fsck` in the vault says what is broken; move the vault's .git away, and the next synchronisation makes it anew from the remote"
        }
        _ => "",
    }
}
