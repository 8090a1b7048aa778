//! What must be true of two machines after whatever was done to them, once they could work
//! undisturbed: nothing lost, nothing doubled, nothing torn, nothing done twice.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use task::{Location, StageName, Task, TaskId};

use super::Outcome;
use super::bounded;
use super::machines::{Side, World, last_words};

/// So many rounds of both agents are enough for whatever is left.
const ROUNDS: usize = 60;
/// So many rounds in a row that change nothing are the end.
const IDLE: usize = 3;
/// Between two rounds while an order waits for its next try, at most half a minute away.
const PAUSE: Duration = Duration::from_secs(1);
const GIT: Duration = Duration::from_secs(60);

/// What the owner was told is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Decision {
    Approved,
    Rejected,
}

/// What is known of a task from outside.
#[derive(Default)]
pub(crate) struct Brought {
    /// For a payment: its amount, which no other payment has.
    pub(crate) amount: Option<String>,
    /// Acknowledged by a program that ended well.
    pub(crate) decision: Option<Decision>,
    /// What a person wrote into its file.
    pub(crate) words: Vec<String>,
}

/// Every task that was brought, by id.
pub(crate) type Ledger = BTreeMap<String, Brought>;

/// What was found wrong, a sentence each.
#[derive(Default)]
pub(crate) struct Verdict {
    pub(crate) lost: Vec<String>,
    pub(crate) doubled: Vec<String>,
    pub(crate) torn: Vec<String>,
    /// Anything else that may not be.
    pub(crate) wrong: Vec<String>,
    /// How many effects there were, each of which belongs to one task.
    pub(crate) effects: usize,
    /// In how many tasks each stage ended on the owner's machine.
    pub(crate) ends: BTreeMap<StageName, usize>,
}

impl Verdict {
    pub(crate) fn is_sound(&self) -> bool {
        self.findings().next().is_none()
    }

    pub(crate) fn findings(&self) -> impl Iterator<Item = String> + '_ {
        let named = |what: &'static str, of: &'_ Vec<String>| {
            of.iter().map(move |finding| format!("{what}: {finding}")).collect::<Vec<_>>()
        };
        [("lost", &self.lost), ("doubled", &self.doubled), ("torn", &self.torn), ("wrong", &self.wrong)]
            .into_iter()
            .flat_map(move |(what, of)| named(what, of))
    }

    pub(crate) fn absorb(&mut self, other: Verdict) {
        self.lost.extend(other.lost);
        self.doubled.extend(other.doubled);
        self.torn.extend(other.torn);
        self.wrong.extend(other.wrong);
        self.effects += other.effects;
        for (stage, count) in other.ends {
            *self.ends.entry(stage).or_default() += count;
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lost, doubled, torn) = (self.lost.len(), self.doubled.len(), self.torn.len());
        write!(f, "{lost} lost, {doubled} doubled, {torn} torn, {} wrong", self.wrong.len())
    }
}

/// Lets both machines work until nothing changes any more, and looks at everything.
pub(crate) fn judge(world: &World, ledger: &Ledger, scratch: &Path) -> Outcome<Verdict> {
    let mut verdict = Verdict::default();
    unlock(world.remote());
    settle(world, ledger.len(), &mut verdict)?;
    let seen = [
        ("the owner's vault", places(&world.vault(Side::Owner), &mut verdict)),
        ("the cloud's vault", places(&world.vault(Side::Cloud), &mut verdict)),
        ("the remote", places(&checked_out(world, scratch)?, &mut verdict)),
    ];
    let effects = Effects::of(world, ledger, &mut verdict)?;
    let owners = world.vault(Side::Owner);
    let everything = all_text(&owners);
    for (id, brought) in ledger {
        for (whose, places) in &seen {
            match places.get(id).map(Vec::as_slice).unwrap_or_default() {
                [] => verdict.lost.push(format!("{id} is nowhere in {whose}")),
                [one] => check_whole(id, whose, one, &mut verdict),
                many => {
                    let paths: Vec<String> = many.iter().map(|found| found.at.path()).collect();
                    verdict.doubled.push(format!("{id} is in {whose} as {}", paths.join(" and ")));
                }
            }
        }
        if let Some([found]) = seen[0].1.get(id).map(Vec::as_slice) {
            *verdict.ends.entry(found.at.stage.name()).or_default() += 1;
            check_end(id, brought, found, effects.of_task(id), &mut verdict);
        }
        for words in brought.words.iter().filter(|words| !everything.contains(words.as_str())) {
            verdict.lost.push(format!("{words:?}, which a person wrote into {id}"));
        }
    }
    check_machines(world, &mut verdict)?;
    Ok(verdict)
}

/// A task's file.
struct Found {
    at: Location,
    bytes: Vec<u8>,
}

impl Found {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

fn check_whole(id: &str, whose: &str, found: &Found, verdict: &mut Verdict) {
    if let Err(error) = Task::parse(&found.bytes, &found.at.id) {
        verdict.torn.push(format!("{} in {whose}: {error}", found.at.path()));
    } else if !found.text().contains(&last_words(id)) {
        verdict.torn.push(format!("{} in {whose} ends before its end", found.at.path()));
    }
}

/// Whether a task's end, the owner's decision and the effects fit together.
fn check_end(id: &str, brought: &Brought, found: &Found, effects: usize, verdict: &mut Verdict) {
    let stage = found.at.stage.name();
    let path = found.at.path();
    let text = found.text();
    // What an owner has to settle may have happened or not.
    let unknown = stage == StageName::Errors && text.contains("local-agent resolve");
    match stage {
        StageName::Done if effects == 0 => verdict.lost.push(format!("the effect of {path}")),
        StageName::Done | StageName::Errors if effects == 1 && (stage == StageName::Done || unknown) => {}
        _ if effects > 0 => verdict.wrong.push(format!("{path} had {effects} effects")),
        _ => {}
    }
    let kept = match brought.decision {
        None => true,
        Some(Decision::Approved) => matches!(stage, StageName::Done | StageName::Errors),
        Some(Decision::Rejected) => stage == StageName::Rejected,
    };
    if !kept {
        verdict.lost.push(format!("the owner's decision on {id}, {:?}: it is {path}", brought.decision));
    }
    let live = matches!(
        stage,
        StageName::NeedsAction | StageName::InProgress | StageName::Approved | StageName::Executing
    );
    if live {
        verdict.wrong.push(format!("{path} is stranded"));
    }
}

/// What happened out there, by task.
struct Effects(BTreeMap<String, usize>);

impl Effects {
    fn of(world: &World, ledger: &Ledger, verdict: &mut Verdict) -> Outcome<Self> {
        let mut by_task: BTreeMap<String, usize> = BTreeMap::new();
        let payer: BTreeMap<&str, &String> =
            ledger.iter().filter_map(|(id, brought)| Some((brought.amount.as_deref()?, id))).collect();
        for amount in world.bank.with(|bank| bank.amounts().to_vec()) {
            match payer.get(amount.as_str()) {
                Some(id) => *by_task.entry((*id).clone()).or_default() += 1,
                None => verdict.wrong.push(format!("{amount} was paid, and nobody had proposed it")),
            }
        }
        for mail in sent(world)? {
            let subject = mail["subject"].as_str().unwrap_or_default();
            match subject.split_once("Question ") {
                Some((_, id)) => *by_task.entry(id.trim().to_owned()).or_default() += 1,
                None => verdict.wrong.push(format!("a mail {subject:?} was sent that nobody had asked for")),
            }
        }
        for (id, count) in by_task.iter().filter(|(_, count)| **count > 1) {
            verdict.doubled.push(format!("the effect of {id} happened {count} times"));
        }
        verdict.effects = by_task.values().sum();
        Ok(Self(by_task))
    }

    fn of_task(&self, id: &str) -> usize {
        self.0.get(id).copied().unwrap_or_default()
    }
}

/// The mails that the sample account has sent by order.
fn sent(world: &World) -> Outcome<Vec<Value>> {
    let path = world.data(Side::Owner).join("mock/email.json");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(format!("failed to read {}: {e}", path.display())),
    };
    let account: Value = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    let mails = account["mails"].as_array().cloned().unwrap_or_default();
    Ok(mails.into_iter().filter(|mail| mail["folder"] == "sent" && mail["approval"].is_string()).collect())
}

/// Removes the locks of pushes that died at the remote. It is a machine of its own, whose keeper
/// does so; that its `git receive-pack` dies with our programs comes of its being a folder here.
fn unlock(remote: &Path) {
    for path in files(remote).into_iter().filter(|path| path.extension().is_some_and(|end| end == "lock")) {
        // One that is gone meanwhile is what is wanted.
        let _ = std::fs::remove_file(path);
    }
}

/// Runs both agents, one round after the other, until both machines and the remote agree and
/// nothing more happens.
fn settle(world: &World, tasks: usize, verdict: &mut Verdict) -> Outcome<()> {
    let (mut last, mut idle) = (String::new(), 0);
    let mut trouble = Vec::new();
    for _ in 0..ROUNDS {
        trouble.clear();
        for side in Side::BOTH {
            let ended = world.once(side, tasks)?;
            if ended.hung() {
                verdict.wrong.push(format!("{} --once: {}", side.program(), ended.said()));
                return Ok(());
            }
            if !ended.succeeded() {
                trouble.push(format!("{} --once: {}", side.program(), ended.said()));
            }
        }
        let tree = git(world.remote(), &["rev-parse", "main^{tree}"])?;
        for side in Side::BOTH {
            let vault = world.vault(side);
            let here = git(&vault, &["rev-parse", "HEAD^{tree}"]);
            let status = git(&vault, &["status", "--porcelain"]);
            if here.as_deref() != Ok(&tree) || status.as_deref() != Ok("") {
                trouble.push(format!(
                    "{}'s vault does not agree with the remote: {here:?} for {tree}, {status:?}",
                    side.agent()
                ));
            }
        }
        if last == tree && !files(&world.vault(Side::Owner).join("In_Progress")).is_empty() {
            std::thread::sleep(PAUSE);
            continue;
        }
        idle = if last == tree { idle + 1 } else { 0 };
        if idle >= IDLE || (idle >= 1 && trouble.is_empty()) {
            break;
        }
        last = tree;
    }
    verdict.wrong.append(&mut trouble);
    Ok(())
}

fn check_machines(world: &World, verdict: &mut Verdict) -> Outcome<()> {
    let verified = world.owner(&["log", "verify"])?;
    if !verified.succeeded() {
        verdict.torn.push(format!("the audit log: {} {}", verified.out.trim(), verified.said()));
    }
    let status = world.owner(&["status"])?;
    if !status.succeeded() {
        verdict.wrong.push(format!("status: {}", status.said()));
    }
    let repositories = [world.remote().to_owned(), world.vault(Side::Owner), world.vault(Side::Cloud)];
    for repository in repositories {
        if let Err(said) = git(&repository, &["fsck", "--strict", "--no-dangling"]) {
            verdict.torn.push(said);
        }
    }
    for side in Side::BOTH {
        let staged = super::machines::names(&world.vault(side).join(".tmp"));
        if !staged.is_empty() {
            verdict.wrong.push(format!("{} left {} behind", side.agent(), staged.join(" and ")));
        }
    }
    Ok(())
}

/// What the remote has, as files.
fn checked_out(world: &World, scratch: &Path) -> Outcome<PathBuf> {
    let folder = scratch.join("checked-out");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .map_err(|e| format!("failed to remove {}: {e}", folder.display()))?;
    }
    let remote = world.remote().display().to_string();
    git(scratch, &["clone", "--quiet", "--shared", &remote, "checked-out"])?;
    Ok(folder)
}

/// Every task's files below a vault, by id.
fn places(root: &Path, verdict: &mut Verdict) -> BTreeMap<String, Vec<Found>> {
    let mut found: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    let folders = ["Needs_Action", "In_Progress", "Pending_Approval", "Rejected", "Done", "Errors"];
    for path in folders.iter().flat_map(|folder| files(&root.join(folder))) {
        let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let ours =
            shown.ends_with(".reason.md") || shown.rsplit('/').next().is_some_and(|n| n.starts_with('.'));
        if ours {
            continue;
        }
        match Location::parse(&shown) {
            Ok(at) => {
                let bytes = std::fs::read(&path).unwrap_or_default();
                found.entry(TaskId::to_string(&at.id)).or_default().push(Found { at, bytes });
            }
            Err(_) if shown.ends_with(".claim.json") => {
                verdict.wrong.push(format!("{shown} is left in {}", root.display()));
            }
            Err(error) => verdict.wrong.push(format!("{shown}: {error}")),
        }
    }
    found
}

/// Everything that can be read in a vault.
fn all_text(root: &Path) -> String {
    let ours = |path: &PathBuf| !path.starts_with(root.join(".git"));
    let texts = files(root).into_iter().filter(ours).filter_map(|path| std::fs::read(path).ok());
    texts.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect::<Vec<_>>().join("\n")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn git(folder: &Path, arguments: &[&str]) -> Outcome<String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let ended = bounded::run(command, GIT)?;
    if ended.succeeded() {
        return Ok(ended.out.trim().to_owned());
    }
    Err(format!("git {} in {}: {}", arguments.join(" "), folder.display(), ended.said()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Found {
        Found { at: Location::parse(path).expect("a place"), bytes: text.as_bytes().to_vec() }
    }

    #[test]
    fn an_end_that_does_not_fit_the_effects_or_the_decision_is_found() {
        let check = |path: &str, text: &str, decision: Option<Decision>, effects: usize, expected: &str| {
            let mut verdict = Verdict::default();
            let brought = Brought { decision, ..Brought::default() };
            check_end("EMAIL_1", &brought, &found(path, text), effects, &mut verdict);
            assert_eq!(verdict.findings().collect::<Vec<_>>().join("; "), expected, "{path}");
        };
        let (done, errors) = ("Done/2026/02/EMAIL_1.md", "Errors/EMAIL_1.md");
        let (waits, signed) = ("Pending_Approval/APPROVE_EMAIL_1.md", "Needs_Action/EXECUTE_EMAIL_1.md");
        let approved = Some(Decision::Approved);
        check(done, "", approved, 1, "");
        check(errors, "settle it: local-agent resolve EMAIL_1", approved, 1, "");
        check(errors, "settle it: local-agent resolve EMAIL_1", approved, 0, "");
        check(waits, "", None, 0, "");
        check(done, "", approved, 0, "lost: the effect of Done/2026/02/EMAIL_1.md");
        check(errors, "550 no such user", approved, 1, "wrong: Errors/EMAIL_1.md had 1 effects");
        check(waits, "", None, 1, "wrong: Pending_Approval/APPROVE_EMAIL_1.md had 1 effects");
        let lost = "lost: the owner's decision on EMAIL_1, Some(Approved): it is Pending_Approval/APPROVE_EMAIL_1.md";
        check(waits, "", approved, 0, lost);
        check(signed, "", None, 0, "wrong: Needs_Action/EXECUTE_EMAIL_1.md is stranded");
        check(
            "In_Progress/cloud-001/EMAIL_1.md",
            "",
            None,
            0,
            "wrong: In_Progress/cloud-001/EMAIL_1.md is stranded",
        );
    }

    #[test]
    fn a_file_that_ends_too_early_or_does_not_parse_is_torn() {
        let check = |text: &str, torn: usize| {
            let mut verdict = Verdict::default();
            check_whole("EMAIL_1", "the vault", &found("Needs_Action/EMAIL_1.md", text), &mut verdict);
            assert_eq!(verdict.torn.len(), torn, "{text}");
        };
        let front = "---\nid: EMAIL_1\ntype: email\ncreated: 2026-02-23T03:15:00Z\n---\n";
        check(&format!("{front}words\n{}\n", last_words("EMAIL_1")), 0);
        check(&format!("{front}words\n"), 1);
        check("---\nid: EMA", 1);
        check("", 1);
    }

    #[test]
    fn a_task_in_two_places_and_a_claim_that_nobody_has_are_found() {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in [
            ("Needs_Action/EMAIL_1.md", "one"),
            ("Done/2026/02/EMAIL_1.md", "two"),
            ("In_Progress/cloud-001/EMAIL_2.claim.json", "{}"),
            ("Errors/EMAIL_3.reason.md", "why"),
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
            std::fs::write(path, text).expect("write");
        }
        let mut verdict = Verdict::default();
        let places = places(folder.path(), &mut verdict);
        assert_eq!(places.keys().collect::<Vec<_>>(), ["EMAIL_1"]);
        assert_eq!(places["EMAIL_1"].len(), 2);
        assert_eq!(verdict.wrong.len(), 1, "{:?}", verdict.wrong);
    }
}
