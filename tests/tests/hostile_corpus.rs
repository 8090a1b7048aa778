//! Invariant 9 against a corpus: everything that somebody with write access to the remote could
//! put there. Each item is refused or inert, within 256 MB, and its good sibling arrives in the
//! same cycle.
//!
//! The items are data, `tests/corpus/hostile.jsonl`; this is what is done with them. The last line
//! that it prints says how many there were (`--nocapture`).
#![expect(clippy::print_stderr, reason = "the figure is what it is run for")]

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tests::{Change, FILE, Intruder, Machine, SUBMODULE, World, mail};

/// The most data that any process may have, in KiB.
const MEMORY: u32 = 256 << 10;

/// Paths of any bytes.
type Paths = BTreeSet<Vec<u8>>;

/// What an item is.
struct Item {
    id: String,
    kind: String,
    path: Vec<u8>,
    expect: String,
    why: String,
    fields: Value,
}

impl Item {
    fn read(line: &str) -> Self {
        let fields: Value = serde_json::from_str(line).expect("an item");
        let text = |key: &str| fields[key].as_str().map(str::to_owned);
        let mut path = match text("path_hex") {
            Some(hex) => bytes(&hex),
            None => text("path").expect("a path").into_bytes(),
        };
        if let Some(length) = fields["stretch"].as_u64() {
            // The name alone counts.
            let folder = path.iter().position(|b| *b == b'/').map_or(0, |at| at + 1);
            let wanted = folder + usize::try_from(length).expect("a length");
            path.resize(wanted - 3, b'x');
            path.extend(b".md");
        }
        Self {
            id: text("id").expect("id"),
            kind: text("kind").expect("kind"),
            expect: text("expect").expect("expect"),
            why: text("why").expect("why"),
            path,
            fields,
        }
    }

    /// The folder, the marker and the ending taken off.
    fn task(&self) -> Option<String> {
        let path = String::from_utf8(self.path.clone()).ok()?;
        let name = path.rsplit_once('/')?.1.strip_suffix(".md")?;
        Some(name.trim_start_matches("APPROVE_").trim_start_matches("EXECUTE_").to_owned())
    }

    /// What stands in its file.
    fn content(&self, intruder: &Intruder) -> String {
        if let Some(hex) = self.fields["hex"].as_str() {
            return intruder.blob(&bytes(hex));
        }
        let text = self.fields["content"].as_str();
        let (before, after) = text.map_or(("", ""), |text| text.split_once("@@").unwrap_or((text, "")));
        if let Some([unit, times]) = self.fields["repeat"].as_array().map(Vec::as_slice) {
            let unit = unit.as_str().expect("a unit");
            return intruder.blob_of(before, unit, times.as_u64().expect("how often"), after);
        }
        match text {
            None | Some("good") => {
                intruder.blob(mail(&self.task().unwrap_or_else(|| "EMAIL_h".into())).as_bytes())
            }
            Some(text) => intruder.blob(text.as_bytes()),
        }
    }

    fn changes(&self, intruder: &Intruder) -> Vec<Change> {
        let set = |mode: &str, object: &str| vec![Change::set(&self.path, mode, object)];
        let times = usize::try_from(self.fields["times"].as_u64().unwrap_or(1)).expect("how often");
        match self.kind.as_str() {
            "file" => set(self.fields["mode"].as_str().unwrap_or(FILE), &self.content(intruder)),
            "gitlink" => set(SUBMODULE, "0123456789abcdef0123456789abcdef01234567"),
            "twin" => {
                let other = self.fields["other"].as_str().expect("the other");
                let note = intruder.blob(b"Could you please call me back?\n");
                vec![Change::set(&self.path, FILE, &note), Change::set(other.as_bytes(), FILE, &note)]
            }
            "bomb" => set("040000", &bomb(intruder)),
            "deep" => {
                let blob = intruder.blob(b"x");
                let leaf = intruder.tree(&[(FILE, &blob, b"x.md")]);
                set("040000", &(1..times).fold(leaf, |tree, _| intruder.tree(&[("040000", &tree, b"d")])))
            }
            "wide" => {
                let blob = intruder.blob(b"x");
                let names: Vec<Vec<u8>> = (0..times).map(|n| format!("n{n}.md").into_bytes()).collect();
                let entries: Vec<_> =
                    names.iter().map(|name| (FILE, blob.as_str(), name.as_slice())).collect();
                set("040000", &intruder.tree(&entries))
            }
            other => panic!("{}: unknown kind {other}", self.id),
        }
    }
}

/// Ten trees in each of ten trees in … : a thousand million files in ten objects.
fn bomb(intruder: &Intruder) -> String {
    let blob = intruder.blob(b"x");
    let mut tree = intruder.tree(&[(FILE, &blob, b"x.md")]);
    for _ in 0..9 {
        let names: Vec<Vec<u8>> = (0..10).map(|n| format!("d{n}").into_bytes()).collect();
        let entries: Vec<_> = names.iter().map(|name| ("040000", tree.as_str(), name.as_slice())).collect();
        tree = intruder.tree(&entries);
    }
    tree
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn corpus() -> Vec<Item> {
    include_str!("../corpus/hostile.jsonl").lines().map(Item::read).collect()
}

/// Runs a machine's agent once where no process may have more data than [`MEMORY`].
fn run(machine: &Machine, program: &str, arguments: &[&str]) -> Output {
    let inner = machine.command(program);
    let mut command = Command::new("sh");
    command.env_clear().args(["-c", &format!("ulimit -d {MEMORY}; exec \"$0\" \"$@\"")]);
    command.arg(inner.get_program()).args(inner.get_args()).args(arguments);
    for (key, value) in inner.get_envs() {
        command.env(key, value.unwrap_or_default());
    }
    command.current_dir(inner.get_current_dir().expect("a directory")).output().expect("the agent")
}

/// What it printed; it must end well.
fn once(machine: &Machine, program: &str, what: &str) -> String {
    let output = run(machine, program, &["--once"]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}: {program}: {}\n{out}\n{err}", output.status);
    inert(&out, what);
    inert(&err, what);
    out.into_owned()
}

/// The first line in which something acts on a terminal or hides.
fn acting(text: &str) -> Option<&str> {
    let acts = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
    };
    text.lines().find(|line| line.contains(acts))
}

#[track_caller]
fn inert(text: &str, what: &str) {
    if let Some(line) = acting(text) {
        panic!("{what}: something acts in {line:?}");
    }
}

/// A machine's plain files and folders, by the bytes of their path below the vault.
fn on_disk(machine: &Machine) -> Paths {
    let mut found = BTreeSet::new();
    let mut folders: Vec<PathBuf> = vec![machine.vault()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("folder") {
            let path = entry.expect("entry").path();
            let below = path.strip_prefix(machine.vault()).expect("below").as_os_str().as_bytes().to_vec();
            if below == b".git" {
                continue;
            }
            if path.is_dir() && !path.is_symlink() {
                folders.push(path.clone());
            }
            assert!(!path.is_symlink(), "a link got onto the disk: {path:?}");
            found.insert(below);
        }
    }
    found
}

fn published(world: &World) -> Paths {
    let output = Command::new("git")
        .arg("-C")
        .arg(world.remote())
        .args(["ls-tree", "-r", "-t", "-z", "--name-only", "main"])
        .output()
        .expect("git");
    output.stdout.split(|b| *b == 0).filter(|path| !path.is_empty()).map(<[u8]>::to_vec).collect()
}

struct Trial {
    world: World,
    owner: Machine,
    cloud: Machine,
    intruder: Intruder,
}

impl Trial {
    fn new() -> Self {
        let world = World::quiet();
        let (cloud, owner) = (world.cloud(), world.owner());
        for machine in [&cloud, &owner] {
            machine.reconfigure("push_gap_seconds: 0", "push_gap_seconds: 0, timeout_seconds: 300");
        }
        cloud.ok(&["--once"]);
        owner.ok(&["--once"]);
        let intruder = Intruder::new(&world);
        Self { world, owner, cloud, intruder }
    }

    /// Pushes the items with a good sibling, and looks what the owner's machine makes of them.
    fn check(&self, name: &str, items: &[&Item]) -> Result<(), String> {
        let good = format!("EMAIL_good_{name}");
        let mut changes: Vec<Change> = items.iter().flat_map(|item| item.changes(&self.intruder)).collect();
        let text = self.intruder.blob(mail(&good).as_bytes());
        changes.push(Change::set(format!("Needs_Action/{good}.md").as_bytes(), FILE, &text));
        let (disk, remote) = (on_disk(&self.owner), published(&self.world));
        self.intruder.push_raw(changes);

        let account = once(&self.owner, "local-agent", name);
        let place = self.owner.place(&good);
        assert_eq!(place, format!("Pending_Approval/APPROVE_{good}.md"), "{name}: {account}");
        let (disk_now, remote_now) = (on_disk(&self.owner), published(&self.world));
        let sides = [(&disk, &disk_now), (&remote, &remote_now)];
        let wrong: Vec<String> = items
            .iter()
            .filter_map(|item| {
                let what = self.look_at(item, &account, sides).err()?;
                Some(format!("{} ({}): {what}", item.id, item.why))
            })
            .collect();
        if !wrong.is_empty() {
            return Err(format!("{name}:\n{}\n{account}", wrong.join("\n")));
        }
        let lines: Vec<&str> = account.lines().filter(|line| line.contains("not taken")).collect();
        let distinct: BTreeSet<&&str> = lines.iter().collect();
        assert_eq!(lines.len(), distinct.len(), "{name}: each is said once: {account}");
        let again = once(&self.owner, "local-agent", name);
        assert!(!again.contains("not taken") && !again.contains("set aside"), "{name}: said again: {again}");
        for page in [&["list"][..], &["status"]] {
            let output = run(&self.owner, "local-agent", page);
            assert!(output.status.success(), "{name}: {page:?}");
            inert(&String::from_utf8_lossy(&output.stdout), name);
        }
        inert(&self.owner.read("Dashboard.md"), name);
        once(&self.cloud, "cloud-agent", name);
        Ok(())
    }

    /// What is wrong with what became of an item.
    fn look_at(
        &self,
        item: &Item,
        account: &str,
        [disk, remote]: [(&Paths, &Paths); 2],
    ) -> Result<(), String> {
        match item.expect.as_str() {
            "refused" => {
                for (place, (before, now)) in [("the disk", disk), ("the remote", remote)] {
                    if now.contains(&item.path) && !before.contains(&item.path) {
                        return Err(format!("it is on {place}"));
                    }
                }
                if is_said(&item.path, account) { Ok(()) } else { Err("it is not said".into()) }
            }
            "one" => match account.contains("capitals or accents") {
                true => Ok(()),
                false => Err("neither of the two is refused".into()),
            },
            "aside" if self.is_aside(item) => Ok(()),
            "aside" => Err("it is not set aside".into()),
            "any" if self.is_aside(item) => Ok(()),
            "inert" | "any" => self.is_inert(item),
            "kept" if disk.1.contains(&item.path) => Ok(()),
            "kept" => Err("it is not there".into()),
            other => Err(format!("unknown expectation {other}")),
        }
    }

    fn is_aside(&self, item: &Item) -> bool {
        let Some(id) = item.task() else { return false };
        let at = self.owner.vault().join("Errors");
        at.join(format!("{id}.md")).exists() && at.join(format!("{id}.md.reason.md")).exists()
    }

    /// It is a task like any other, which waits for the owner, and what is shown of it acts on
    /// nothing.
    fn is_inert(&self, item: &Item) -> Result<(), String> {
        let id = item.task().expect("a task");
        let place = self.owner.place(&id);
        if place.starts_with("Done/") {
            return Ok(());
        }
        if !place.starts_with("Pending_Approval/") {
            return Err(format!("it is at {place}"));
        }
        let text = self.owner.read(&place);
        if !text.contains("requires_approval: true") {
            return Err(format!("it needs no approval: {text}"));
        }
        let output = run(&self.owner, "local-agent", &["show", &id]);
        let shown = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(format!("it cannot be shown: {}", String::from_utf8_lossy(&output.stderr)));
        }
        acting(&shown).map_or(Ok(()), |line| Err(format!("something acts in {line:?}")))
    }
}

/// Whether the account names a path, or the folder in which it does not belong. A name that can
/// only be shown in other letters is looked for by nobody.
fn is_said(path: &[u8], account: &str) -> bool {
    let path = String::from_utf8_lossy(path);
    if !path.is_ascii() || path.contains(|c: char| c.is_control() || "\"\\'".contains(c)) {
        return true;
    }
    let parts: Vec<&str> = path.split('/').collect();
    (1..=parts.len()).any(|n| {
        let head = parts[..n].join("/");
        let head = &head[..head.len().min(60)];
        account.lines().any(|line| line.contains("not taken") && line.contains(head))
    })
}

/// Items that take minutes on a busy machine have a test of their own.
fn is_huge(item: &Item) -> bool {
    item.fields["repeat"][1].as_u64().is_some_and(|times| times >= 1 << 30)
}

#[test]
#[ignore = "two machines unpack two gigabytes: .ci/run runs it"]
fn a_blob_of_two_gigabytes_is_refused_without_being_held() {
    let items = corpus();
    let huge: Vec<&Item> = items.iter().filter(|item| is_huge(item)).collect();
    assert!(!huge.is_empty());
    assert_eq!(Trial::new().check("huge", &huge), Ok(()));
}

#[test]
fn the_hostile_corpus_is_refused_or_inert() {
    let items: Vec<Item> = corpus().into_iter().filter(|item| !is_huge(item)).collect();
    let mut groups: BTreeMap<&str, Vec<&Item>> = BTreeMap::new();
    for item in &items {
        groups.entry(item.id.split('-').next().unwrap_or_default()).or_default().push(item);
    }
    let trial = Trial::new();
    let wrong: Vec<String> =
        groups.iter().filter_map(|(name, items)| trial.check(name, items).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(trial.owner.mails_sent(), 0);
    assert!(!trial.owner.tasks().keys().any(|path| path.contains("EXECUTE_")));
    let outside = std::fs::read_dir(trial.world.path()).expect("folder");
    let outside: Vec<String> =
        outside.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect();
    assert!(!outside.iter().any(|name| name.contains("escaped")), "{outside:?}");
    once(&trial.cloud, "cloud-agent", "the end");
    once(&trial.owner, "local-agent", "the end");
    once(&trial.cloud, "cloud-agent", "the end");
    assert_eq!(trial.cloud.tasks(), trial.owner.tasks(), "both machines agree");
    // The log that is none is found, and ours is sound.
    let output = trial.owner.run(&["log", "verify"]);
    let said = String::from_utf8_lossy(&output.stdout);
    let bad: Vec<&str> = said.lines().filter(|line| line.contains("BAD")).collect();
    assert!(bad.len() == 1 && bad[0].contains("2026-02-25_cloud-009.jsonl"), "{said}");
    eprintln!("hostile corpus: {0} of {0} refused or inert, within {1} MB", items.len(), MEMORY >> 10);
}
