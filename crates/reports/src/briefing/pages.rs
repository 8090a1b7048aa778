//! Both pages in the vault, and what was ticked on them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use task::{Body, Digest, FrontMatter, Location, Stage, Task, TaskId};
use vault::{DurableError, FileError, PageError, SetAsideError, Vault, WriteError, durable};

use super::suggestion::Mark;
use super::{Briefing, html, markdown};
use crate::text::{plain, shown};

/// Why a briefing was not written, or a tick not taken.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    /// A page.
    #[error("briefing: {0}")]
    Page(#[from] PageError),
    /// The folder.
    #[error("briefing: {0}")]
    File(#[from] FileError),
    /// What somebody wrote on the page could not be kept; the page stays as it is.
    #[error("briefing: keep what was written on the page: {0}")]
    Keep(#[from] SetAsideError),
    /// The task.
    #[error("briefing: make the task of what was ticked: {0}")]
    Create(#[from] WriteError),
    /// What has been taken.
    #[error("briefing: remember what was ticked: {0}")]
    Remember(#[from] DurableError),
}

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// The Markdown page's path in the vault; the HTML page stands beside it.
    pub path: String,
    /// Where the version went that somebody had written on.
    pub kept: Option<String>,
}

/// A suggestion that the owner took.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ticked {
    /// The task that it became.
    pub task: TaskId,
    /// On which page.
    pub page: String,
}

/// The briefings of a vault, and what of them was taken.
#[derive(Debug)]
pub struct Pages {
    vault: Vault,
    /// A JSON list of marks, in the data directory.
    taken: PathBuf,
}

const ENDING: &str = "_Monday_Briefing.md";

/// Ticks are looked for on so many pages, the newest first.
const LOOKED_AT: usize = 8;

impl Pages {
    /// The pages of a vault; `taken` is a file in the data directory.
    pub fn new(vault: Vault, taken: impl Into<PathBuf>) -> Self {
        Self { vault, taken: taken.into() }
    }

    /// Writes both pages durably. Ticks on a page that is written anew stay; what else somebody
    /// wrote on it is kept under `Conflicts/`. Blocks.
    pub fn write(&self, briefing: &Briefing) -> Result<Written, PagesError> {
        let path = format!("{}.md", briefing.period.stem());
        let old = self.vault.read_page(&path)?;
        let mut text = sealed(&markdown(briefing));
        let mut kept = None;
        if let Some(old) = &old {
            if !is_untouched(old) {
                let name = path.rsplit('/').next().unwrap_or(&path);
                kept = Some(self.vault.keep_conflict(name, old.as_bytes())?);
            }
            text = ticked_again(&text, &ticks(old));
        }
        self.vault.write_page(&path, &text)?;
        self.vault.write_page(&format!("{}.html", briefing.period.stem()), &html(briefing))?;
        Ok(Written { path, kept })
    }

    /// Makes a task of every suggestion that was ticked since the last look, each once. A page
    /// that cannot be read is named and stops no other. Blocks.
    pub fn take(&self, now: DateTime<Utc>) -> (Vec<Ticked>, Vec<PagesError>) {
        let (mut took, mut wrong) = (Vec::new(), Vec::new());
        let names = match self.names() {
            Ok(names) => names,
            Err(error) => return (took, vec![error]),
        };
        let mut taken = self.taken();
        let before = taken.len();
        for name in names {
            let page = format!("Briefings/{name}");
            match self.vault.read_page(&page) {
                Ok(text) => {
                    for (mark, text) in ticks(&text.unwrap_or_default()) {
                        let key = format!("{page} {mark}");
                        if taken.contains(&key) {
                            continue;
                        }
                        match self.make(&name, &mark, &text, now) {
                            Ok(Some(task)) => took.push(Ticked { task, page: page.clone() }),
                            Ok(None) => {}
                            Err(error) => {
                                wrong.push(error);
                                continue;
                            }
                        }
                        taken.insert(key);
                    }
                }
                Err(error) => wrong.push(error.into()),
            }
        }
        if taken.len() > before {
            let bytes = serde_json::to_vec(&taken).unwrap_or_default();
            // Without it the ticks are met again, and their tasks are there.
            wrong.extend(durable::replace(&self.taken, &bytes).err().map(PagesError::from));
        }
        (took, wrong)
    }

    fn taken(&self) -> BTreeSet<String> {
        let bytes = std::fs::read(&self.taken).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// The newest briefings' names.
    fn names(&self) -> Result<Vec<String>, PagesError> {
        let names = self.vault.dir_created("Briefings")?.names()?;
        let mut names: Vec<String> = names
            .into_iter()
            .filter_map(|name| name.into_string().ok())
            .filter(|name| name.ends_with(ENDING) && !name.starts_with('.'))
            .collect();
        names.sort();
        names.reverse();
        names.truncate(LOOKED_AT);
        Ok(names)
    }

    /// The task of a tick; `None` where it was made before.
    fn make(
        &self,
        page: &str,
        mark: &Mark,
        text: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<TaskId>, PagesError> {
        let day: String =
            page.chars().take_while(|c| *c != '_').filter(char::is_ascii_digit).take(8).collect();
        let id = format!("{}suggestion_{day}_{}", mark.kind.prefix(), mark.digest());
        let Ok(id) = TaskId::new(id) else { return Ok(None) };
        let mut front = FrontMatter::new(id.clone(), now);
        front.source = Some("briefing".to_owned());
        front.source_id = Some(mark.to_string());
        front.subject = Some(plain(text, 120));
        // What was ticked is the owner's wish; what comes of it is shown to the owner all the same.
        front.requires_approval = true;
        let task = Task::new(front, Body::of_original(text).to_markdown());
        match self.vault.create(&Location::new(Stage::NeedsAction, id.clone()), &task) {
            Ok(_) => Ok(Some(id)),
            Err(WriteError::Exists(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// The ticked suggestions of a page, with their words as they stand there. Check-boxes of the
/// owner's own have no mark and are none.
fn ticks(page: &str) -> Vec<(Mark, String)> {
    let tick = |line: &str| {
        let rest = line.trim().strip_prefix("- [x] ").or_else(|| line.trim().strip_prefix("- [X] "))?;
        let (text, mark) = rest.rsplit_once(" ^")?;
        let words = text.replace(":\\//", "://").replace('\\', "");
        Some((mark.trim().parse().ok()?, words.trim().to_owned()))
    };
    page.lines().filter_map(tick).collect()
}

/// Ticks what was ticked before. A suggestion that the figures no longer make stays while it is
/// ticked: its tick may not have been taken yet.
fn ticked_again(page: &str, before: &[(Mark, String)]) -> String {
    let mut gone: Vec<&(Mark, String)> = before.iter().collect();
    let mut text = String::new();
    for line in page.lines() {
        let mark: Option<Mark> = line.rsplit_once(" ^").and_then(|(_, mark)| mark.parse().ok());
        let ticked = mark.is_some_and(|mark| {
            let known = gone.len();
            gone.retain(|(other, _)| *other != mark);
            gone.len() < known
        });
        match line.strip_prefix("- [ ] ").filter(|_| ticked) {
            Some(rest) => text.push_str(&format!("- [x] {rest}\n")),
            None => text.push_str(&format!("{line}\n")),
        }
    }
    for (mark, words) in gone {
        let heading = "## Suggestions\n\n";
        let line = format!("{heading}- [x] {} ^{mark}\n", shown(words, 240));
        text = text.replacen(heading, &line, 1);
    }
    sealed_anew(&text)
}

/// The same page with the digest that it has now.
fn sealed_anew(page: &str) -> String {
    match page.trim_end().rsplit_once('\n') {
        Some((text, last)) if last.starts_with("%% ") => sealed(&format!("{text}\n")),
        _ => page.to_owned(),
    }
}

/// The page with a digest of itself at its end, so that it is known later whether somebody wrote on it.
fn sealed(page: &str) -> String {
    format!("{page}%% {} %%\n", seal(page))
}

fn seal(page: &str) -> String {
    let unticked = page.replace("- [x] ", "- [ ] ").replace("- [X] ", "- [ ] ");
    Digest::of(unticked.trim_end()).hex()[..16].to_owned()
}

fn is_untouched(page: &str) -> bool {
    let Some((text, last)) = page.trim_end().rsplit_once('\n') else { return false };
    last == format!("%% {} %%", seal(text))
}
