//! What is known of the files: what the last commit has, and what the disk had when it was last
//! looked at.

use std::collections::{BTreeMap, BTreeSet};

use git2::Oid;
use rustix::fs::Stat;
use task::TaskId;

use super::{Folder, Known, Scanner, split};
use crate::stamp::{Stamp, now};

impl Scanner {
    /// The last commit has this file.
    pub(crate) fn add_head(&mut self, folder: &str, name: &str, content: Oid) {
        if !self.folders.contains_key(folder) {
            self.folders.insert(folder.to_owned(), Folder::default());
        }
        if let Some(folder) = self.folders.get_mut(folder) {
            folder.files.insert(name.into(), Known { head: Some(content), stamp: None });
        }
    }

    /// Git's index knows this file by its stamp; says whether that is what the last commit has.
    /// Without a stamp, the content is known and the file must be read.
    pub(crate) fn add_index(&mut self, path: &str, content: Oid, stamp: Option<Stamp>) -> bool {
        let (folder, name) = split(path);
        let known = self.folders.get_mut(folder).and_then(|folder| folder.files.get_mut(name));
        match known {
            Some(known) if known.head == Some(content) => {
                known.stamp = stamp;
                true
            }
            _ => false,
        }
    }

    /// The files whose stamp is not known.
    pub(crate) fn unstamped(&self) -> impl Iterator<Item = String> {
        self.folders.iter().flat_map(|(folder, known)| {
            let files = known.files.iter().filter(|(_, known)| known.stamp.is_none());
            files.map(
                move |(name, _)| {
                    if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") }
                },
            )
        })
    }

    /// The last commit has this file, and it is left out here on purpose: it is larger than what
    /// this machine takes. It is not another machine's loss.
    pub(crate) fn leave_out(&mut self, path: &str) {
        self.absent.insert(path.to_owned());
        if self.changed.get(path) == Some(&None) {
            self.changed.remove(path);
        }
    }

    /// Whether it is left out.
    pub(crate) fn is_left_out(&self, path: &str) -> bool {
        self.absent.contains(path)
    }

    /// What differs from the last commit: path and content, none where the file is gone.
    pub(crate) fn changed(&self) -> &BTreeMap<String, Option<Oid>> {
        &self.changed
    }

    /// What is on disk and stays there, with the reason.
    pub(crate) fn skipped(&self) -> &BTreeMap<String, String> {
        &self.skipped
    }

    /// Paths whose stamp in git's index is out of date.
    pub(crate) fn take_restamped(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.restamped)
    }

    /// The last commit is another one, which has these contents where it differs.
    pub(crate) fn head_moved(&mut self, contents: &BTreeMap<String, Option<Oid>>) {
        for (path, new) in contents {
            let on_disk = self.on_disk(path);
            let (folder, name) = split(path);
            let files = &mut self.folders.entry(folder.to_owned()).or_default().files;
            if new.is_none() && on_disk.is_none() {
                files.remove(name);
                self.changed.remove(path);
                continue;
            }
            files.entry(name.into()).or_default().head = *new;
            if new.is_none() {
                self.absent.remove(path);
            }
            if on_disk == *new || self.absent.contains(path) {
                self.changed.remove(path);
            } else {
                self.changed.insert(path.clone(), on_disk);
            }
        }
    }

    /// This program has just put `content` at `path`, or taken it away.
    pub(crate) fn wrote(&mut self, path: &str, content: Option<Oid>) {
        let (folder, name) = split(path);
        let stamp = content.and_then(|_| {
            let looked_at = now();
            let stat = self.stat(path).ok().flatten()?;
            Some(Stamp::of(&stat)).filter(|stamp| stamp.is_settled(looked_at))
        });
        let files = &mut self.folders.entry(folder.to_owned()).or_default().files;
        let known = files.entry(name.into()).or_default();
        known.stamp = stamp;
        self.absent.remove(path);
        if known.head == content {
            self.changed.remove(path);
            if content.is_none() {
                files.remove(name);
            }
        } else {
            self.changed.insert(path.to_owned(), content);
        }
    }

    /// The content on disk, as far as it travels.
    pub(crate) fn on_disk(&self, path: &str) -> Option<Oid> {
        if self.absent.contains(path) {
            return None;
        }
        match self.changed.get(path) {
            Some(content) => *content,
            None => self.known(path)?.head,
        }
    }

    /// The content in the last commit.
    pub(crate) fn in_head(&self, path: &str) -> Option<Oid> {
        self.known(path)?.head
    }

    /// What git's index may say of a file: only if the content on disk is the last commit's.
    pub(crate) fn stat_for_index(&self, path: &str) -> Option<Stat> {
        let differs = self.changed.contains_key(path) || self.aside.contains_key(path);
        if differs || self.skipped.contains_key(path) || self.absent.contains(path) {
            return None;
        }
        self.stat(path).ok().flatten()
    }

    /// Every path of `Done/` at which a task is, on disk or in the last commit.
    pub(crate) fn done(&self, id: &TaskId) -> Vec<String> {
        let name = format!("{id}.md");
        let months =
            self.folders.range("Done/".to_owned()..).take_while(|(path, _)| path.starts_with("Done/"));
        months
            .filter(|(_, folder)| folder.files.contains_key(name.as_str()))
            .map(|(path, _)| format!("{path}/{name}"))
            .collect()
    }

    /// The names in a folder that are on disk, for the search for twins.
    pub(crate) fn names<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a str> {
        let files = self.folders.get(folder).into_iter().flat_map(|folder| folder.files.keys());
        files.map(|name| &**name).filter(move |name| {
            let path = if folder.is_empty() { (*name).to_owned() } else { format!("{folder}/{name}") };
            !matches!(self.changed.get(&path), Some(None))
        })
    }

    /// How many files the vault has.
    pub(crate) fn count(&self) -> usize {
        self.folders.values().map(|folder| folder.files.len()).sum()
    }
}
