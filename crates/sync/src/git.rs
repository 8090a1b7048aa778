//! The `git` program, for what it does better than a library: it honours the user's ssh
//! configuration, agent and credential helper. Only fetch, push and ls-remote go through it, and
//! only [`Git::command`] builds a call.
//!
//! Its output is an interface: what it says is turned into [`Trouble`] and [`Pushed`] here, with
//! tests on its own texts. It is what every configured remote is spoken to with.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use git2::Oid;
use rustix::process::{Pid, Signal};

use crate::transport::{Pushed, Transport, Trouble, TroubleKind};

/// How much of what git says is read.
const MAX_OUTPUT: u64 = 8 << 20;

/// The largest file that a git command may write: a remote that never stops sending fills no disk.
const MAX_FILE: u64 = 4 << 30;

/// How to call git for one repository.
#[derive(Clone, Debug)]
pub(crate) struct Git {
    /// Its `.git`.
    pub(crate) directory: PathBuf,
    /// How long one command may take.
    pub(crate) timeout: Duration,
    /// Whether the user has named an ssh command of their own in git's configuration.
    pub(crate) own_ssh: bool,
}

struct Finished {
    status: ExitStatus,
    out: String,
    err: String,
}

impl Git {
    /// The one place where a call of git is put together.
    fn command(&self, arguments: &[String]) -> Command {
        let mut command = Command::new("git");
        command.arg("--git-dir").arg(&self.directory);
        // Our own objects are packed by `maintain`, not in the middle of a cycle.
        command.args(["-c", "gc.auto=0", "-c", "maintenance.auto=false"]);
        // What git itself writes, too, is synced before it gets its name.
        command.args(["-c", "core.fsync=committed"]);
        if !self.own_ssh {
            // GIT_SSH_COMMAND, where the user has set it, is stronger than this.
            command.args(["-c", "core.sshCommand=ssh -o BatchMode=yes"]);
        }
        command.args(arguments);
        for variable in
            ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"]
        {
            command.env_remove(variable);
        }
        // Nobody is there to answer a question, be it in a terminal or in a window.
        command.env("GIT_TERMINAL_PROMPT", "0").env_remove("SSH_ASKPASS");
        command.env("LC_ALL", "C").env_remove("LANGUAGE");
        if let Some(parent) = self.directory.parent() {
            command.current_dir(parent);
        }
        command.stdin(Stdio::null()).process_group(0);
        command
    }

    /// Runs it. Output goes to files without a name: nothing has to be read meanwhile, and an ssh
    /// master process that outlives the command and keeps its stderr open holds nothing up.
    fn run(&self, arguments: &[String]) -> Result<Finished, Trouble> {
        let trouble = |kind, said: String| Trouble { kind, said, may_have_happened: false };
        let file =
            || tempfile::tempfile().map_err(|e| trouble(TroubleKind::Other, format!("make a file: {e}")));
        let (mut out, mut err) = (file()?, file()?);
        let copy =
            |f: &File| f.try_clone().map_err(|e| trouble(TroubleKind::Other, format!("share a file: {e}")));
        let mut command = self.command(arguments);
        command.stdout(copy(&out)?).stderr(copy(&err)?);
        let mut child = command.spawn().map_err(|e| {
            let hint = if e.kind() == io::ErrorKind::NotFound { "; install git" } else { "" };
            trouble(TroubleKind::NotInstalled, format!("cannot start git: {e}{hint}"))
        })?;
        limit_files(&child);
        let status =
            self.wait(&mut child).map_err(|e| trouble(TroubleKind::Other, format!("wait for git: {e}")))?;
        let Some(status) = status else {
            return Err(Trouble {
                kind: TroubleKind::Timeout,
                said: format!("no answer within {} s (sync.timeout_seconds)", self.timeout.as_secs()),
                may_have_happened: true,
            });
        };
        let read = |file: &mut File| -> Result<String, Trouble> {
            let mut bytes = Vec::new();
            file.rewind()
                .and_then(|()| file.take(MAX_OUTPUT).read_to_end(&mut bytes))
                .map_err(|e| trouble(TroubleKind::Other, format!("read what git said: {e}")))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(Finished { status, out: read(&mut out)?, err: read(&mut err)? })
    }

    /// Waits for the end, or ends it: politely first, so that git removes its lock files.
    fn wait(&self, child: &mut Child) -> io::Result<Option<ExitStatus>> {
        let start = Instant::now();
        let mut pause = Duration::from_micros(500);
        let mut asked = false;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(if asked { None } else { Some(status) });
            }
            let elapsed = start.elapsed();
            if elapsed >= self.timeout && !asked {
                asked = true;
                signal_group(child, Signal::TERM);
            } else if elapsed >= self.timeout + Duration::from_secs(2) {
                signal_group(child, Signal::KILL);
                child.wait()?;
                return Ok(None);
            }
            std::thread::sleep(pause);
            // Local remotes answer within milliseconds, distant ones may take their time.
            pause = (pause * 5 / 4).min(Duration::from_millis(20));
        }
    }
}

impl Transport for Git {
    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn ls_remote(&self, patterns: &[String]) -> Result<Vec<(Oid, String)>, Trouble> {
        let finished = self.run(&[&strings(&["ls-remote", "--refs", "origin"]), patterns].concat())?;
        if !finished.status.success() {
            return Err(trouble_of(&finished, false));
        }
        Ok(parse_refs(&finished.out))
    }

    fn fetch(&self, refs: &[String]) -> Result<(), Trouble> {
        let arguments = strings(&[
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            "origin",
        ]);
        let finished = self.run(&[&arguments, refs].concat())?;
        if finished.status.success() { Ok(()) } else { Err(trouble_of(&finished, false)) }
    }

    fn push(&self, commit: Oid, target: &str, expected: Option<Oid>) -> Result<Pushed, Trouble> {
        let expected = expected.map(|id| id.to_string()).unwrap_or_default();
        let arguments = [
            "push".to_owned(),
            "--porcelain".to_owned(),
            "--no-follow-tags".to_owned(),
            // Test and set: a commit that is expected is always an ancestor of ours, so nothing
            // is ever forced; a ref that was set back is noticed where a plain push would not.
            format!("--force-with-lease={target}:{expected}"),
            "origin".to_owned(),
            format!("{commit}:{target}"),
        ];
        let finished = self.run(&arguments)?;
        parse_push(&finished.out, &finished.err, target).ok_or_else(|| trouble_of(&finished, true))
    }

    fn push_refs(&self, refspecs: &[String], force: bool) -> Result<Pushed, Trouble> {
        let mode = if force { "--force" } else { "--atomic" };
        let arguments = strings(&["push", "--porcelain", "--no-follow-tags", "--no-verify", mode, "origin"]);
        let finished = self.run(&[&arguments, refspecs].concat())?;
        if finished.status.success() {
            return Ok(Pushed::Accepted);
        }
        if finished.err.contains("remote ref does not exist") {
            return Ok(Pushed::Declined("remote ref does not exist".to_owned()));
        }
        let refused = finished.out.lines().find(|line| line.starts_with('!'));
        match refused {
            Some(line) => Ok(Pushed::Declined(clean(&format!("{line} {}", remote_says(&finished.err))))),
            None => Err(trouble_of(&finished, true)),
        }
    }

    fn maintain(&self) -> Result<(), Trouble> {
        let patient = Self { timeout: self.timeout * 10, ..self.clone() };
        // One after the other: together, the second does not see the first pack of a repository.
        for task in ["--task=loose-objects", "--task=incremental-repack"] {
            let finished = patient.run(&strings(&["maintenance", "run", "--quiet", task]))?;
            if !finished.status.success() {
                return Err(trouble_of(&finished, false));
            }
        }
        Ok(())
    }

    fn overtaken(&self, attempt: u32) {
        let most = 20 * u64::from(attempt.min(6));
        std::thread::sleep(Duration::from_millis(fastrand::u64(0..=most)));
    }
}

fn strings(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

/// The limit reaches the child before it has spoken to a remote, and its own children inherit it.
#[cfg(target_os = "linux")]
fn limit_files(child: &Child) {
    use rustix::process::{Resource, Rlimit, prlimit};
    let limit = Rlimit { current: Some(MAX_FILE), maximum: Some(MAX_FILE) };
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // A lower limit that is in force already cannot be raised, and need not be.
    if let Some(Err(error)) = pid.map(|pid| prlimit(Some(pid), Resource::Fsize, limit)) {
        tracing::debug!(%error, "git runs without our limit on file sizes");
    }
}

#[cfg(not(target_os = "linux"))]
fn limit_files(_child: &Child) {
    // Another process's limits can be set on Linux only.
    let _ = MAX_FILE;
}

fn signal_group(child: &Child, signal: Signal) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // It may have ended this very moment.
    let _ = group.map(|group| rustix::process::kill_process_group(group, signal));
}

fn parse_refs(out: &str) -> Vec<(Oid, String)> {
    let line = |line: &str| {
        let (id, name) = line.split_once('\t')?;
        Some((Oid::from_str(id).ok().filter(|_| id.len() == 40)?, name.to_owned()))
    };
    out.lines().filter_map(line).collect()
}

/// `None` when nothing is said of the ref: git did not get that far, or lost the connection.
fn parse_push(out: &str, err: &str, target: &str) -> Option<Pushed> {
    let line = out.lines().find(|line| {
        line.split('\t').nth(1).and_then(|refs| refs.split_once(':')).is_some_and(|(_, to)| to == target)
    })?;
    let mut fields = line.split('\t');
    let flag = fields.next()?;
    let summary = fields.nth(1).unwrap_or_default();
    if flag != "!" {
        return Some(Pushed::Accepted);
    }
    let says = remote_says(err);
    // The same words, whether another push is at it this very moment or one died long ago.
    if err.contains(".lock': File exists") {
        let line = says.split("; ").find(|line| line.contains(".lock'")).unwrap_or(&says);
        return Some(Pushed::Locked(clean(line)));
    }
    let contended = [
        "cannot lock ref",
        "failed to update ref",
        "incorrect old value",
        "reference already exists",
        "fetch first",
        "non-fast-forward",
        "failed to lock",
    ];
    if summary.starts_with("[rejected]") || contended.iter().any(|text| summary.contains(text)) {
        return Some(Pushed::Moved);
    }
    if summary.starts_with("[remote failure]") {
        return None;
    }
    let gap = if says.is_empty() { "" } else { ": " };
    Some(Pushed::Declined(clean(&format!("{summary}{gap}{says}"))))
}

/// What hooks on the other side wrote.
fn remote_says(err: &str) -> String {
    let lines = err.lines().filter_map(|line| line.strip_prefix("remote:")).map(str::trim);
    lines.filter(|line| !line.is_empty()).take(5).collect::<Vec<_>>().join("; ")
}

fn trouble_of(finished: &Finished, changing: bool) -> Trouble {
    let err = &finished.err;
    let has = |texts: &[&str]| texts.iter().any(|text| err.contains(text));
    let kind = if has(&[
        "Authentication failed",
        "could not read Username",
        "could not read Password",
        "terminal prompts disabled",
        "Permission denied (",
        "Host key verification failed",
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "SSL certificate problem",
        "certificate verification failed",
        "The requested URL returned error: 401",
        "The requested URL returned error: 403",
    ]) {
        TroubleKind::Denied
    } else if has(&[
        "does not appear to be a git repository",
        "repository not found",
        "Repository not found",
        "The requested URL returned error: 404",
        "' not found",
        "does not exist",
    ]) {
        TroubleKind::Missing
    } else if has(&["couldn't find remote ref"]) {
        TroubleKind::NoBranch
    } else if has(&[
        "Could not resolve host",
        "unable to look up",
        "unable to access",
        "Connection refused",
        "Connection timed out",
        "Connection reset",
        "No route to host",
        "Network is unreachable",
        "Temporary failure in name resolution",
        "Could not read from remote repository",
        "the remote end hung up",
        "early EOF",
        "unexpected disconnect",
        "RPC failed",
        "unable to connect",
    ]) {
        TroubleKind::Unreachable
    } else {
        TroubleKind::Other
    };
    // These come before a word has been said to the remote.
    let before = has(&[
        "Could not resolve host",
        "unable to look up",
        "Failed to connect",
        "Connection refused",
        "No route to host",
        "Network is unreachable",
        "Temporary failure in name resolution",
        "unable to connect",
    ]) || matches!(kind, TroubleKind::Denied | TroubleKind::Missing);
    let said = match (finished.status.signal(), telling(err)) {
        (Some(signal), _) => format!("git was ended by signal {signal}"),
        (None, said) if said.is_empty() => format!("git ended with {}", finished.status),
        (None, said) => said,
    };
    Trouble { kind, said: clean(&said), may_have_happened: changing && !before }
}

/// The lines that say why.
fn telling(err: &str) -> String {
    let dull = ["Please make sure you have the correct access rights", "and the repository exists."];
    let lines: Vec<&str> =
        err.lines().map(str::trim).filter(|line| !line.is_empty() && !dull.contains(line)).collect();
    let weighty = |line: &&&str| line.starts_with("fatal:") || line.starts_with("error:");
    let mut chosen: Vec<&str> = lines.iter().filter(weighty).copied().collect();
    // ssh says the reason in a line of its own, before git's verdict.
    let reason = lines.iter().find(|line| !weighty(line) && !line.starts_with("hint:"));
    chosen.extend(reason);
    chosen.truncate(3);
    chosen.join("; ")
}

/// One line, without control characters, and without the user information of addresses.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end =
            after.find(|c: char| c.is_whitespace() || matches!(c, '/' | '\'' | '"')).unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(at) => &after[at + 1..],
            None => after,
        };
    }
    out.push_str(rest);
    let line: String = out.chars().map(|c| if c.is_control() { ' ' } else { c }).take(600).collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: &str = "refs/heads/main";

    #[test]
    fn a_pushs_own_words_become_outcomes() {
        let check = |out: &str, err: &str, expected: Option<Pushed>| {
            assert_eq!(parse_push(out, err, MAIN), expected, "{out}");
        };
        check("To r\n \t1:refs/heads/main\t1..2\nDone\n", "", Some(Pushed::Accepted));
        check("To r\n*\t1:refs/heads/main\t[new branch]\nDone\n", "", Some(Pushed::Accepted));
        check("To r\n=\t1:refs/heads/main\t[up to date]\nDone\n", "", Some(Pushed::Accepted));
        for reason in [
            "[rejected] (fetch first)",
            "[rejected] (non-fast-forward)",
            "[rejected] (stale info)",
            "[remote rejected] (cannot lock ref 'refs/heads/main': is at a but expected b)",
            "[remote rejected] (failed to update ref)",
            "[remote rejected] (incorrect old value provided)",
        ] {
            check(&format!("To r\n!\t1:refs/heads/main\t{reason}\nDone\n"), "", Some(Pushed::Moved));
        }
        check(
            "To r\n!\t1:refs/heads/main\t[remote rejected] (failed to update ref)\nDone\n",
            "remote: error: cannot lock ref 'refs/heads/main': Unable to create '/r/refs/heads/main.lock': File exists.        \nremote: \nremote: Another git process seems to be running\n",
            Some(Pushed::Locked(
                "error: cannot lock ref 'refs/heads/main': Unable to create '/r/refs/heads/main.lock': File exists.".into(),
            )),
        );
        let declined = "[remote rejected] (pre-receive hook declined)";
        check(
            &format!("To r\n!\t1:refs/heads/main\t{declined}\nDone\n"),
            "remote: only plain files\nremote: \nerror: failed to push some refs to 'r'\n",
            Some(Pushed::Declined(format!("{declined}: only plain files"))),
        );
        let lost = "!\t1:refs/heads/main\t[remote failure] (remote failed to report status)\n";
        check(lost, "", None);
        check("", "fatal: Could not read from remote repository.", None);
    }

    #[test]
    fn troubles_are_told_apart_and_say_no_password() {
        let check = |err: &str, kind, may_have_happened, part: &str| {
            let finished =
                Finished { status: ExitStatus::from_raw(128 << 8), out: String::new(), err: err.into() };
            let trouble = trouble_of(&finished, true);
            assert_eq!((trouble.kind, trouble.may_have_happened), (kind, may_have_happened), "{err}");
            assert!(trouble.said.contains(part) && !trouble.said.contains("secret"), "{}", trouble.said);
        };
        use TroubleKind::*;
        check(
            "fatal: unable to access 'https://me:secret@h/v.git/': Could not resolve host: h",
            Unreachable,
            false,
            "https://h/v.git",
        );
        check("fatal: Authentication failed for 'https://h/v.git/'", Denied, false, "Authentication failed");
        check(
            "git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.",
            Denied,
            false,
            "publickey",
        );
        check(
            "Host key verification failed.\nfatal: Could not read from remote repository.",
            Denied,
            false,
            "Host key",
        );
        check(
            "fatal: '/nowhere' does not appear to be a git repository\nfatal: Could not read from remote repository.",
            Missing,
            false,
            "/nowhere",
        );
        check("fatal: couldn't find remote ref refs/heads/main", NoBranch, true, "refs/heads/main");
        check("fatal: the remote end hung up unexpectedly", Unreachable, true, "hung up");
        check("error: something\x1b[31m odd", Other, true, "error: something [31m odd");
    }

    #[test]
    fn a_command_that_hangs_is_ended() {
        let temp = tempfile::tempdir().expect("a folder");
        let repo = git2::Repository::init(temp.path()).expect("repository");
        // A transport of our own that never answers.
        repo.remote("origin", "ext::sleep 100").expect("remote");
        repo.config().and_then(|mut c| c.set_str("protocol.ext.allow", "always")).expect("config");
        let git =
            Git { directory: repo.path().to_owned(), timeout: Duration::from_millis(300), own_ssh: false };
        let start = Instant::now();
        let trouble = git.ls_remote(&[]).expect_err("it hangs");
        assert_eq!(trouble.kind, TroubleKind::Timeout);
        assert!(start.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn loose_objects_are_packed_also_the_first_time() {
        let temp = tempfile::tempdir().expect("a folder");
        let repo = git2::Repository::init(temp.path()).expect("repository");
        let blobs: Vec<Oid> = (0..5_u8).map(|n| repo.blob(&[n]).expect("blob")).collect();
        let git = Git { directory: repo.path().to_owned(), timeout: Duration::from_secs(30), own_ssh: false };
        git.maintain().expect("packed");
        git.maintain().expect("again");
        let packs = std::fs::read_dir(repo.path().join("objects/pack")).expect("packs").count();
        let again = git2::Repository::open(temp.path()).expect("repository");
        assert!(packs > 0 && blobs.iter().all(|id| again.find_blob(*id).is_ok()));
    }
}
