//! Counts by other means than the program's: from task files, raw log lines and the servers' files,
//! read as text and JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A task's file.
pub(crate) struct TaskFile {
    pub(crate) id: String,
    /// Below the vault.
    pub(crate) folder: String,
    name: String,
    pub(crate) text: String,
}

impl TaskFile {
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.folder, self.name)
    }
}

/// What a vault says of the week.
pub(crate) struct Week {
    pub(crate) root: PathBuf,
    /// By id.
    pub(crate) files: Vec<TaskFile>,
    /// The raw records of all agents.
    pub(crate) logs: Vec<Value>,
}

/// Folders in which a task can be.
const FOLDERS: [&str; 7] =
    ["Inbox", "Needs_Action", "In_Progress", "Pending_Approval", "Rejected", "Done", "Errors"];

impl Week {
    pub(crate) fn read(root: &Path) -> Self {
        let mut files = Vec::new();
        let mut open: Vec<PathBuf> = FOLDERS.iter().map(|folder| root.join(folder)).collect();
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(&folder).expect("folder").flatten() {
                let (path, name) = (entry.path(), entry.file_name().into_string().expect("a name"));
                if path.is_dir() {
                    open.push(path);
                } else if let Some(stem) = name.strip_suffix(".md") {
                    let id = stem.trim_start_matches("APPROVE_").trim_start_matches("EXECUTE_").to_owned();
                    let folder = folder.strip_prefix(root).expect("below").display().to_string();
                    let text = std::fs::read_to_string(path).expect("a task");
                    files.push(TaskFile { id, folder, name, text });
                }
            }
        }
        files.sort_by(|a, b| a.id.cmp(&b.id));
        let entries = std::fs::read_dir(root.join("Logs")).expect("Logs").flatten();
        let text: String =
            entries.map(|entry| std::fs::read_to_string(entry.path()).expect("a log")).collect();
        let logs = text.lines().map(|line| serde_json::from_str(line).expect("a record")).collect();
        Self { root: root.to_owned(), files, logs }
    }

    /// Where every task is.
    pub(crate) fn places(&self) -> Vec<String> {
        self.files.iter().map(TaskFile::path).collect()
    }

    /// The tasks that came with these words; what a task quotes of a post is not what it came with.
    pub(crate) fn with(&self, mark: &str) -> Vec<&TaskFile> {
        let came = |file: &&TaskFile| {
            file.text.split_once("## Original").is_some_and(|(_, original)| original.contains(mark))
        };
        self.files.iter().filter(came).collect()
    }

    /// The records of one sort about one task.
    pub(crate) fn records<'a>(&'a self, action: &'a str, id: &'a str) -> impl Iterator<Item = &'a Value> {
        self.logs.iter().filter(move |record| record["action_type"] == action && record["task"] == id)
    }

    fn between<'a>(&'a self, from: &'a str, until: &'a str) -> impl Iterator<Item = &'a Value> {
        self.logs.iter().filter(move |record| {
            let time = record["timestamp"].as_str().expect("time");
            time >= from && time < until
        })
    }

    /// Tasks by kind and column, as a briefing has them: drafted, closed, approved, rejected, carried
    /// out, rehearsed, failed.
    pub(crate) fn counted(&self, from: &str, until: &str) -> BTreeMap<String, [usize; 7]> {
        let mut sets: BTreeMap<String, [BTreeSet<&str>; 7]> = BTreeMap::new();
        for record in self.between(from, until) {
            let closed = record["params"]["stage"].as_str().is_some_and(|stage| stage.starts_with("Done"));
            let column = match (record["action_type"].as_str().expect("action"), record["result"].as_str()) {
                ("draft", Some("ok")) => usize::from(closed),
                ("approve", Some("ok")) => 2,
                ("reject", _) => 3,
                ("execute", Some("ok")) => 4,
                ("execute", Some("dry")) => 5,
                ("execute", Some("failed" | "unknown")) => 6,
                _ => continue,
            };
            let task = record["task"].as_str().expect("task");
            let kind = task.split('_').next().expect("prefix").to_lowercase();
            sets.entry(kind).or_default()[column].insert(task);
        }
        sets.into_iter().map(|(kind, columns)| (kind, columns.map(|tasks| tasks.len()))).collect()
    }

    /// Duties that were done.
    pub(crate) fn duties(&self, from: &str, until: &str) -> usize {
        self.between(from, until).filter(|r| r["action_type"] == "duty" && r["result"] == "ok").count()
    }

    /// Orders that were carried out.
    pub(crate) fn executed(&self, from: &str, until: &str) -> usize {
        self.between(from, until).filter(|r| r["action_type"] == "execute" && r["result"] == "ok").count()
    }

    /// The approvals that the owner gave.
    pub(crate) fn approvals(&self) -> BTreeSet<String> {
        let given = self.logs.iter().filter(|r| r["action_type"] == "approve" && r["actor"] == "owner");
        given.map(|r| r["params"]["approval"].as_str().expect("an approval").to_owned()).collect()
    }

    /// The approvals of the orders that were carried out.
    pub(crate) fn orders_done(&self) -> BTreeSet<String> {
        let of = |record: &Value| {
            let approval = record["params"]["approval"].as_str();
            approval.unwrap_or_else(|| panic!("{record}")).to_owned()
        };
        let executed = self.logs.iter().filter(|r| r["action_type"] == "execute" && r["result"] == "ok");
        executed.map(of).collect()
    }
}

/// What the servers keep.
#[derive(Clone)]
pub(crate) struct Books(BTreeMap<&'static str, Value>);

impl Books {
    pub(crate) fn read(world: &Path) -> Self {
        let read = |name: &str| {
            let bytes = std::fs::read(world.join("mock").join(format!("{name}.json")));
            bytes.map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).expect("JSON"))
        };
        Self(["email", "odoo", "payment", "social", "whatsapp"].map(|name| (name, read(name))).into())
    }

    fn list(&self, server: &str, key: &str) -> Vec<&Value> {
        self.0[server][key].as_array().into_iter().flatten().collect()
    }

    /// Every effect's approval, by the sort of effect.
    fn by_sort(&self) -> BTreeMap<&'static str, Vec<String>> {
        let chats = self.list("whatsapp", "chats");
        let messages = chats.iter().flat_map(|chat| chat["messages"].as_array().into_iter().flatten());
        let pick = |entries: Vec<&Value>, key: &str| -> Vec<String> {
            entries.into_iter().filter_map(|entry| entry[key].as_str().map(str::to_owned)).collect()
        };
        BTreeMap::from([
            ("mail", pick(self.list("email", "mails"), "approval")),
            ("invoice", pick(self.list("odoo", "invoices"), "approval")),
            ("post", pick(self.list("social", "posts"), "approval")),
            ("message", pick(messages.collect(), "approval")),
            ("payment", pick(self.list("payment", "payments"), "key")),
        ])
    }

    /// How often each approval had an effect.
    pub(crate) fn effects(&self) -> BTreeMap<String, usize> {
        let mut effects = BTreeMap::new();
        for approval in self.by_sort().into_values().flatten() {
            *effects.entry(approval).or_default() += 1;
        }
        effects
    }

    /// How many effects of each sort there were.
    pub(crate) fn kinds(&self) -> BTreeMap<&'static str, usize> {
        self.by_sort().into_iter().map(|(sort, approvals)| (sort, approvals.len())).collect()
    }

    /// The rows of a briefing's table of money: of the days from the first up to, and without, the
    /// second; overdue on `today`.
    pub(crate) fn money(&self, days: (&str, &str), today: &str) -> [(&'static str, String); 3] {
        let day = |entry: &Value, key: &str| entry[key].as_str().unwrap_or("9999").to_owned();
        let came_in = self.list("odoo", "transactions").into_iter().filter(|entry| {
            let on = day(entry, "date");
            !day(entry, "amount").starts_with('-') && on.as_str() >= days.0 && on.as_str() < days.1
        });
        let posted = || self.list("odoo", "invoices").into_iter().filter(|i| i["state"] == "posted");
        let late = posted().filter(|invoice| day(invoice, "due").as_str() < today);
        [
            ("collected this week", sum(came_in, "amount")),
            ("outstanding", sum(posted(), "total")),
            ("of it overdue", sum(late, "total")),
        ]
    }

    /// The rows of a briefing's table of pages, by platform: the latest 20 posts of each are looked at.
    pub(crate) fn pages(&self) -> BTreeMap<String, String> {
        let row = |page: &Value| {
            let platform = page["platform"].as_str().expect("a platform").to_owned();
            let posts = self.list("social", "posts").into_iter().rev().filter(|p| p["platform"] == *platform);
            let posts: Vec<&Value> = posts.take(20).collect();
            let sum = |key: &str| posts.iter().map(|post| post[key].as_u64().expect("a number")).sum::<u64>();
            let (reactions, comments) = (sum("reactions"), sum("comments"));
            let text = format!(
                "{} | {} | {reactions} | {comments} | {}",
                page["count"],
                page["gained_this_week"],
                posts.len()
            );
            (platform, text)
        };
        let pages: BTreeMap<_, _> = self.list("social", "followers").into_iter().map(row).collect();
        assert_eq!(pages.len(), 4);
        pages
    }
}

/// Money added up in cents, by currency.
fn sum<'a>(entries: impl Iterator<Item = &'a Value>, key: &str) -> String {
    let mut cents: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in entries {
        let (whole, part) = entry[key].as_str().expect("money").split_once('.').expect("cents");
        assert_eq!(part.len(), 2);
        let amount = whole.parse::<u64>().expect("whole") * 100 + part.parse::<u64>().expect("cents");
        *cents.entry(entry["currency"].as_str().expect("a currency")).or_default() += amount;
    }
    let parts: Vec<String> =
        cents.iter().map(|(currency, sum)| format!("{}.{:02} {currency}", sum / 100, sum % 100)).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(" + ") }
}

/// A briefing's page.
pub(crate) struct Page<'a>(pub(crate) &'a str);

impl Page<'_> {
    /// The table of what was done, without its sum; which must be the sum.
    pub(crate) fn kinds(&self) -> BTreeMap<String, [usize; 7]> {
        let rows = self.0.lines().skip_while(|line| !line.starts_with("| kind |")).skip(2);
        let mut kinds: BTreeMap<String, [usize; 7]> = rows
            .take_while(|line| line.starts_with('|'))
            .map(|line| {
                let mut cells = line.trim_matches('|').split('|').map(str::trim);
                let kind = cells.next().expect("a kind").to_owned();
                let counts: Vec<usize> = cells.map(|cell| cell.parse().expect("a count")).collect();
                (kind, counts.try_into().expect("seven columns"))
            })
            .collect();
        let all = kinds.remove("**all**").expect("a sum");
        for (at, sum) in all.into_iter().enumerate() {
            assert_eq!(sum, kinds.values().map(|counts| counts[at]).sum::<usize>(), "column {at}");
        }
        kinds
    }

    /// The cells after the first of a row in the table below a heading.
    pub(crate) fn row(&self, heading: &str, name: &str) -> String {
        let start = format!("| {name} | ");
        let mut lines = self.0.lines().skip_while(|line| *line != heading);
        let row = lines.find_map(|line| line.strip_prefix(&start));
        row.unwrap_or_else(|| panic!("no row {name}:\n{}", self.0)).trim_end_matches(" |").to_owned()
    }

    /// The number after some words.
    pub(crate) fn number(&self, after: &str) -> usize {
        let (_, rest) = self.0.split_once(after).unwrap_or_else(|| panic!("no {after:?}:\n{}", self.0));
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    }

    /// When it was written.
    pub(crate) fn written(&self) -> String {
        let line = self.0.lines().find_map(|line| line.strip_prefix("written: "));
        line.expect("when it was written").to_owned()
    }
}
