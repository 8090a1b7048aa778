//! Git's tree objects: read with limits, compared folder by folder, rewritten along the paths
//! that changed.
//!
//! Trees from the remote are hostile: only folders that a vault has are descended into, so that
//! neither depth nor repetition can grow, and what does not fit is handed out as [`Strange`]
//! instead of failing the rest.

use std::collections::{BTreeMap, BTreeSet};

use git2::{ObjectType, Oid, Repository};

use crate::place::{Foreign, Place, is_folder};

/// Mode of a plain file.
pub(crate) const FILE: u32 = 0o100_644;
/// Mode of a folder.
pub(crate) const FOLDER: u32 = 0o040_000;

/// The largest tree object that is read: some 600,000 names in one folder.
const MAX_TREE: usize = 48 << 20;

/// One line of a tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    /// As git writes it, octal.
    pub(crate) mode: u32,
    /// Any bytes but `/` and NUL.
    pub(crate) name: Vec<u8>,
    /// Blob or tree.
    pub(crate) id: Oid,
}

/// Why a tree is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TreeError {
    /// Too many names.
    #[error("the folder's listing has {0} bytes; at most {MAX_TREE} are read")]
    Large(usize),
    /// Not what git writes.
    #[error("the folder's listing is malformed")]
    Malformed,
    /// Two entries of one name.
    #[error("the folder lists a name twice")]
    Twice,
    /// Missing or unreadable.
    #[error("{}", .0.message())]
    Git(#[from] git2::Error),
}

/// A path that changed between two trees.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Change {
    /// What it is.
    pub(crate) place: Place,
    /// Its blob before.
    pub(crate) old: Option<Oid>,
    /// Its blob now.
    pub(crate) new: Option<Oid>,
}

/// Changes by path.
pub(crate) type Changes = BTreeMap<String, Change>;

/// Something in the newer tree that cannot be taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Strange {
    /// For people: bytes that are no UTF-8 are replaced.
    pub(crate) path: String,
    /// Why.
    pub(crate) reason: String,
    /// What stands there; `None` where it went away again.
    pub(crate) entry: Option<(u32, Oid)>,
    /// A name that means nothing to this program where nothing stood before: it can be left in
    /// the tree untouched.
    pub(crate) may_stay: bool,
}

/// What is different between two trees.
#[derive(Debug, Default)]
pub(crate) struct Diff {
    /// What can be taken.
    pub(crate) changes: Changes,
    /// What cannot.
    pub(crate) strange: Vec<Strange>,
}

/// What to put at a path: mode and object, or nothing.
pub(crate) type Edit = Option<(u32, Oid)>;

/// A repository's trees.
#[derive(Clone, Copy)]
pub(crate) struct Trees<'r> {
    repo: &'r Repository,
}

enum Seen {
    File(Place),
    Folder,
    Strange(String, bool),
}

impl<'r> Trees<'r> {
    pub(crate) fn of(repo: &'r Repository) -> Self {
        Self { repo }
    }

    /// The entries of a tree; none is empty.
    pub(crate) fn read(self, tree: Option<Oid>) -> Result<Vec<Entry>, TreeError> {
        let Some(id) = tree else { return Ok(Vec::new()) };
        let odb = self.repo.odb()?;
        let (len, kind) = odb.read_header(id)?;
        if kind != ObjectType::Tree {
            return Err(TreeError::Malformed);
        }
        if len > MAX_TREE {
            return Err(TreeError::Large(len));
        }
        parse(odb.read(id)?.data())
    }

    /// What changed from `old` to `new`.
    pub(crate) fn diff(self, old: Option<Oid>, new: Option<Oid>) -> Result<Diff, git2::Error> {
        let mut diff = Diff::default();
        self.diff_folder("", old, new, &mut diff)?;
        Ok(diff)
    }

    fn diff_folder(
        self,
        folder: &str,
        old: Option<Oid>,
        new: Option<Oid>,
        diff: &mut Diff,
    ) -> Result<(), git2::Error> {
        if old == new {
            return Ok(());
        }
        let after = match self.read(new) {
            Ok(entries) => entries,
            Err(error) => {
                diff.strange.push(Strange {
                    path: folder.to_owned(),
                    reason: error.to_string(),
                    entry: new.map(|id| (FOLDER, id)),
                    may_stay: false,
                });
                return Ok(());
            }
        };
        let before = match self.read(old) {
            Ok(entries) => entries,
            Err(TreeError::Git(error)) => return Err(error),
            // The older one was ours or was checked when it was taken.
            Err(error) => return Err(git2::Error::from_str(&error.to_string())),
        };
        let mut before: BTreeMap<Vec<u8>, (u32, Oid)> =
            before.into_iter().map(|entry| (entry.name, (entry.mode, entry.id))).collect();
        for entry in after {
            let was = before.remove(&entry.name);
            if was != Some((entry.mode, entry.id)) {
                self.diff_entry(folder, &entry.name, was, Some((entry.mode, entry.id)), diff)?;
            }
        }
        for (name, was) in before {
            self.diff_entry(folder, &name, Some(was), None, diff)?;
        }
        Ok(())
    }

    fn diff_entry(
        self,
        folder: &str,
        name: &[u8],
        was: Option<(u32, Oid)>,
        is: Option<(u32, Oid)>,
        diff: &mut Diff,
    ) -> Result<(), git2::Error> {
        let path = match (folder, String::from_utf8_lossy(name)) {
            ("", name) => name.into_owned(),
            (folder, name) => format!("{folder}/{name}"),
        };
        let see = |entry: Option<(u32, Oid)>| entry.map(|(mode, id)| (classify(&path, name, mode), id));
        let (before, now) = (see(was), see(is));
        match (before, now) {
            (before, Some((Seen::Strange(reason, unknown), _))) => {
                let free = matches!(before, None | Some((Seen::Strange(..), _)));
                diff.strange.push(Strange { path, reason, entry: is, may_stay: unknown && free });
            }
            (Some((Seen::Strange(reason, _), _)), None) => {
                diff.strange.push(Strange { path, reason, entry: None, may_stay: true });
            }
            (before, now) => {
                let tree = |seen: &Option<(Seen, Oid)>| match seen {
                    Some((Seen::Folder, id)) => Some(*id),
                    _ => None,
                };
                let (old_tree, new_tree) = (tree(&before), tree(&now));
                self.diff_folder(&path, old_tree, new_tree, diff)?;
                let file = |seen: Option<(Seen, Oid)>| match seen {
                    Some((Seen::File(place), id)) => Some((place, id)),
                    _ => None,
                };
                let (old, new) = (file(before), file(now));
                if let Some(place) = new.as_ref().or(old.as_ref()).map(|(place, _)| place.clone()) {
                    let change = Change { place, old: old.map(|(_, id)| id), new: new.map(|(_, id)| id) };
                    diff.changes.insert(path, change);
                }
            }
        }
        Ok(())
    }

    /// Hands every file of a tree that a vault can have to `see`: folder, name, content.
    pub(crate) fn each_file(
        self,
        tree: Option<Oid>,
        see: &mut impl FnMut(&str, &str, Oid),
    ) -> Result<(), TreeError> {
        self.each_file_below("", tree, see)
    }

    fn each_file_below(
        self,
        folder: &str,
        tree: Option<Oid>,
        see: &mut impl FnMut(&str, &str, Oid),
    ) -> Result<(), TreeError> {
        for entry in self.read(tree)? {
            let Ok(name) = std::str::from_utf8(&entry.name) else { continue };
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            match classify(&path, &entry.name, entry.mode) {
                Seen::File(_) => see(folder, name, entry.id),
                Seen::Folder => self.each_file_below(&path, Some(entry.id), see)?,
                Seen::Strange(..) => {}
            }
        }
        Ok(())
    }

    /// The files of one folder.
    pub(crate) fn folder(self, root: Option<Oid>, path: &str) -> Result<Vec<(String, Oid)>, TreeError> {
        let mut at = root;
        for name in path.split('/') {
            let entries = self.read(at)?;
            let found = entries.iter().find(|e| e.name == name.as_bytes() && e.mode == FOLDER);
            match found {
                Some(entry) => at = Some(entry.id),
                None => return Ok(Vec::new()),
            }
        }
        let files = self.read(at)?.into_iter().filter(|e| e.mode == FILE);
        Ok(files.filter_map(|e| Some((String::from_utf8(e.name).ok()?, e.id))).collect())
    }

    /// The folders directly below one.
    pub(crate) fn folders(self, root: Option<Oid>, path: &str) -> Result<Vec<String>, TreeError> {
        let found = self.read(root)?.into_iter().find(|e| e.name == path.as_bytes() && e.mode == FOLDER);
        let Some(entry) = found else { return Ok(Vec::new()) };
        let below = self.read(Some(entry.id))?.into_iter().filter(|e| e.mode == FOLDER);
        Ok(below.filter_map(|e| String::from_utf8(e.name).ok()).collect())
    }

    /// A tree like `root` with `edits` made; the objects on the touched paths are written.
    pub(crate) fn edit(self, root: Option<Oid>, edits: &BTreeMap<String, Edit>) -> Result<Oid, TreeError> {
        let edits: Vec<(&str, Edit)> = edits.iter().map(|(path, edit)| (path.as_str(), *edit)).collect();
        match self.edit_folder(root, &edits)? {
            Some(id) => Ok(id),
            // Only the root may be empty.
            None => Ok(self.repo.odb()?.write(ObjectType::Tree, b"")?),
        }
    }

    fn edit_folder(self, tree: Option<Oid>, edits: &[(&str, Edit)]) -> Result<Option<Oid>, TreeError> {
        if edits.is_empty() {
            return Ok(tree);
        }
        let mut entries = self.read(tree)?;
        let mut here: BTreeMap<&str, Edit> = BTreeMap::new();
        let mut at = 0;
        while let Some((path, edit)) = edits.get(at) {
            let Some((name, _)) = path.split_once('/') else {
                here.insert(path, *edit);
                at += 1;
                continue;
            };
            // Sorted paths: all that begin with this folder stand together.
            let below: Vec<(&str, Edit)> = edits[at..]
                .iter()
                .map_while(|(p, e)| p.strip_prefix(name)?.strip_prefix('/').map(|rest| (rest, *e)))
                .collect();
            let old = entries.iter().find(|e| e.name == name.as_bytes());
            let old = old.filter(|e| e.mode == FOLDER).map(|e| e.id);
            let new = self.edit_folder(old, &below)?;
            here.insert(name, new.map(|id| (FOLDER, id)));
            at += below.len();
        }
        let touched: BTreeSet<&[u8]> = here.keys().map(|name| name.as_bytes()).collect();
        entries.retain(|entry| !touched.contains(entry.name.as_slice()));
        entries.extend(here.into_iter().filter_map(|(name, edit)| {
            edit.map(|(mode, id)| Entry { mode, name: name.as_bytes().to_vec(), id })
        }));
        if entries.is_empty() {
            return Ok(None);
        }
        entries.sort_by(in_gits_order);
        Ok(Some(self.repo.odb()?.write(ObjectType::Tree, &serialize(&entries))?))
    }
}

fn classify(path: &str, name: &[u8], mode: u32) -> Seen {
    if std::str::from_utf8(name).is_err() {
        return Seen::Strange("the name is not UTF-8".to_owned(), false);
    }
    match (mode, Place::parse(path)) {
        (FILE, Ok(place)) => Seen::File(place),
        (FOLDER, _) if is_folder(path) => Seen::Folder,
        (FOLDER, Ok(_)) => Seen::Strange("a folder stands where a file belongs".to_owned(), false),
        (FILE, Err(_)) if is_folder(path) => {
            Seen::Strange("a file stands where a folder belongs".to_owned(), false)
        }
        (FILE | FOLDER, Err(why)) => Seen::Strange(why.to_string(), why == Foreign::Place),
        (0o120_000, _) => Seen::Strange("it is a symbolic link".to_owned(), false),
        (0o100_755, _) => Seen::Strange("it is marked as a program".to_owned(), false),
        (0o160_000, _) => Seen::Strange("it is another repository".to_owned(), false),
        (mode, _) => Seen::Strange(format!("its mode is {mode:o}"), false),
    }
}

/// Git sorts folders as if their names ended in `/`.
fn in_gits_order(a: &Entry, b: &Entry) -> std::cmp::Ordering {
    let end = |entry: &Entry| (entry.mode == FOLDER).then_some(b'/');
    let (left, right) = (a.name.iter().copied().chain(end(a)), b.name.iter().copied().chain(end(b)));
    left.cmp(right)
}

fn parse(mut bytes: &[u8]) -> Result<Vec<Entry>, TreeError> {
    let mut entries: Vec<Entry> = Vec::with_capacity(bytes.len() / 48);
    while !bytes.is_empty() {
        let space = bytes.iter().position(|b| *b == b' ').ok_or(TreeError::Malformed)?;
        let digits = bytes[..space].iter().all(|b| matches!(b, b'0'..=b'7'));
        let text = std::str::from_utf8(&bytes[..space]).map_err(|_| TreeError::Malformed)?;
        if !digits || !(1..=6).contains(&space) {
            return Err(TreeError::Malformed);
        }
        let mode = u32::from_str_radix(text, 8).map_err(|_| TreeError::Malformed)?;
        bytes = &bytes[space + 1..];
        let end = bytes.iter().position(|b| *b == 0).ok_or(TreeError::Malformed)?;
        let name = &bytes[..end];
        if name.is_empty() || name.contains(&b'/') {
            return Err(TreeError::Malformed);
        }
        let id = bytes.get(end + 1..end + 21).ok_or(TreeError::Malformed)?;
        let id = Oid::from_bytes(id).map_err(|_| TreeError::Malformed)?;
        entries.push(Entry { mode, name: name.to_vec(), id });
        bytes = &bytes[end + 21..];
    }
    // Twins need not be neighbours: a folder sorts apart from a file of its name.
    let mut names: Vec<&[u8]> = entries.iter().map(|entry| entry.name.as_slice()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(TreeError::Twice);
    }
    Ok(entries)
}

fn serialize(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.len() * 56);
    for entry in entries {
        out.extend_from_slice(format!("{:o} ", entry.mode).as_bytes());
        out.extend_from_slice(&entry.name);
        out.push(0);
        out.extend_from_slice(entry.id.as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> (tempfile::TempDir, Repository) {
        let temp = tempfile::tempdir().expect("a folder");
        let repo = Repository::init_bare(temp.path()).expect("repository");
        (temp, repo)
    }

    fn blob(repo: &Repository, text: &str) -> Oid {
        repo.blob(text.as_bytes()).expect("blob")
    }

    fn edits(list: &[(&str, Edit)]) -> BTreeMap<String, Edit> {
        list.iter().map(|(path, edit)| ((*path).to_owned(), *edit)).collect()
    }

    #[test]
    fn edits_give_the_tree_that_git_would_write() {
        let (_temp, repo) = repository();
        let trees = Trees::of(&repo);
        let (one, two) = (blob(&repo, "one"), blob(&repo, "two"));
        let file = |id| Some((FILE, id));
        let first = trees
            .edit(
                None,
                &edits(&[
                    ("Done/2026/02/EMAIL_1.md", file(one)),
                    ("Done.md", file(one)),
                    ("Done-x/y", file(one)),
                    ("Inbox/a.md", file(one)),
                ]),
            )
            .expect("edit");
        let second = trees
            .edit(
                Some(first),
                &edits(&[
                    ("Done/2026/02/EMAIL_1.md", None),
                    ("Done/2026/03/EMAIL_2.md", file(two)),
                    ("Inbox/a.md", file(two)),
                    ("Inbox/b.md", None),
                ]),
            )
            .expect("edit");
        // libgit2 reads it back and agrees on the order, the content and that no empty folder is left.
        let tree = repo.find_tree(second).expect("tree");
        let names: Vec<_> = tree.iter().map(|e| e.name().expect("name").to_owned()).collect();
        assert_eq!(names, ["Done-x", "Done.md", "Done", "Inbox"]);
        assert!(tree.get_path("Done/2026/02".as_ref()).is_err());
        assert_eq!(tree.get_path("Done/2026/03/EMAIL_2.md".as_ref()).expect("entry").id(), two);
        assert_eq!(tree.get_path("Inbox/a.md".as_ref()).expect("entry").id(), two);
        let diff = trees.diff(Some(first), Some(second)).expect("diff");
        let paths: Vec<_> = diff.changes.keys().map(String::as_str).collect();
        assert_eq!(paths, ["Done/2026/02/EMAIL_1.md", "Done/2026/03/EMAIL_2.md", "Inbox/a.md"]);
        assert!(diff.strange.is_empty());
    }

    #[test]
    fn hostile_bytes_are_no_tree() {
        let id = [7_u8; 20];
        let entry = |mode: &str, name: &[u8]| [mode.as_bytes(), b" ", name, b"\0", &id].concat();
        assert_eq!(parse(&entry("100644", b"a")).expect("entries").len(), 1);
        for bad in [
            entry("100644", b""),
            entry("100644", b"a/b"),
            entry("9", b"a"),
            entry("-1", b"a"),
            entry("77777777", b"a"),
            b"100644 a\0short".to_vec(),
            b"100644 a".to_vec(),
            b"garbage".to_vec(),
        ] {
            assert!(matches!(parse(&bad), Err(TreeError::Malformed)), "{bad:?}");
        }
        let twice = [entry("100644", b"a"), entry("100644", b"b"), entry("40000", b"a")].concat();
        assert!(matches!(parse(&twice), Err(TreeError::Twice)));
    }

    #[test]
    fn what_cannot_be_taken_is_said_and_its_siblings_are_found() {
        let (_temp, repo) = repository();
        let trees = Trees::of(&repo);
        let id = blob(&repo, "x");
        let nested = trees.edit(None, &edits(&[("deep/er", Some((FILE, id)))])).expect("edit");
        let new = trees
            .edit(
                None,
                &edits(&[
                    ("Needs_Action/EMAIL_1.md", Some((FILE, id))),
                    ("Needs_Action/EMAIL_2.md", Some((0o120_000, id))),
                    ("Needs_Action/EMAIL_3.md", Some((0o100_755, id))),
                    ("Needs_Action/EMAIL_4.md", Some((FOLDER, nested))),
                    ("Needs_Action/EMAIL_5.md", Some((0o160_000, id))),
                    ("Pending_Approval", Some((0o120_000, id))),
                    ("README.md", Some((FILE, id))),
                ]),
            )
            .expect("edit");
        let diff = trees.diff(None, Some(new)).expect("diff");
        assert_eq!(diff.changes.keys().collect::<Vec<_>>(), ["Needs_Action/EMAIL_1.md"]);
        let strange: Vec<_> = diff.strange.iter().map(|s| (s.path.as_str(), s.may_stay)).collect();
        assert_eq!(
            strange,
            [
                ("Needs_Action/EMAIL_2.md", false),
                ("Needs_Action/EMAIL_3.md", false),
                ("Needs_Action/EMAIL_4.md", false),
                ("Needs_Action/EMAIL_5.md", false),
                ("Pending_Approval", false),
                ("README.md", true),
            ]
        );
    }
}
