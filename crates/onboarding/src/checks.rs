//! What `doctor` looks at on both machines. Each finding says how to mend what it found.

use std::fmt;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use daemon::Setup;
use task::{Role, SystemClock};
use vault::Vault;
pub use worker::programs_folder;

/// The oldest git whose output this program was tried with.
const GIT: (u32, u32) = (2, 30);

/// No clock is right that is before this program was written.
const WRITTEN: &str = "2026-11-01T00:00:00Z";

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    what: String,
    wrong: Option<(String, String)>,
}

impl Finding {
    /// It is as it should be.
    pub fn ok(what: impl Into<String>) -> Self {
        Self { what: what.into(), wrong: None }
    }

    /// It is not; `remedy` says what to do, and may be empty where `why` says it.
    pub fn wrong(what: impl Into<String>, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), wrong: Some((why.into(), remedy.into())) }
    }

    /// Whether it is as it should be.
    pub fn is_ok(&self) -> bool {
        self.wrong.is_none()
    }
}

/// `ok    what`, or `WRONG what: why` with the remedy on a line of its own.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wrong {
            None => write!(f, "ok    {}", self.what),
            Some((why, remedy)) if remedy.is_empty() => write!(f, "WRONG {}: {why}", self.what),
            Some((why, remedy)) => write!(f, "WRONG {}: {why}\n      mend it: {remedy}", self.what),
        }
    }
}

/// Where this machine's files are, and who may read them.
pub fn files(setup: &Setup) -> Vec<Finding> {
    let mut found = vec![match &setup.config_file {
        Some(path) => Finding::ok(format!("configuration {}", path.display())),
        None => Finding::wrong(
            "configuration",
            "there is no config.yaml, so that everything is as by default",
            format!("{}-agent init", if setup.role == Role::Cloud { "cloud" } else { "local" }),
        ),
    }];
    if let Some(path) = setup.env.file() {
        found.push(private("secrets", path));
    }
    found.push(private("data directory", setup.data.root()));
    found.push(disk("disk of the data directory", setup.data.root(), setup));
    found
}

/// A file or folder that nobody else may read.
pub fn private(what: &str, path: &Path) -> Finding {
    let named = format!("{what} {}", path.display());
    match std::fs::metadata(path) {
        Err(error) => Finding::wrong(named, error.to_string(), ""),
        Ok(metadata) => {
            let mode = metadata.permissions().mode() & 0o777;
            let me = rustix::process::geteuid().as_raw();
            let wanted = if metadata.is_dir() { 0o700 } else { 0o600 };
            if metadata.uid() != me && me != 0 {
                Finding::wrong(
                    named,
                    format!("it belongs to user {}, and this is user {me}", metadata.uid()),
                    format!("chown {me} {}", path.display()),
                )
            } else if mode & 0o077 != 0 {
                Finding::wrong(
                    named,
                    format!("other users may read it (mode {mode:04o})"),
                    format!("chmod {wanted:o} {}", path.display()),
                )
            } else {
                Finding::ok(named)
            }
        }
    }
}

/// So many bytes, as people say it.
fn size(bytes: u64) -> String {
    match bytes {
        0..10_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}

fn disk(what: &str, path: &Path, setup: &Setup) -> Finding {
    let least = setup.config.health.disk_free_megabytes;
    match health::disk_free(path) {
        Ok(free) if free >> 20 < least => Finding::wrong(
            what,
            format!(
                "only {} MB are free, and {least} MB are wanted (health.disk_free_megabytes)",
                free >> 20
            ),
            "make room",
        ),
        Ok(free) => Finding::ok(format!("{what}, {} free", size(free))),
        Err(error) => Finding::wrong(what, error.to_string(), ""),
    }
}

/// That the schedules can be read, and are those of the other machine, as far as it was heard.
pub fn schedules(setup: &Setup, now: DateTime<Utc>) -> Finding {
    let calendar = match worker::calendar(setup) {
        Ok(calendar) => calendar,
        Err(failure) => return Finding::wrong("schedules", failure.to_string(), ""),
    };
    let peers = worker::Peers::load(setup.data.root());
    match peers.other_schedules(&calendar.digest(), now) {
        Some((what, remedy)) => Finding::wrong("schedules", what, remedy),
        None => Finding::ok(format!("schedules, {} in {}", calendar.plans().len(), calendar.zone())),
    }
}

/// The vault: that it opens, has room, and has the accepted handbook.
pub fn vault(setup: &Setup) -> (Option<Vault>, Vec<Finding>) {
    match worker::open_vault(setup) {
        Err(failure) => {
            let finding = Finding::wrong("vault", failure.to_string(), "check vault.path in config.yaml");
            (None, vec![finding])
        }
        Ok(vault) => {
            let mut found = vec![
                Finding::ok(format!("vault {}", setup.vault_path.display())),
                disk("disk of the vault", vault.root(), setup),
            ];
            found.push(match worker::about_handbook(&worker::handbook(setup, &vault)) {
                Some(said) => Finding::wrong("handbook", said, "handbook diff, then handbook accept"),
                None => Finding::ok("handbook, as accepted"),
            });
            (Some(vault), found)
        }
    }
}

/// git, and the remote: a whole cycle with it.
pub async fn remote(setup: &Setup, vault: &Vault) -> Vec<Finding> {
    if !setup.config.sync.enabled {
        return vec![Finding::ok("sync is off: this machine works alone")];
    }
    let mut found = vec![git()];
    if !found.iter().all(Finding::is_ok) {
        return found;
    }
    let by_hand = format!("git -C {} ls-remote origin", setup.vault_path.display());
    let what = "remote";
    found.push(match worker::open_sync(setup, vault, Arc::new(SystemClock)).await {
        Err(failure) => Finding::wrong(what, failure.to_string(), "check sync in config.yaml"),
        Ok(None) => Finding::ok("sync is off"),
        Ok(Some(sync)) => match sync.cycle().await {
            Ok(_) => Finding::ok("remote answers, vault and remote agree"),
            Err(error) => Finding::wrong(what, error.to_string(), format!("try it by hand: {by_hand}")),
        },
    });
    found
}

fn git() -> Finding {
    let output = Command::new("git").arg("--version").stdin(Stdio::null()).output();
    let said = match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Ok(output) => return Finding::wrong("git", format!("it ends with {}", output.status), "install git"),
        Err(error) => return Finding::wrong("git", format!("it does not start: {error}"), "install git"),
    };
    match version(&said) {
        Some(found) if found >= GIT => Finding::ok(said),
        Some(_) => {
            Finding::wrong("git", format!("{said} is old"), format!("install {}.{} or newer", GIT.0, GIT.1))
        }
        None => Finding::wrong("git", format!("{said:?} names no version"), "install git"),
    }
}

fn version(said: &str) -> Option<(u32, u32)> {
    let number = said.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut parts = number.split('.').map(str::parse::<u32>);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// This machine's clock: not before this program, nor far behind what it wrote itself.
pub fn clock(setup: &Setup, vault: Option<&Vault>, now: DateTime<Utc>) -> Finding {
    let remedy = "switch time synchronisation on: timedatectl set-ntp true";
    let written: Option<DateTime<Utc>> = WRITTEN.parse().ok();
    if written.is_some_and(|written| now < written) {
        return Finding::wrong(
            "clock",
            format!("it says {}, which is past", now.format("%Y-%m-%d %H:%M UTC")),
            remedy,
        );
    }
    // Logs carry their day in their name, by the clock of whoever wrote them.
    let newest = vault.and_then(|vault| newest_log(&vault.root().join("Logs")));
    match newest {
        Some(day) if day > now + TimeDelta::days(1) => Finding::wrong(
            "clock",
            format!("it says {}, and a log is of {}", now.format("%Y-%m-%d"), day.format("%Y-%m-%d")),
            format!("{remedy}; on the other machine too, if it is that one's ({})", setup.agent),
        ),
        _ => Finding::ok(format!("clock, {}", now.format("%Y-%m-%d %H:%M UTC"))),
    }
}

fn newest_log(folder: &Path) -> Option<DateTime<Utc>> {
    let names =
        std::fs::read_dir(folder).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let days =
        names.filter_map(|name| format!("{}T00:00:00Z", name.get(..10)?).parse::<DateTime<Utc>>().ok());
    days.max()
}

/// The programs beside this one: that they are there, start, and are of the same version.
pub fn programs(folder: &Path, names: &[&str], version: &str) -> Vec<Finding> {
    let look = |name: &&str| {
        let path = folder.join(name);
        if !path.is_file() {
            return Finding::wrong(
                *name,
                format!("there is none in {}", folder.display()),
                "install it there, or set mcp.directory",
            );
        }
        match Command::new(&path).arg("--version").stdin(Stdio::null()).output() {
            Err(error) => Finding::wrong(*name, format!("it does not start: {error}"), "install it anew"),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                if said == format!("{name} {version}") {
                    Finding::ok(said)
                } else {
                    Finding::wrong(
                        *name,
                        format!("it says {said:?}, and this program is {version}"),
                        "install all programs of one version",
                    )
                }
            }
        }
    };
    names.iter().map(look).collect()
}

/// Findings as text, and how many are wrong.
pub fn report(findings: &[Finding]) -> (String, usize) {
    let text = findings.iter().map(|finding| format!("{finding}\n")).collect();
    (text, findings.iter().filter(|finding| !finding.is_ok()).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_git_are_read() {
        assert_eq!(version("git version 2.47.3"), Some((2, 47)));
        assert_eq!(version("git version 2.30.1 (Apple Git-130)"), Some((2, 30)));
        assert_eq!(version("no git"), None);
    }

    #[test]
    fn a_file_that_others_may_read_is_found_with_its_remedy() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join(".env");
        std::fs::write(&path, "").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("chmod");
        let finding = private("secrets", &path);
        assert!(!finding.is_ok());
        assert!(
            finding.to_string().ends_with(&format!("mend it: chmod 600 {}", path.display())),
            "{finding}"
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("chmod");
        assert!(private("secrets", &path).is_ok());
    }

    #[test]
    fn a_program_of_another_version_is_found() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("mcp-email");
        std::fs::write(&path, "#!/bin/sh\necho mcp-email 0.0.9\n").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("chmod");
        let found = programs(folder.path(), &["mcp-email", "mcp-odoo"], "0.1.0");
        assert!(found.iter().all(|finding| !finding.is_ok()), "{found:?}");
        assert!(found[0].to_string().contains("0.0.9") && found[1].to_string().contains("there is none"));
        assert!(programs(folder.path(), &["mcp-email"], "0.0.9").iter().all(Finding::is_ok));
    }
}
