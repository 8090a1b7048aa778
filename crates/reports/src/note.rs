//! `Errors/ERROR_<id>.reason.md`: one page for each task that was set aside, which says what
//! happened, what was tried, and what the owner can do: tick a line, or give a command.

use std::collections::BTreeMap;
use std::path::PathBuf;

use task::{Digest, TaskId};
use vault::{DurableError, FileError, Folder, PageError, RawError, SetAsideError, Vault, durable};

use crate::standing::{Remedy, SetAside, minute, set_aside};
use crate::text::{plain, shown};

/// Why the notes could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// The folder.
    #[error("notes in Errors: {0}")]
    File(#[from] FileError),
    /// A note.
    #[error("notes in Errors: {0}")]
    Page(#[from] PageError),
    /// A note that is no longer needed.
    #[error("notes in Errors: {0}")]
    Remove(#[from] RawError),
    /// What somebody wrote on a note could not be kept; the note stays as it is.
    #[error("notes in Errors: keep what was written on one: {0}")]
    Keep(#[from] SetAsideError),
    /// Which notes are ours.
    #[error("notes in Errors: remember them: {0}")]
    Remember(#[from] DurableError),
}

/// What the owner ticked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// Try it again now.
    Retry,
    /// Nothing is to be done about it.
    Drop,
    /// Not today.
    Later,
}

impl Choice {
    const ALL: [Choice; 3] = [Choice::Retry, Choice::Drop, Choice::Later];

    /// Stands at the end of its line, where Obsidian shows nothing of it.
    fn mark(self) -> &'static str {
        match self {
            Choice::Retry => "^error-retry",
            Choice::Drop => "^error-drop",
            Choice::Later => "^error-later",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Choice::Retry => "Try it again now",
            Choice::Drop => "Drop it: nothing is to be done about it",
            Choice::Later => "Ask me again tomorrow",
        }
    }

    /// The command that does the same.
    fn command(self, id: &TaskId) -> String {
        match self {
            Choice::Retry => format!("local-agent retry {id}"),
            Choice::Drop => format!("local-agent drop {id}"),
            Choice::Later => format!("local-agent later {id}"),
        }
    }
}

/// Keeps the notes of a vault. Only the owner's machine does: what another one brings under such a
/// name is not ours, and its ticks count for nothing.
#[derive(Clone, Debug)]
pub struct Notes {
    vault: Vault,
    /// A JSON object in the data directory: of each note that was written, the digest of its text.
    kept: PathBuf,
}

impl Notes {
    /// The notes of a vault; `kept` is a file in the data directory.
    pub fn new(vault: Vault, kept: impl Into<PathBuf>) -> Self {
        Self { vault, kept: kept.into() }
    }

    /// What was ticked on notes that this machine wrote, for tasks that are still in Errors. Blocks.
    pub fn ticked(&self) -> Result<Vec<(TaskId, Choice)>, NoteError> {
        let kept = self.kept();
        let mut ticked = Vec::new();
        for entry in self.vault.list(&Folder::Errors)?.tasks {
            let id = entry.location.id;
            let path = path_of(&id);
            let Some(digest) = kept.get(&path) else { continue };
            let Some(text) = self.vault.read_page(&path)? else { continue };
            if Digest::of(&text).hex() != *digest
                && let Some(choice) = choice_of(&text)
            {
                ticked.push((id, choice));
            }
        }
        Ok(ticked)
    }

    /// Writes a note for every task in Errors, as it is now, and takes those away whose task has
    /// left. `answered` are the ticks that were taken, now or before, with the reason of those that
    /// could not be done. What a person wrote on a note beside ticks is kept in `Conflicts/`. Whether anything
    /// changed. Blocks.
    pub fn refresh(&self, answered: &BTreeMap<TaskId, Option<String>>) -> Result<bool, NoteError> {
        let before = self.kept();
        let (mut kept, mut texts) = (BTreeMap::new(), Vec::new());
        for entry in self.vault.list(&Folder::Errors)?.tasks {
            let found = set_aside(&self.vault, &entry);
            let answer = answered.get(&found.id);
            let refused = answer.and_then(Option::as_deref);
            let text = note(&found, refused);
            kept.insert(path_of(&found.id), Digest::of(&text).hex());
            texts.push((path_of(&found.id), text, answer.is_some()));
        }
        // Known before it is there: a note whose ticks do not count helps nobody.
        if kept != before {
            durable::replace(&self.kept, &serde_json::to_vec(&kept).unwrap_or_default())?;
        }
        let mut changed = false;
        for (path, text, answered) in texts {
            let last = before.get(&path);
            if let Some(page) = self.vault.read_page(&path)? {
                // A tick that comes this moment is taken the next time; a person's words stay while
                // there is nothing new to say.
                if page == text || (last == kept.get(&path) && !answered) {
                    continue;
                }
                self.keep_words(&path, &page, last)?;
            }
            changed |= self.vault.write_page(&path, &text)?;
        }
        for (path, last) in before.iter().filter(|(path, _)| !kept.contains_key(*path)) {
            let Some(page) = self.vault.read_page(path)? else { continue };
            self.keep_words(path, &page, Some(last))?;
            match self.vault.remove_raw(path, Digest::of(&page)) {
                Ok(_) => changed = true,
                Err(RawError::Gone(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(changed)
    }

    /// Keeps a note that is more than what was written, with ticks.
    fn keep_words(&self, path: &str, page: &str, last: Option<&String>) -> Result<(), NoteError> {
        let unticked = page.replace("- [x] ", "- [ ] ").replace("- [X] ", "- [ ] ");
        if Some(&Digest::of(&unticked).hex()) != last {
            let name = path.rsplit('/').next().unwrap_or(path);
            self.vault.keep_conflict(name, page.as_bytes())?;
        }
        Ok(())
    }

    fn kept(&self) -> BTreeMap<String, String> {
        let bytes = std::fs::read(&self.kept).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }
}

/// No task has such a name, so that a note is never taken for one.
fn path_of(id: &TaskId) -> String {
    format!("Errors/ERROR_{id}.reason.md")
}

/// The one choice that is ticked; of several, none: who ticks both wants to be asked.
fn choice_of(text: &str) -> Option<Choice> {
    let ticked = |choice: &Choice| {
        text.lines().any(|line| {
            let line = line.trim();
            (line.starts_with("- [x] ") || line.starts_with("- [X] ")) && line.ends_with(choice.mark())
        })
    };
    let mut ticked = Choice::ALL.into_iter().filter(ticked);
    ticked.next().filter(|_| ticked.next().is_none())
}

/// The page.
fn note(found: &SetAside, refused: Option<&str>) -> String {
    let id = &found.id;
    let mut text = format!("# {id} was set aside\n\n> [!failure] {}\n\n", shown(found.why(), 300));
    let mut line = |what: &str, said: String| text.push_str(&format!("- {what}: {said}\n"));
    let about = [&found.subject, &found.from].map(|words| shown(words, 120));
    let about = about.into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join(", from ");
    line("what", format!("[[{id}]] {about}").trim_end().to_owned());
    line("since", minute(found.since).to_string());
    if found.attempts > 0 {
        let back = match found.returns {
            0 => String::new(),
            1 => ", after it had come back by itself once".to_owned(),
            n => format!(", after it had come back by itself {n} times"),
        };
        let times = if found.attempts == 1 { "once" } else { &format!("{} times", found.attempts) };
        line("tried", format!("{times}{back}"));
    }
    line(
        "next",
        match (found.remedy, found.again) {
            (Remedy::Retry, Some(at)) => format!("it comes back by itself at {}", minute(at)),
            (Remedy::Retry, None) => "nothing happens by itself: it needs you".to_owned(),
            (Remedy::Resolve, _) => {
                "look for yourself whether it happened; it is never tried again by itself".to_owned()
            }
            (Remedy::Mend, _) => "its file is no task as it is: it needs you".to_owned(),
        },
    );
    if let Some(at) = found.later {
        line("you wanted to be asked again", minute(at).to_string());
    }
    text.push_str("\n## What to do\n\n");
    if let Some(refused) = refused {
        text.push_str(&format!(
            "> [!warning] What was ticked could not be done: {}\n\n",
            shown(refused, 300)
        ));
    }
    match found.remedy {
        Remedy::Retry => {
            for choice in Choice::ALL {
                text.push_str(&format!("- [ ] {} {}\n", choice.words(), choice.mark()));
            }
            let commands = Choice::ALL.map(|choice| format!("`{}`", choice.command(id))).join(", ");
            text.push_str(&format!("\nTick one, or say it in a terminal: {commands}.\n"));
        }
        Remedy::Resolve => {
            text.push_str(&format!(
                "It was sent: `local-agent resolve {id} --sent`. It was not: `local-agent resolve {id} --not-sent`.\n"
            ));
        }
        Remedy::Mend => text.push_str(&format!("{}.\n", plain(&found.remedy.command(id), 300))),
    }
    text
}

#[cfg(test)]
mod tests;
