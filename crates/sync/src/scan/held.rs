//! What is held back because of a secret. For the rest of the world nothing changed there: the
//! last version without it stays at the remote. A task is held back as a whole, so that it does
//! not vanish from one folder without turning up in another.

use std::collections::{BTreeMap, BTreeSet};

use git2::Oid;
use task::TaskId;

use super::Scanner;
use crate::guard::Hold;
use crate::place::Place;
use crate::stamp::Stamp;
use crate::worktree::Step;

impl Scanner {
    /// Holds back what is on disk at `path`; `stamp` says of which state of the file that is known.
    pub(crate) fn hold(&mut self, path: &str, hold: Hold, stamp: Option<Stamp>) {
        self.skip(path, hold.reason.clone());
        self.held.insert(path.to_owned(), (hold, stamp));
    }

    /// Whether it is the same content that was held back.
    pub(super) fn is_still_held(&self, path: &str, stamp: Stamp) -> bool {
        self.held.get(path).is_some_and(|(_, known)| *known == Some(stamp))
    }

    /// Puts the other changes of the tasks that are held back aside.
    pub(crate) fn withhold(&mut self) {
        let ids = self.held_tasks();
        if ids.is_empty() {
            return;
        }
        let is_theirs = |path: &str| {
            Place::parse(path).is_ok_and(|place| place.task().is_some_and(|id| ids.contains(id)))
        };
        let paths: Vec<String> = self.changed.keys().filter(|path| is_theirs(path)).cloned().collect();
        for path in paths {
            if let Some(content) = self.changed.remove(&path) {
                self.aside.insert(path, content);
            }
        }
    }

    /// A scan begins with everything in sight.
    pub(super) fn take_up_again(&mut self) {
        self.changed.append(&mut self.aside);
    }

    fn held_tasks(&self) -> BTreeSet<TaskId> {
        let task = |path: &String| Place::parse(path).ok().and_then(|place| place.task().cloned());
        self.held.keys().filter_map(task).collect()
    }

    /// Whether a task is held back.
    pub(crate) fn holds(&self, id: &TaskId) -> bool {
        self.held.keys().any(|path| Place::parse(path).is_ok_and(|place| place.task() == Some(id)))
    }

    /// What is held back, by a path that may be shown.
    pub(crate) fn held(&self) -> BTreeMap<String, String> {
        let shown = |path: &str, hold: &Hold| match (hold.in_name, super::split(path).0) {
            (false, _) => path.to_owned(),
            (true, "") => "a file".to_owned(),
            (true, folder) => format!("a file in {folder}"),
        };
        self.held.iter().map(|(path, (hold, _))| (shown(path, hold), hold.reason.clone())).collect()
    }

    /// Whether what is skipped at `path` is skipped for this reason.
    pub(crate) fn is_held(&self, path: &str) -> bool {
        self.held.contains_key(path)
    }

    /// The steps that bring a task that is held back to where the last commit has it. What stands
    /// there instead is kept in `Conflicts/`, as words that nobody expected.
    pub(crate) fn steps_back(&self, id: &TaskId) -> Vec<Step> {
        let of_task = |path: &&String| Place::parse(path).is_ok_and(|place| place.task() == Some(id));
        let mut steps = Vec::new();
        for path in self.held.keys().filter(of_task) {
            let path = path.clone();
            steps.push(match self.in_head(&path) {
                Some(head) => Step::Replace { path, old: head, new: head },
                None => Step::Remove { path, old: Oid::ZERO_SHA1 },
            });
        }
        for (path, content) in &self.aside {
            if !of_task(&path) {
                continue;
            }
            let path = path.clone();
            steps.extend(match (*content, self.in_head(&path)) {
                (None, Some(new)) => Some(Step::Create { path, new }),
                (Some(old), Some(new)) => Some(Step::Replace { path, old, new }),
                (Some(old), None) => Some(Step::Remove { path, old }),
                (None, None) => None,
            });
        }
        steps
    }
}
