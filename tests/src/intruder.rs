//! Somebody with write access to the remote and a git of their own: what is pushed here passed
//! through none of our programs, and its names may be any bytes.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::World;

/// An ordinary file's mode.
pub const FILE: &str = "100644";
/// An executable's mode.
pub const EXECUTABLE: &str = "100755";
/// A symbolic link's mode.
pub const SYMLINK: &str = "120000";
/// A submodule's mode.
pub const SUBMODULE: &str = "160000";

/// A clone without a work tree.
pub struct Intruder {
    git_dir: PathBuf,
}

/// An entry of a tree, as git prints it.
#[derive(Clone)]
struct Entry {
    mode: String,
    object: String,
}

type Tree = BTreeMap<Vec<u8>, Entry>;

/// A path, part by part, and what shall stand there.
type Edit = (Vec<Vec<u8>>, Option<Entry>);

/// What shall stand at a path, whatever bytes it has.
pub struct Change {
    path: Vec<u8>,
    new: Option<Entry>,
}

impl Change {
    /// An object that is stored already.
    pub fn set(path: &[u8], mode: &str, object: &str) -> Self {
        let entry = Entry { mode: mode.to_owned(), object: object.to_owned() };
        Self { path: path.to_vec(), new: Some(entry) }
    }

    /// Nothing.
    pub fn gone(path: &[u8]) -> Self {
        Self { path: path.to_vec(), new: None }
    }
}

impl Intruder {
    /// A clone of the world's remote.
    pub fn new(world: &World) -> Self {
        let git_dir = world.path().join("intruder.git");
        let intruder = Self { git_dir };
        let cloned = Command::new("git")
            .args(["clone", "--quiet", "--bare"])
            .arg(world.remote())
            .arg(&intruder.git_dir)
            .status()
            .expect("git");
        assert!(cloned.success(), "git clone");
        intruder
    }

    /// Pushes a commit on the remote's tip in which these files stand, or are gone.
    pub fn push(&self, changes: &[(&str, Option<&[u8]>)]) -> String {
        let changes = changes
            .iter()
            .map(|(path, content)| match content {
                Some(bytes) => Change::set(path.as_bytes(), FILE, &self.blob(bytes)),
                None => Change::gone(path.as_bytes()),
            })
            .collect();
        self.push_raw(changes)
    }

    /// The same with any mode and any object, and paths of any bytes.
    pub fn push_raw(&self, changes: Vec<Change>) -> String {
        self.text(&["fetch", "--quiet", "origin", "+refs/heads/main:refs/heads/main"]);
        let tip = self.text(&["rev-parse", "main"]);
        let changes = changes
            .into_iter()
            .map(|Change { path, new }| (path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect(), new))
            .collect();
        let tree = self.edited(Some(&format!("{tip}^{{tree}}")), changes);
        let commit = self.text(&["commit-tree", &tree, "-p", &tip, "-m", "[cloud-001] Auto-sync"]);
        self.text(&["push", "--quiet", "origin", &format!("{commit}:refs/heads/main")]);
        commit
    }

    /// Stores a file's content.
    pub fn blob(&self, bytes: &[u8]) -> String {
        line(&self.git(&["hash-object", "-w", "--stdin"], bytes))
    }

    /// Stores a file of `before`, `times` times `unit` (in which `#` stands for the number), and
    /// `after`, without ever holding all of it.
    pub fn blob_of(&self, before: &str, unit: &str, times: u64, after: &str) -> String {
        let path = self.git_dir.join("large");
        let mut file =
            std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(&path).expect("create"));
        let mut write = |text: &[u8]| file.write_all(text).expect("write");
        write(before.as_bytes());
        if unit.contains('#') {
            (0..times).for_each(|n| write(unit.replace('#', &n.to_string()).as_bytes()));
        } else {
            let many = unit.repeat(1 << 16);
            (0..times >> 16).for_each(|_| write(many.as_bytes()));
            (0..times & 0xffff).for_each(|_| write(unit.as_bytes()));
        }
        write(after.as_bytes());
        file.flush().expect("write");
        let id =
            self.text(&["-c", "core.bigFileThreshold=1m", "hash-object", "-w", &path.display().to_string()]);
        std::fs::remove_file(&path).expect("remove");
        id
    }

    /// Stores a tree of entries: mode, object, name.
    pub fn tree(&self, entries: &[(&str, &str, &[u8])]) -> String {
        let entry = |(mode, object, name): &(&str, &str, &[u8])| {
            (name.to_vec(), Entry { mode: (*mode).to_owned(), object: (*object).to_owned() })
        };
        self.make(&entries.iter().map(entry).collect())
    }

    fn edited(&self, tree: Option<&str>, changes: Vec<Edit>) -> String {
        let mut entries = tree.map(|tree| self.entries(tree)).unwrap_or_default();
        let mut below: BTreeMap<Vec<u8>, Vec<Edit>> = BTreeMap::new();
        for (mut path, new) in changes {
            let name = path.remove(0);
            match (path.is_empty(), new) {
                (true, Some(entry)) => drop(entries.insert(name, entry)),
                (true, None) => drop(entries.remove(&name)),
                (false, new) => below.entry(name).or_default().push((path, new)),
            }
        }
        for (name, changes) in below {
            let old = entries.get(&name).map(|entry| entry.object.clone());
            let object = self.edited(old.as_deref(), changes);
            entries.insert(name, Entry { mode: "040000".into(), object });
        }
        self.make(&entries)
    }

    fn entries(&self, tree: &str) -> Tree {
        let listed = self.git(&["ls-tree", "-z", tree], b"");
        let entry = |entry: &[u8]| {
            let tab = entry.iter().position(|byte| *byte == b'\t').expect("a tab");
            let head = String::from_utf8_lossy(&entry[..tab]).into_owned();
            let mut fields = head.split(' ');
            let mode = fields.next().expect("a mode").to_owned();
            let object = fields.nth(1).expect("an object").to_owned();
            (entry[tab + 1..].to_vec(), Entry { mode, object })
        };
        listed.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()).map(entry).collect()
    }

    fn make(&self, entries: &Tree) -> String {
        let mut input = Vec::new();
        for (name, Entry { mode, object }) in entries {
            let kind = match mode.as_str() {
                "040000" => "tree",
                SUBMODULE => "commit",
                _ => "blob",
            };
            input.extend(format!("{mode} {kind} {object}\t").into_bytes());
            input.extend(name);
            input.push(0);
        }
        line(&self.git(&["mktree", "-z", "--missing"], &input))
    }

    fn text(&self, arguments: &[&str]) -> String {
        line(&self.git(arguments, b""))
    }

    fn git(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut child = Command::new("git")
            .arg("--git-dir")
            .arg(&self.git_dir)
            .args(arguments)
            .envs([
                ("GIT_AUTHOR_NAME", "cloud-001"),
                ("GIT_AUTHOR_EMAIL", "cloud-001@example.com"),
                ("GIT_COMMITTER_NAME", "cloud-001"),
                ("GIT_COMMITTER_EMAIL", "cloud-001@example.com"),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("git");
        child.stdin.take().expect("its input").write_all(input).expect("write to git");
        let output = child.wait_with_output().expect("git");
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

fn line(output: &[u8]) -> String {
    String::from_utf8_lossy(output).trim().to_owned()
}
