//! The skills under `.claude/skills`: what they name exists, what they show works, and none can go
//! round an approval.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use drafter::{Accounts, Draft, Request};
use policy::{Class, House, TOOLS};
use serde_yaml::Value;
use task::{Role, Server, Task, TaskId, TaskKind};
use tests::programs;

/// The 21 of them.
const NAMES: [&str; 21] = [
    "claim-task",
    "complete-task",
    "create-invoice-draft",
    "create-plan",
    "execute-action",
    "generate-sales-post",
    "generate-social-post",
    "handle-error",
    "post-approved-invoice",
    "post-approved-social",
    "process-payment",
    "request-approval",
    "route-to-local",
    "scan-needs-action",
    "schedule-task",
    "summarize-social-activity",
    "sync-odoo-transactions",
    "sync-vault",
    "update-dashboard",
    "weekly-audit",
    "whatsapp-reply",
];

/// Commands that decide or set up something for the owner; no skill may run them.
const THE_OWNERS: &[&str] = &[
    "approve",
    "review",
    "resolve",
    "resume",
    "init",
    "trust-tip",
    "undo",
    "drop",
    "later",
    "accept",
    "restore",
    "take-seat",
    "import",
];

struct Skill {
    name: String,
    front: Value,
    allowed: Vec<String>,
    body: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the project").to_owned()
}

fn skills() -> Vec<Skill> {
    let folder = root().join(".claude/skills");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .expect("skills")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, NAMES);
    names
        .into_iter()
        .map(|name| {
            let text = std::fs::read_to_string(folder.join(&name).join("SKILL.md")).expect("SKILL.md");
            let rest = text.strip_prefix("---\n").expect("front matter");
            let (front, body) = rest.split_once("\n---\n").expect("the end of the front matter");
            let front: Value = serde_yaml::from_str(front).unwrap_or_else(|error| panic!("{name}: {error}"));
            let allowed = front["allowed-tools"].as_str().expect("allowed-tools");
            let allowed = allowed.split(", ").map(str::to_owned).collect();
            Skill { name, allowed, body: body.to_owned(), front }
        })
        .collect()
}

/// Words of a text that may be names: between white space, quotes, brackets and commas.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || "`(),;:.'\"|".contains(c)).filter(|word| !word.is_empty())
}

/// The server and tool of `mcp__email__read_email`.
fn tool(name: &str) -> Option<(Server, &str)> {
    let (server, tool) = name.strip_prefix("mcp__")?.split_once("__")?;
    Some((server.parse().unwrap_or_else(|error| panic!("{name}: {error}")), tool))
}

fn fenced<'a>(body: &'a str, language: &'a str) -> impl Iterator<Item = String> + 'a {
    let mut inside: Option<Vec<&str>> = None;
    body.lines().filter_map(move |line| {
        let bare = line.trim_start();
        match &mut inside {
            Some(lines) if bare == "```" => {
                let indent = lines
                    .iter()
                    .find(|line| !line.is_empty())
                    .map_or(0, |line| line.len() - line.trim_start().len());
                let text = lines
                    .iter()
                    .map(|line| line.get(indent..).unwrap_or_default())
                    .collect::<Vec<_>>()
                    .join("\n");
                inside = None;
                Some(text + "\n")
            }
            Some(lines) => {
                lines.push(line);
                None
            }
            None => {
                if bare.strip_prefix("```") == Some(language) {
                    inside = Some(Vec::new());
                }
                None
            }
        }
    })
}

#[test]
fn every_skill_has_the_front_matter_that_agents_look_for() {
    for skill in skills() {
        assert_eq!(skill.front["name"].as_str(), Some(skill.name.as_str()));
        let description = skill.front["description"].as_str().expect("a description");
        assert!((40..=1024).contains(&description.len()) && description.contains("Use "), "{}", skill.name);
        assert!(skill.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", skill.name);
        assert!(
            skill.body.contains("## What this never does") && skill.body.lines().count() < 200,
            "{}",
            skill.name
        );
    }
}

#[test]
fn every_tool_that_a_skill_names_exists_and_is_allowed_to_it() {
    for skill in skills() {
        let allowed: BTreeSet<&str> = skill.allowed.iter().map(String::as_str).collect();
        assert_eq!(allowed.len(), skill.allowed.len(), "{}: a tool is allowed twice", skill.name);
        for name in words(&skill.body).filter(|word| word.starts_with("mcp__")) {
            assert!(allowed.contains(name), "{}: {name} is not among its allowed-tools", skill.name);
        }
        assert_eq!(gone(&skill), Vec::<String>::new());
    }
}

/// What is wrong with the tools of a skill: those that no server has.
fn gone(skill: &Skill) -> Vec<String> {
    let named = skill.allowed.iter().filter_map(|name| tool(name));
    named
        .filter(|(server, name)| !TOOLS.iter().any(|tool| tool.server == *server && tool.name == *name))
        .map(|(server, name)| format!("{}: the {server} server has no tool {name}", skill.name))
        .collect()
}

#[test]
fn a_skill_that_names_a_tool_that_is_gone_is_said_with_its_server_and_tool() {
    let mut skill = skills().remove(0);
    skill.name = "old-skill".into();
    skill.allowed = vec!["mcp__email__read_email".into(), "mcp__email__forward_email".into(), "Read".into()];
    assert_eq!(gone(&skill), ["old-skill: the email server has no tool forward_email"]);
}

#[test]
fn no_skill_can_go_round_an_approval() {
    for skill in skills() {
        for allowed in &skill.allowed {
            let at = format!("{}: {allowed}", skill.name);
            if let Some((server, name)) = tool(allowed) {
                assert!(policy::class(server, name) < Class::Dangerous, "{at}");
                continue;
            }
            match allowed.as_str() {
                "Read" | "Glob" | "Grep" | "Write(proposal.yaml)" => continue,
                _ => {}
            }
            let command = allowed.strip_prefix("Bash(").and_then(|rest| rest.strip_suffix(":*)"));
            let command = command.unwrap_or_else(|| panic!("{at} is no single command"));
            let words: Vec<&str> = command.split(' ').collect();
            assert!(matches!(words[0], "local-agent" | "sync-watcher") && words.len() > 1, "{at}");
            assert!(!words.iter().any(|word| THE_OWNERS.contains(word)), "{at} is the owner's to run");
        }
        for secret in ["id_ed25519", "owner_key", ".ssh", "passphrase-file", "max-class", "journal.sqlite"] {
            assert!(!skill.body.contains(secret), "{}: {secret}", skill.name);
        }
        for command in fenced(&skill.body, "console")
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        {
            assert!(!words(&command).any(|word| THE_OWNERS.contains(&word)), "{}: {command}", skill.name);
        }
    }
}

#[test]
fn every_command_that_a_skill_shows_is_understood_by_its_program_and_allowed() {
    let mut seen = BTreeSet::new();
    for skill in skills() {
        for command in fenced(&skill.body, "console")
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        {
            let bash = |rule: &String| {
                rule.strip_prefix("Bash(").and_then(|rest| rest.strip_suffix(":*)")).map(str::to_owned)
            };
            assert!(
                skill.allowed.iter().filter_map(bash).any(|rule| command.starts_with(&rule)),
                "{}: {command} is not among its allowed-tools",
                skill.name
            );
            seen.insert(command);
        }
        // The owner's commands are named in the text alone; they exist, too.
        for inline in skill.body.split('`').filter(|code| code.starts_with("local-agent ")) {
            seen.insert(inline.to_owned());
        }
    }
    assert!(seen.len() > 10, "{seen:?}");
    for command in seen {
        let quoted = command.replace("\"answered by phone\"", "answered");
        let mut parts = quoted.split(' ');
        let program = programs().join(parts.next().expect("a program"));
        // Help stands at the end: whatever is before it has to be understood first.
        let output =
            std::process::Command::new(program).args(parts).arg("--help").output().expect("the program");
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn every_folder_and_prefix_that_a_skill_names_exists() {
    const FOLDERS: &[&str] = &[
        "Inbox/",
        "Needs_Action/",
        "In_Progress/",
        "Pending_Approval/",
        "Rejected/",
        "Done/",
        "Errors/",
        "Conflicts/",
        "Logs/",
        "Briefings/",
        "Accounting/",
        "Templates/",
    ];
    for skill in skills() {
        for code in skill.body.split('`').skip(1).step_by(2) {
            if code.ends_with('/') {
                assert!(FOLDERS.contains(&code), "{}: {code}", skill.name);
            }
            let marker = code.ends_with('_') && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
            if marker && !matches!(code, "APPROVE_" | "EXECUTE_" | "ERROR_HEALTH_") {
                assert!(
                    TaskKind::PREFIXED.iter().any(|kind| kind.prefix() == code),
                    "{}: {code}",
                    skill.name
                );
            }
        }
    }
}

#[test]
fn every_task_that_a_skill_shows_becomes_a_proposal() {
    let drafter = drafter::template(&config::Drafter::default()).expect("templates");
    let (house, accounts) = (House::default(), Accounts::default());
    let mut shown = 0;
    for skill in skills() {
        for text in fenced(&skill.body, "markdown") {
            let id = text.lines().find_map(|line| line.strip_prefix("id: ")).expect("an id");
            let id: TaskId = id.parse().unwrap_or_else(|error| panic!("{}: {error}", skill.name));
            let task =
                Task::parse(text.as_bytes(), &id).unwrap_or_else(|error| panic!("{}: {error}", skill.name));
            let request = Request {
                task: &task,
                handbook: "",
                house: &house,
                owner_name: "Jane Doe",
                accounts: &accounts,
                role: Role::Local,
                reach: drafter::Reach::NONE,
                now: task.front.created,
            };
            let draft = futures::executor::block_on(drafter.draft(&request)).expect("a draft");
            assert!(matches!(draft, Draft::Proposal { .. }), "{}: {draft:?}", skill.name);
            shown += 1;
        }
    }
    assert_eq!(shown, 6);
}

#[test]
fn the_servers_that_claude_finds_are_the_five_and_register_nothing_that_acts() {
    let text = std::fs::read_to_string(root().join(".mcp.json")).expect(".mcp.json");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let servers = json["mcpServers"].as_object().expect("servers");
    assert_eq!(servers.len(), Server::ALL.len());
    for server in Server::ALL {
        let entry = &servers[server.name()];
        assert_eq!(entry["command"], server.binary());
        assert_eq!(entry["args"], serde_json::json!(["--max-class", "draft"]));
    }
}
