//! What the suites work with.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Options;

/// The programs, the seed and the effort of one round.
pub(crate) struct Lab {
    bin: PathBuf,
    seed: u64,
    share: bool,
    cases: Option<u64>,
    alone: bool,
    case: Option<String>,
    root: tempfile::TempDir,
    kept: Cell<bool>,
}

impl Lab {
    /// A lab with the programs in `bin`.
    pub(crate) fn new(bin: &Path, seed: u64, options: &Options) -> Result<Self, String> {
        // Beside the programs: a real file system, ignored by git.
        let folder = bin.parent().unwrap_or(bin);
        let root = tempfile::Builder::new()
            .prefix("torture-")
            .tempdir_in(folder)
            .map_err(|e| format!("failed to make a folder in {}: {e}", folder.display()))?;
        let &Options { share, cases, alone, .. } = options;
        let (bin, case) = (bin.to_owned(), options.case.clone());
        Ok(Self { bin, seed, share, cases, alone, case, root, kept: Cell::new(false) })
    }

    /// A program of the project.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// Where the programs are.
    pub(crate) fn bin(&self) -> &Path {
        &self.bin
    }

    /// Leaves all folders where they are, so that a finding can be looked into.
    pub(crate) fn keep(&self) {
        self.kept.set(true);
    }

    /// Where chance starts.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// How many cases to try: a share for CI, or as many as the promise says.
    pub(crate) fn cases(&self, share: u64, full: u64) -> u64 {
        self.cases.unwrap_or(if self.share { share } else { full })
    }

    /// Whether only a share is tried.
    pub(crate) fn is_share(&self) -> bool {
        self.share
    }

    /// Whether only the case of the seed is wanted.
    pub(crate) fn is_alone(&self) -> bool {
        self.alone
    }

    /// Whether a case of this name is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.case.as_ref().is_none_or(|case| name.contains(case))
    }

    /// Whether the programs are optimised: a share runs what `cargo test` has built.
    pub(crate) fn is_optimised(&self) -> bool {
        !self.share
    }

    /// An empty folder of this name on a real file system, gone with the lab.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.root.path().join(name);
        std::fs::create_dir_all(&path).map_err(|e| format!("failed to make {}: {e}", path.display()))?;
        Ok(path)
    }

    /// Says how far a suite is.
    pub(crate) fn progress(&self, done: u64, of: u64, what: &str) {
        if done == of || done.is_multiple_of((of / 20).max(1)) {
            eprintln!("  {done} of {of} {what}");
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.root.disable_cleanup(self.kept.get());
    }
}

/// Another seed for each run.
pub(crate) fn seed_of_the_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs())
}
