//! Every system call that changes something: the program is killed at it, or it fails as it does
//! on a disk that is full or broken. `strace` does it to the real programs and to all that they
//! start.
//!
//! Only calls on files are made to fail: a runtime whose wake-ups fail hangs, and that means
//! nothing. A `write` may go to either, so it is only ever the last thing that a program does;
//! writes that fail are `AI_EMPLOYEE_FAULT`'s and the full disk's of the vault's own tests.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::bounded;
use super::judge::{Verdict, judge};
use super::scene::{Act, Scene};
use super::{Figure, Lab, Outcome};

/// Calls that change what others can see, at which a program is killed.
const CHANGING: [&str; 18] = [
    "write",
    "writev",
    "pwrite64",
    "sendto",
    "fsync",
    "fdatasync",
    "syncfs",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "ftruncate",
    "fchmod",
];

/// Those of them that are made on files alone.
const ON_FILES: [&str; 14] = [
    "pwrite64",
    "fsync",
    "fdatasync",
    "syncfs",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "ftruncate",
];

/// Of a hundred cases, at least so many must be met: threads share the calls differently each time.
const MET: usize = 60;
/// A run under strace takes some seconds.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Harm {
    Kill,
    Full,
    Broken,
}

impl Harm {
    const ALL: [Harm; 3] = [Harm::Kill, Harm::Full, Harm::Broken];

    fn name(self) -> &'static str {
        match self {
            Harm::Kill => "kill",
            Harm::Full => "ENOSPC",
            Harm::Broken => "EIO",
        }
    }

    fn calls(self) -> &'static [&'static str] {
        match self {
            Harm::Kill => &CHANGING,
            Harm::Full | Harm::Broken => &ON_FILES,
        }
    }

    fn injection(self) -> &'static str {
        match self {
            Harm::Kill => "signal=KILL",
            Harm::Full => "error=ENOSPC",
            Harm::Broken => "error=EIO",
        }
    }
}

/// One call that goes wrong: the `n`-th of its name that a thread makes.
#[derive(Clone, Debug)]
struct Case {
    act: Act,
    harm: Harm,
    call: &'static str,
    n: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} at {} number {}", self.act.name(), self.harm.name(), self.call, self.n)
    }
}

pub(crate) fn run(lab: &Lab) -> Outcome {
    let version = bounded::run(
        {
            let mut command = Command::new("strace");
            command.arg("--version");
            command
        },
        LIMIT,
    );
    if !version.is_ok_and(|ended| ended.succeeded()) {
        return Ok(vec![Figure::not_tried("system calls", "strace cannot be started; install it")]);
    }
    let folder = lab.folder("syscalls")?;
    let scene = Scene::set(&folder, &folder, lab.bin())?;
    let mut cases = Vec::new();
    for act in Act::ALL {
        cases.extend(cases_of(&scene, act, &folder)?);
    }
    let all = cases.len();
    cases.retain(|case| lab.wants(&case.to_string()));
    let mut chance = fastrand::Rng::with_seed(lab.seed());
    chance.shuffle(&mut cases);
    cases.truncate(usize::try_from(lab.cases(10, u64::MAX)).unwrap_or(usize::MAX));
    let (mut verdict, mut met) = (Verdict::default(), BTreeMap::<Harm, usize>::new());
    for (n, case) in cases.iter().enumerate() {
        let (found, was_met) = try_one(&scene, case, &folder)?;
        *met.entry(case.harm).or_default() += usize::from(was_met);
        if !found.is_sound() {
            for finding in found.findings().take(5) {
                eprintln!("  {case}: {finding}");
            }
            keep(lab, &folder, n)?;
        }
        verdict.absorb(found);
        lab.progress(n as u64 + 1, cases.len() as u64, "system calls");
    }
    let figure = |harm: Harm| {
        let tried = cases.iter().filter(|case| case.harm == harm).count();
        format!("{} {} of {tried}", harm.name(), met.get(&harm).copied().unwrap_or_default())
    };
    let met_in_all: usize = met.values().sum();
    let figures = Harm::ALL.map(figure).join(", ");
    Ok(vec![Figure::new(
        format!("{} of {all} state-changing system calls go wrong ({figures} met)", cases.len()),
        format!("{verdict}; {} effects", verdict.effects),
        format!("0 of each; at least {MET} % met"),
        verdict.is_sound() && met_in_all * 100 >= MET * cases.len() && met_in_all > 0,
    )])
}

/// Every call that an undisturbed run makes, as cases.
fn cases_of(scene: &Scene, act: Act, folder: &Path) -> Outcome<Vec<Case>> {
    scene.reset()?;
    let trace = folder.join("trace");
    let starter = strace(&trace, &format!("trace={}", CHANGING.join(",")));
    let ended = bounded::run(scene.command(act, &starter), LIMIT)?;
    if !ended.succeeded() {
        return Err(format!("{} under strace: {}", act.name(), ended.said()));
    }
    let text = read(&trace)?;
    // Each thread counts for itself.
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in text.lines() {
        if let Some((thread, call)) = call_of(line) {
            *counts.entry((call, thread)).or_default() += 1;
        }
    }
    let mut cases = Vec::new();
    for harm in Harm::ALL {
        for &call in harm.calls() {
            let most = counts.iter().filter(|((name, _), _)| *name == call).map(|(_, count)| *count).max();
            cases.extend((1..=most.unwrap_or_default()).map(|n| Case { act, harm, call, n }));
        }
    }
    Ok(cases)
}

/// The thread and the name of the call in a line of a trace.
fn call_of(line: &str) -> Option<(&str, &str)> {
    let (thread, rest) = line.split_once(' ')?;
    let (call, _) = rest.trim_start().split_once('(')?;
    CHANGING.contains(&call).then_some((thread, call))
}

/// What came of a case, and whether the call was met at all.
fn try_one(scene: &Scene, case: &Case, folder: &Path) -> Outcome<(Verdict, bool)> {
    scene.reset()?;
    let trace = folder.join("trace");
    let injection = format!("inject={}:{}:when={}", case.call, case.harm.injection(), case.n);
    let mut starter = strace(&trace, &format!("trace={}", case.call));
    starter.extend(["-e".to_owned(), injection]);
    let ended = bounded::run(scene.command(case.act, &starter), LIMIT)?;
    let said = read(&trace)?;
    let met = match case.harm {
        Harm::Kill => said.contains("killed by SIGKILL"),
        Harm::Full | Harm::Broken => said.contains("(INJECTED)"),
    };
    let mut verdict = judge(&scene.world, &scene.ledger(case.act, ended.succeeded()), folder)?;
    if ended.hung() {
        verdict.wrong.push(format!("it hung: {}", ended.said()));
    }
    Ok((verdict, met))
}

fn strace(trace: &Path, what: &str) -> Vec<String> {
    let trace = trace.display().to_string();
    ["strace", "-f", "-qq", "-o", &trace, "-e", what].map(str::to_owned).to_vec()
}

fn read(path: &Path) -> Outcome<String> {
    let bytes = std::fs::read(path).map_err(|e| format!("failed to read {}: {e}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Keeps what a case left behind.
fn keep(lab: &Lab, folder: &Path, n: usize) -> Outcome<()> {
    lab.keep();
    let to = folder.join(format!("case-{n}"));
    std::fs::create_dir_all(&to)
        .and_then(|()| std::fs::rename(folder.join("machines"), to.join("machines")))
        .map_err(|e| format!("failed to keep {}: {e}", to.display()))?;
    eprintln!("  the machines are kept in {}", to.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_told_from_the_rest_of_a_trace() {
        let check =
            |line: &str, expected: Option<(&str, &str)>| assert_eq!(call_of(line), expected, "{line}");
        check("123   fsync(9) = 0", Some(("123", "fsync")));
        check("45 renameat2(3, \"a\", 4, \"b\", RENAME_NOREPLACE) = 0", Some(("45", "renameat2")));
        check("45 <... fsync resumed>) = 0", None);
        check("45 +++ exited with 0 +++", None);
        check("45 getpid() = 45", None);
    }
}
