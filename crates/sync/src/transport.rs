//! How a remote is spoken to, as the cycle sees it: a few refs, and one compare-and-swap.
//!
//! `git` has the one that configured remotes are reached with; [`crate::simulated`] has one in
//! process, which nothing but a constructor of its own leads to.

use std::fmt::Debug;
use std::time::Duration;

use git2::Oid;

/// What kept a remote from doing what it was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TroubleKind {
    /// No connection: name, route, time.
    Unreachable,
    /// Connected, but not let in: password, key, certificate, host key.
    Denied,
    /// There is no repository of that name.
    Missing,
    /// The repository is there, and has no such branch.
    NoBranch,
    /// It was killed because it took too long.
    Timeout,
    /// The program could not be started.
    NotInstalled,
    /// Anything else.
    Other,
}

/// Why it was not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Trouble {
    /// What kind.
    pub(crate) kind: TroubleKind,
    /// What was said, in a line, without what could be a password.
    pub(crate) said: String,
    /// Whether the remote may have changed all the same.
    pub(crate) may_have_happened: bool,
}

/// What the remote did with one ref of a push.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Pushed {
    /// It is there.
    Accepted,
    /// The ref is no longer what was expected: somebody else was first.
    Moved,
    /// Something at the remote holds the ref: another push this very moment, or the lock file of
    /// one that died. What the remote said of it.
    Locked(String),
    /// The remote's rules do not want it.
    Declined(String),
}

/// The way to one remote.
pub(crate) trait Transport: Send + Debug {
    /// How long one call may take.
    fn timeout(&self) -> Duration;

    /// The remote's refs that match `patterns`: object and full name. One network round.
    fn ls_remote(&self, patterns: &[String]) -> Result<Vec<(Oid, String)>, Trouble>;

    /// Fetches `refs` (source:target). One network round.
    fn fetch(&self, refs: &[String]) -> Result<(), Trouble>;

    /// Makes the remote's `target` be `commit` if it is `expected` (none: if it does not exist).
    /// One network round.
    fn push(&self, commit: Oid, target: &str, expected: Option<Oid>) -> Result<Pushed, Trouble>;

    /// Creates refs and deletes others, all or nothing. One network round.
    fn push_refs(&self, refspecs: &[String], force: bool) -> Result<Pushed, Trouble>;

    /// Packs loose objects, without touching what is packed already. Touches no network.
    fn maintain(&self) -> Result<(), Trouble>;

    /// Others push too and were faster, for the `attempt`-th time: waits a little, so that not all
    /// try again at the same moment.
    fn overtaken(&self, attempt: u32);
}
