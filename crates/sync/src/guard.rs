//! What must not leave this machine: secrets, in contents, names and commit messages.
//!
//! A content is looked through once, when it is first read; what the remote has already may go
//! on travelling, under another name too.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use git2::{Oid, Repository};
use secret_scan::Scanner;

use crate::tree::Trees;

/// The search for shapes alone, made once.
pub(crate) fn shapes() -> Result<Arc<Scanner>, secret_scan::BuildError> {
    static SHAPES: OnceLock<Arc<Scanner>> = OnceLock::new();
    match SHAPES.get() {
        Some(shapes) => Ok(Arc::clone(shapes)),
        None => {
            let shapes = Arc::new(Scanner::new([])?);
            Ok(Arc::clone(SHAPES.get_or_init(|| shapes)))
        }
    }
}

/// So many verdicts are remembered.
const REMEMBERED: usize = 200_000;

/// Why something is held back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Hold {
    /// Where and what kind, never the value.
    pub(crate) reason: String,
    /// Whether the secret is in the name, which is then not to be shown either.
    pub(crate) in_name: bool,
}

/// Looks for secrets, and remembers what it has looked through.
#[derive(Debug)]
pub(crate) struct Guard {
    secrets: Arc<Scanner>,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// By content; none where it is clean.
    verdicts: HashMap<Oid, Option<String>>,
    /// The tree that the remote has, and, once somebody asked, its contents.
    seen: Option<Oid>,
    public: Option<(Oid, HashSet<Oid>)>,
}

impl Guard {
    pub(crate) fn new(secrets: Arc<Scanner>) -> Self {
        Self { secrets, memory: Mutex::default() }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tree that the remote was last seen to have.
    pub(crate) fn saw(&self, tree: Option<Oid>) {
        self.memory().seen = tree;
    }

    /// Why a content must not go out under a name; `new_name`: the remote does not have the name.
    pub(crate) fn file(
        &self,
        repo: &Repository,
        path: &str,
        new_name: bool,
        id: Oid,
        bytes: &[u8],
    ) -> Option<Hold> {
        let name = if new_name { self.name(path.as_bytes()) } else { None };
        name.or_else(|| self.content(repo, id, bytes).map(|reason| Hold { reason, in_name: false }))
    }

    /// Why a name must not go out.
    pub(crate) fn name(&self, path: &[u8]) -> Option<Hold> {
        let found = self.secrets.first(path)?;
        Some(Hold { reason: format!("its name has {} in it", found.kind), in_name: true })
    }

    /// Why a content must not go out.
    pub(crate) fn content(&self, repo: &Repository, id: Oid, bytes: &[u8]) -> Option<String> {
        if let Some(verdict) = self.known(repo, id) {
            return verdict;
        }
        let reason = self.text(bytes);
        let mut memory = self.memory();
        if memory.verdicts.len() >= REMEMBERED {
            memory.verdicts.clear();
        }
        memory.verdicts.insert(id, reason.clone());
        drop(memory);
        reason.filter(|_| !self.is_public(repo, id))
    }

    /// The verdict on a content that was looked through already.
    pub(crate) fn known(&self, repo: &Repository, id: Oid) -> Option<Option<String>> {
        let verdict = self.memory().verdicts.get(&id).cloned()?;
        Some(verdict.filter(|_| !self.is_public(repo, id)))
    }

    /// Why a text must not go out.
    pub(crate) fn text(&self, bytes: &[u8]) -> Option<String> {
        let found = self.secrets.scan(bytes);
        let first = found.first()?;
        let more = match found.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        Some(format!("{first}{more}; it stays on this machine until that is taken out"))
    }

    /// Whether the remote has the content anyway. Asked only about secrets.
    fn is_public(&self, repo: &Repository, id: Oid) -> bool {
        let mut memory = self.memory();
        let Some(tree) = memory.seen else { return false };
        if memory.public.as_ref().is_none_or(|(of, _)| *of != tree) {
            let mut contents = HashSet::new();
            let read = Trees::of(repo).each_file(Some(tree), &mut |_, _, content| {
                contents.insert(content);
            });
            // What cannot be read is not known to be there.
            if read.is_err() {
                return false;
            }
            memory.public = Some((tree, contents));
        }
        memory.public.as_ref().is_some_and(|(_, contents)| contents.contains(&id))
    }
}
