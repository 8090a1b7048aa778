//! The names that may travel. A path that is none of these stays where it is: it is neither sent
//! nor taken.

use task::{AgentId, Location, TaskId};
use unicode_normalization::UnicodeNormalization;

/// The longest name of a file, in bytes: below what every file system and `git` itself can hold.
const MAX_NAME: usize = 200;

/// What a path in the vault is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// One task's file.
    Task(Location),
    /// `In_Progress/<agent>/<id>.claim.json`
    Claim {
        /// Whose claim.
        agent: AgentId,
        /// Of what.
        id: TaskId,
    },
    /// `Logs/YYYY-MM-DD_<agent>.jsonl`
    Log(AgentId),
    /// `Inbox/*`
    Inbox,
    /// What stands in `Errors/` and is no task: reasons, and files that were set aside.
    SetAside,
    /// `Conflicts/*`
    Conflict,
    /// `Briefings/*`, `Accounting/*`, `Templates/*`
    Page,
    /// `Dashboard.md`
    Dashboard,
    /// `Company_Handbook.md`
    Handbook,
    /// `STOP`
    Stop,
    /// `.gitignore`
    Ignore,
}

/// Why a path does not travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Foreign {
    /// No folder of a vault, or no file that belongs there.
    #[error("the vault has no such place")]
    Place,
    /// Too long, hidden, or with characters that show as something else.
    #[error("the name is not allowed here")]
    Name,
}

impl Place {
    /// Takes a path relative to the vault apart.
    pub(crate) fn parse(path: &str) -> Result<Self, Foreign> {
        let Some((folder, name)) = path.rsplit_once('/') else {
            return match path {
                "Dashboard.md" => Ok(Place::Dashboard),
                "Company_Handbook.md" => Ok(Place::Handbook),
                "STOP" => Ok(Place::Stop),
                ".gitignore" => Ok(Place::Ignore),
                _ => Err(Foreign::Place),
            };
        };
        let free = |place| if is_safe(name) { Ok(place) } else { Err(Foreign::Name) };
        match folder {
            "Inbox" => free(Place::Inbox),
            "Conflicts" => free(Place::Conflict),
            "Briefings" | "Accounting" | "Templates" => free(Place::Page),
            "Logs" => log_of(name).map(Place::Log).ok_or(Foreign::Name),
            "Errors" => match Location::parse(path) {
                Ok(location) => Ok(Place::Task(location)),
                Err(_) => free(Place::SetAside),
            },
            _ => match (folder.strip_prefix("In_Progress/"), name.strip_suffix(".claim.json")) {
                (Some(agent), Some(id)) => Ok(Place::Claim {
                    agent: AgentId::new(agent).map_err(|_| Foreign::Place)?,
                    id: TaskId::new(id).map_err(|_| Foreign::Name)?,
                }),
                _ if !is_folder(folder) => Err(Foreign::Place),
                _ => Location::parse(path).map(Place::Task).map_err(|_| Foreign::Name),
            },
        }
    }

    /// Of which task this is the file or a claim.
    pub(crate) fn task(&self) -> Option<&TaskId> {
        match self {
            Place::Task(location) => Some(&location.id),
            Place::Claim { id, .. } => Some(id),
            _ => None,
        }
    }

    /// Whether what stands here belongs to one side alone: `Some(true)` to this one.
    pub(crate) fn belongs(&self, me: &AgentId, owner_side: bool) -> Option<bool> {
        match self {
            Place::Log(agent) => Some(agent == me),
            Place::Dashboard | Place::Handbook | Place::Ignore => Some(owner_side),
            _ => None,
        }
    }
}

/// Whether a folder of a vault has this path (with `/`); the root is none.
pub(crate) fn is_folder(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let digits = |text: &str, len: usize| text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
    let month = |text: &str| digits(text, 2) && ("01"..="12").contains(&text);
    match parts.as_slice() {
        [folder] => vault::FOLDERS.contains(folder),
        ["In_Progress", agent] => AgentId::new(*agent).is_ok(),
        ["Done", year] => digits(year, 4),
        ["Done", year, m] => digits(year, 4) && month(m),
        _ => false,
    }
}

/// Two names of one folder with the same key cannot stand side by side on every file system.
pub(crate) fn twin_key(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    name.nfc().flat_map(char::to_lowercase).nfc().collect()
}

fn log_of(name: &str) -> Option<AgentId> {
    let (date, agent) = name.strip_suffix(".jsonl")?.split_once('_')?;
    let shape = date.len() == 10
        && date.bytes().enumerate().all(|(at, b)| match at {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
    if shape { AgentId::new(agent).ok() } else { None }
}

fn is_safe(name: &str) -> bool {
    let harmless = |c: char| {
        !c.is_control()
            && !matches!(c, '/' | '\\')
            // Invisible, or turning the direction of what follows: a name must look like itself.
            && !matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
    };
    (1..=MAX_NAME).contains(&name.len())
        && !name.starts_with(['.', ' ', '-'])
        && !name.ends_with(['.', ' '])
        && name.chars().all(harmless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_vaults_own_names_travel() {
        for path in [
            "Needs_Action/EMAIL_1.md",
            "Needs_Action/EXECUTE_EMAIL_1.md",
            "In_Progress/cloud-001/EMAIL_1.md",
            "In_Progress/cloud-001/EMAIL_1.claim.json",
            "Done/2026/02/EMAIL_1.md",
            "Errors/EMAIL_1.md",
            "Errors/EMAIL_1.md.reason.md",
            "Errors/note.txt",
            "Inbox/Anruf für Bob – morgen?.md",
            "Conflicts/EMAIL_1_0123456789ab.md",
            "Logs/2026-02-23_cloud-001.jsonl",
            "Briefings/2026-02-23.md",
            "Templates/New_task.md",
            "Dashboard.md",
            "STOP",
            ".gitignore",
        ] {
            assert!(Place::parse(path).is_ok(), "{path}");
        }
        for path in [
            "README.md",
            ".gitattributes",
            ".gitmodules",
            ".git/config",
            "Needs_Action/.hidden.md",
            "Needs_Action/sub/EMAIL_1.md",
            "Needs_Action/APPROVE_EMAIL_1.md",
            "Needs_Action/a b.md",
            "Needs_Action/EMAIL_1.txt",
            "In_Progress/Cloud/EMAIL_1.md",
            "In_Progress/EMAIL_1.md",
            "Done/2026/13/EMAIL_1.md",
            "Done/2026/EMAIL_1.md",
            "Inbox/.git",
            "Inbox/a\\b.md",
            "Inbox/line\nbreak.md",
            "Inbox/\u{1b}[31mred.md",
            "Inbox/\u{202e}dm.exe",
            "Inbox/trailing ",
            "Inbox/",
            "Logs/notes.txt",
            "Logs/2026-02-23_.jsonl",
            "Templates/.obsidian.json",
            "Nowhere/x.md",
        ] {
            assert!(Place::parse(path).is_err(), "{path:?}");
        }
        assert!(Place::parse(&format!("Inbox/{}.md", "x".repeat(300))).is_err());
    }

    #[test]
    fn twins_have_one_key() {
        assert_eq!(twin_key("EMAIL_A.md"), twin_key("email_a.MD"));
        // One letter composed, the other decomposed.
        assert_eq!(twin_key("caf\u{e9}.md"), twin_key("CAFE\u{301}.md"));
        assert_ne!(twin_key("a.md"), twin_key("b.md"));
    }
}
