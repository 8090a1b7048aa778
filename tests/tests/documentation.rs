//! Every command that the documentation shows is one that the programs take.
//!
//! Commands are taken out of the `console` blocks and out of inline code. Each is handed to the
//! program with `--help` behind it: the program then checks subcommands, flags and values, and
//! does nothing. What only looks is run besides, on a machine that is set up for it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tests::programs;

const OURS: [&str; 8] = [
    "cloud-agent",
    "local-agent",
    "sync-watcher",
    "mcp-email",
    "mcp-odoo",
    "mcp-social",
    "mcp-whatsapp",
    "mcp-payment",
];

/// What stands for something, and an example of it.
const PLACEHOLDERS: [(&str, &str); 9] = [
    ("ID", "EMAIL_1"),
    ("SHA", "0123456789abcdef0123456789abcdef01234567"),
    ("sha256:…", "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
    ("CODE", "AIE1.x.y"),
    ("FILE", "file"),
    ("URL", "git@git.example.com:jane/vault.git"),
    ("ADDRESS", "jane@example.com"),
    ("HOST", "imap.example.com"),
    ("DIR", "/tmp"),
];

fn top() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).canonicalize().expect("the sources")
}

/// README and everything in docs.
fn pages() -> Vec<(String, String)> {
    let mut paths = vec![top().join("README.md")];
    for entry in std::fs::read_dir(top().join("docs")).expect("docs") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(top()).expect("below the top").display().to_string();
        (name, std::fs::read_to_string(&path).expect("a page"))
    };
    paths.into_iter().map(read).collect()
}

/// The lines of `console` blocks, without comments, and inline code that begins with a program of ours.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block = None;
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            block = if block.is_some() { None } else { Some(language.to_owned()) };
        } else if block.as_deref() == Some("console") {
            found.push(line.split(" #").next().unwrap_or_default().trim().to_owned());
        } else if block.is_none() {
            let inline = line.split('`').skip(1).step_by(2);
            found.extend(
                inline.filter(|code| OURS.contains(&first(code)) && code.contains(' ')).map(str::to_owned),
            );
        }
    }
    // What shows alternatives is no command, and neither is an address to follow.
    found.retain(|command| !command.is_empty() && !command.contains('|') && !command.starts_with('#'));
    found
}

fn first(command: &str) -> &str {
    command.split_whitespace().next().unwrap_or_default()
}

/// A command's words, with examples in the place of what stands for something; quotes hold a word together.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (n, part) in command.split('"').enumerate() {
        match n % 2 {
            1 => words.push(part.to_owned()),
            _ => words.extend(part.split_whitespace().map(str::to_owned)),
        }
    }
    let example = |word: String| match PLACEHOLDERS.iter().find(|(name, _)| *name == word) {
        Some((_, example)) => (*example).to_owned(),
        None => word,
    };
    words.into_iter().map(example).collect()
}

fn run(program: &Path, arguments: &[String], home: &Path) -> Output {
    Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .current_dir(home)
        .stdin(Stdio::null())
        .output()
        .expect("the program")
}

/// Why a command cannot be what somebody types.
fn objection(command: &str, home: &Path) -> Option<String> {
    let mut words = words(command);
    let name = words.remove(0);
    let program = match name.as_str() {
        _ if OURS.contains(&name.as_str()) => programs().join(&name),
        "cargo" if words.first().is_some_and(|word| word == "xtask") => {
            words.remove(0);
            programs().join("xtask")
        }
        "cargo" if words.first().is_some_and(|word| word == "run") => {
            let bin = words.iter().position(|word| word == "--bin").and_then(|at| words.get(at + 1))?;
            if !OURS.contains(&bin.as_str()) {
                return Some(format!("{bin} is no program of ours"));
            }
            let program = programs().join(bin);
            words = words.into_iter().skip_while(|word| word != "--").skip(1).collect();
            program
        }
        "cargo" | "cd" | "install" | "git" | "ssh-keyscan" | "apt" | "sudo" => return None,
        script if script.starts_with("deploy/") => {
            let path = top().join(script);
            let Ok(text) = std::fs::read_to_string(&path) else {
                return Some("there is no such script".into());
            };
            let unknown = words.iter().filter(|word| word.starts_with("--")).find(|word| {
                // What the script hands on is for the program to know.
                !text.contains(word.as_str())
            });
            return unknown.map(|word| format!("{script} knows no {word}"));
        }
        other => return Some(format!("{other} is a program that this test knows nothing of")),
    };
    words.push("--help".into());
    let output = run(&program, &words, home);
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn every_command_that_is_shown_is_one_that_the_programs_take() {
    let home = tempfile::tempdir().expect("a home");
    let mut checked = 0;
    let mut wrong = Vec::new();
    for (page, text) in pages() {
        for command in commands(&text) {
            checked += 1;
            if let Some(why) = objection(&command, home.path()) {
                wrong.push(format!("{page}: {command}\n    {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked >= 30, "only {checked} commands were found");
    let left: Vec<_> = std::fs::read_dir(home.path()).expect("the home").collect();
    assert!(left.is_empty(), "showing help made {left:?}");
}

#[test]
fn a_command_that_does_not_exist_would_be_found() {
    let home = tempfile::tempdir().expect("a home");
    for command in [
        "local-agent frobnicate",
        "local-agent init --mode real",
        "local-agent approve",
        "cloud-agent init --joined CODE",
        "deploy/setup_cloud.sh target/release --frob",
        "deploy/missing.sh",
        "cargo xtask frobnicate",
        "frobnicate",
    ] {
        // A missing argument is the one thing that --help forgives.
        let forgiven = command == "local-agent approve";
        assert_eq!(objection(command, home.path()).is_none(), forgiven, "{command}");
    }
}

#[test]
fn what_only_looks_works_on_a_machine_that_was_just_set_up() {
    let home = tempfile::tempdir().expect("a home");
    let local = programs().join("local-agent");
    let say = |arguments: &str| {
        let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
        let output = run(&local, &arguments, home.path());
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {err}");
    };
    say("init --owner Jane --alone --no-mail --mode sample --no-passphrase");
    let shown: BTreeSet<String> = pages().iter().flat_map(|(_, text)| commands(text)).collect();
    let looks = [
        "local-agent doctor",
        "local-agent status",
        "local-agent list",
        "local-agent log verify",
        "local-agent --dry-run --mock --role gold --data data --once",
    ];
    for command in looks {
        assert!(shown.contains(command), "{command} is not shown any more");
        say(command.split_once(' ').expect("arguments").1);
    }
}

#[test]
fn pages_that_are_linked_exist() {
    for (page, text) in pages() {
        let folder = top().join(&page).parent().expect("a folder").to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") || link.starts_with('#') {
                continue;
            }
            let path = folder.join(link.split('#').next().unwrap_or_default());
            assert!(path.exists(), "{page} links {link}, which is not there");
        }
    }
}
