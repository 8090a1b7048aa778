//! What is in the folders, without trusting a name or following a link.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use task::{AgentId, Location, Stage};

use crate::Vault;
use crate::durable::{Dir, FileError};
use crate::tasks::oddity;

/// A folder of tasks.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub enum Folder {
    /// New tasks, and approved ones (`EXECUTE_`).
    NeedsAction,
    /// What one agent works on.
    InProgress(AgentId),
    /// What all agents work on.
    AllInProgress,
    /// What waits for the owner.
    PendingApproval,
    /// What the owner refused.
    Rejected,
    /// What was set aside.
    Errors,
    /// What was finished in a month.
    Done {
        /// UTC year.
        year: u16,
        /// UTC month, 1 to 12.
        month: u8,
    },
}

/// A task's file, by its name alone; what it holds is not known yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Where it is.
    pub location: Location,
    /// Size in bytes.
    pub len: u64,
    /// Last change.
    pub modified: DateTime<Utc>,
}

/// Something in a folder of tasks that is no task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stranger {
    /// Relative to the vault.
    pub path: PathBuf,
    /// Why it is none.
    pub reason: String,
    /// Last change: a person may still be writing.
    pub modified: DateTime<Utc>,
}

/// What is in a folder, each part sorted by path.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Listing {
    /// Tasks.
    pub tasks: Vec<Entry>,
    /// The rest, without what belongs beside tasks (claims, reasons) and hidden files.
    pub strangers: Vec<Stranger>,
}

pub(crate) fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

impl Vault {
    /// Lists a folder; a missing one is empty.
    pub fn list(&self, folder: &Folder) -> Result<Listing, FileError> {
        let mut listing = Listing::default();
        let path = match folder {
            Folder::AllInProgress => {
                for agent in self.agents_in_progress()? {
                    self.list_into(&Stage::InProgress(agent).folder(), &mut listing)?;
                }
                self.list_misplaced_in_progress(&mut listing)?;
                return Ok(listing);
            }
            Folder::NeedsAction => Stage::NeedsAction.folder(),
            Folder::InProgress(agent) => Stage::InProgress(agent.clone()).folder(),
            Folder::PendingApproval => Stage::PendingApproval.folder(),
            Folder::Rejected => Stage::Rejected.folder(),
            Folder::Errors => Stage::Errors.folder(),
            Folder::Done { year, month } => Stage::Done { year: *year, month: *month }.folder(),
        };
        self.list_into(&path, &mut listing)?;
        Ok(listing)
    }

    fn list_into(&self, path: &str, listing: &mut Listing) -> Result<(), FileError> {
        let dir = match self.dir(path) {
            Err(e) if e.is_missing() => return Ok(()),
            other => other?,
        };
        let mut names = dir.names()?;
        names.sort();
        for name in names {
            let as_text = name.to_str();
            let belongs = as_text.is_some_and(|name| {
                name.starts_with('.')
                    || (path == "Errors" && name.ends_with(".reason.md"))
                    || (path.starts_with("In_Progress/") && name.ends_with(".claim.json"))
            });
            if belongs {
                continue;
            }
            // What has gone since the folder was read is another process's business.
            let Some(meta) = dir.meta(&name)? else { continue };
            let modified = time(meta.modified);
            let limit = self.limits().max_task_bytes;
            let verdict = match (oddity(meta.kind), as_text) {
                (Some(what), _) => Err(format!("it is {what}; a task is a regular file")),
                (None, None) => Err("its name is not UTF-8".to_owned()),
                (None, Some(name)) => Location::parse(&format!("{path}/{name}")).map_err(|e| e.to_string()),
            };
            let verdict = verdict.and_then(|location| {
                if meta.len > limit {
                    return Err(format!(
                        "it has {} bytes; at most {limit} are read (vault.max_task_bytes)",
                        meta.len
                    ));
                }
                Ok(Entry { location, len: meta.len, modified })
            });
            match verdict {
                Ok(entry) => listing.tasks.push(entry),
                Err(reason) => listing.strangers.push(Stranger {
                    path: PathBuf::from(path).join(&name),
                    reason,
                    modified,
                }),
            }
        }
        Ok(())
    }

    /// The agents that have a folder in `In_Progress`, sorted.
    pub fn agents_in_progress(&self) -> Result<Vec<AgentId>, FileError> {
        let dir = self.dir("In_Progress")?;
        let mut agents = Vec::new();
        for name in dir.names()? {
            if let Some(agent) = name.to_str().and_then(|name| AgentId::new(name).ok())
                && is_folder(&dir, agent.as_str())?
            {
                agents.push(agent);
            }
        }
        agents.sort();
        Ok(agents)
    }

    fn list_misplaced_in_progress(&self, listing: &mut Listing) -> Result<(), FileError> {
        let dir = self.dir("In_Progress")?;
        let mut names = dir.names()?;
        names.sort();
        for name in names {
            let text = name.to_str();
            if text.is_some_and(|name| name.starts_with('.')) {
                continue;
            }
            let Some(meta) = dir.meta(&name)? else { continue };
            let agent = text.is_some_and(|name| AgentId::new(name).is_ok());
            if agent && meta.kind == crate::durable::Kind::Folder {
                continue;
            }
            listing.strangers.push(Stranger {
                path: PathBuf::from("In_Progress").join(&name),
                reason: "only the agents' folders belong here".to_owned(),
                modified: time(meta.modified),
            });
        }
        Ok(())
    }

    /// The months that have a folder in `Done`, newest first.
    pub fn months_done(&self) -> Result<Vec<(u16, u8)>, FileError> {
        let mut months = Vec::new();
        for year in numbers(&*self.dir("Done")?, 4)? {
            for month in numbers(&*self.dir(&format!("Done/{year:04}"))?, 2)? {
                if let Some(month) = u8::try_from(month).ok().filter(|m| (1..=12).contains(m)) {
                    months.push((year, month));
                }
            }
        }
        months.sort_unstable_by(|a, b| b.cmp(a));
        Ok(months)
    }
}

fn is_folder(dir: &Dir, name: &str) -> Result<bool, FileError> {
    Ok(dir.meta(name)?.is_some_and(|meta| meta.kind == crate::durable::Kind::Folder))
}

/// The folders whose names are numbers of so many digits.
fn numbers(dir: &Dir, digits: usize) -> Result<Vec<u16>, FileError> {
    let mut found = Vec::new();
    for name in dir.names()? {
        let Some(name) = name.to_str().filter(|name| name.len() == digits) else { continue };
        if let Ok(number) = name.parse()
            && name.bytes().all(|b| b.is_ascii_digit())
            && is_folder(dir, name)?
        {
            found.push(number);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    #[test]
    fn strangers_are_listed_with_a_reason_and_stop_nothing() {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path(), Limits { max_task_bytes: 100 }).expect("open");
        let folder = temp.path().join("Needs_Action");
        let write = |name: &str, len: usize| std::fs::write(folder.join(name), "x".repeat(len)).expect(name);
        write("EMAIL_1.md", 10);
        write("EXECUTE_EMAIL_2.md", 100);
        write("large.md", 101);
        write("note.txt", 1);
        write("APPROVE_EMAIL_3.md", 1);
        write("with space.md", 1);
        write(".EMAIL_1.md.swp", 1);
        write("linked.md", 1);
        std::fs::hard_link(folder.join("linked.md"), temp.path().join("other")).expect("link");
        std::os::unix::fs::symlink("EMAIL_1.md", folder.join("link.md")).expect("symlink");
        std::fs::create_dir(folder.join("sub")).expect("folder");
        std::fs::write(folder.join(OsStr::from_bytes(b"\xff.md")), "x").expect("write");

        let listing = vault.list(&Folder::NeedsAction).expect("list");
        let tasks: Vec<String> = listing.tasks.iter().map(|e| e.location.path()).collect();
        assert_eq!(tasks, ["Needs_Action/EMAIL_1.md", "Needs_Action/EXECUTE_EMAIL_2.md"]);
        let check = |name: &str, reason: &str| {
            let path = folder.strip_prefix(temp.path()).expect("prefix").join(name);
            let found = listing.strangers.iter().find(|s| s.path == path).expect(name);
            assert!(found.reason.contains(reason), "{name}: {}", found.reason);
        };
        assert_eq!(listing.strangers.len(), 8);
        check("large.md", "max_task_bytes");
        check("note.txt", "does not end in .md");
        check("APPROVE_EMAIL_3.md", "approves nothing");
        check("with space.md", "' '");
        check("linked.md", "hard links");
        check("link.md", "symbolic link");
        check("sub", "folder");
    }

    #[test]
    fn work_of_all_agents_is_listed_with_what_does_not_belong_there() {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path(), Limits::default()).expect("open");
        for path in [
            "In_Progress/a/EMAIL_1.md",
            "In_Progress/b/EXECUTE_EMAIL_2.md",
            "In_Progress/a/EMAIL_1.claim.json",
        ] {
            let path = temp.path().join(path);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
            std::fs::write(path, "x").expect("write");
        }
        std::fs::write(temp.path().join("In_Progress/EMAIL_3.md"), "x").expect("write");
        std::os::unix::fs::symlink("/tmp", temp.path().join("In_Progress/evil")).expect("symlink");
        let listing = vault.list(&Folder::AllInProgress).expect("list");
        assert_eq!(listing.tasks.len(), 2);
        let strangers: Vec<_> = listing.strangers.iter().map(|s| s.path.display().to_string()).collect();
        assert_eq!(strangers, ["In_Progress/EMAIL_3.md", "In_Progress/evil"]);
        assert!(
            vault.list(&Folder::InProgress("nobody".parse().expect("agent"))).expect("list").tasks.is_empty()
        );
    }
}
