//! Drafts by Claude Code, with a stand-in for its program.

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use config::DrafterKind;
use drafter::{Draft, DraftError, Drafter, ToolServers, build};
use support::{draft, mail, request, task};
use task::{Call, FixedClock};

/// A stand-in for the program, and a drafter that runs it.
struct Fixture {
    dir: tempfile::TempDir,
    config: config::Drafter,
}

const ANSWER: &str = r#"{"plan": ["look the invoice up"], "action": {"tool": "send_email", "arguments": {"to": ["alice@example.com"], "subject": "x", "body": "Dear Alice,\n\nhere it is.\n\nOlga Owner"}}, "question": null, "no_action_reason": null}"#;

impl Fixture {
    /// `script` is what the stand-in does, in sh; `$here` is its folder.
    fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let mut config = config::Drafter { kind: DrafterKind::ClaudeCode, ..Default::default() };
        config.claude_code.program = dir.path().join("claude");
        config.claude_code.timeout_seconds = 20;
        config.claude_code.fallback_to_template = false;
        let text = format!("#!/bin/sh\nhere='{}'\n{script}\n", dir.path().display());
        std::fs::write(&config.claude_code.program, text).expect("write");
        std::fs::set_permissions(&config.claude_code.program, std::fs::Permissions::from_mode(0o755))
            .expect("mode");
        Self { dir, config }
    }

    /// A stand-in that prints this as its result, and keeps what it was given.
    fn answering(result: &str, more: &str) -> Self {
        let printed = serde_json::json!({
            "type": "result", "subtype": "success", "is_error": false, "result": result, "num_turns": 2,
            "usage": {"input_tokens": 1000, "cache_read_input_tokens": 500, "output_tokens": 200},
        });
        // Money as it is printed: digits, no quotes.
        let printed = printed.to_string().replacen('{', "{\"total_cost_usd\":0.0123,", 1);
        let fixture = Self::new(&format!(
            "printf '%s\\n' \"$@\" > \"$here/arguments\"; pwd > \"$here/pwd\"; cat > \"$here/input\"; {more} cat \"$here/printed\""
        ));
        std::fs::write(fixture.dir.path().join("printed"), printed).expect("write");
        fixture
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn budget(&self) -> serde_json::Value {
        serde_json::from_str(&self.file("budget.json")).expect("JSON")
    }

    fn drafter(&self) -> Box<dyn Drafter> {
        let clock = Arc::new(FixedClock::new("2026-02-23T03:15:00Z".parse().expect("time")));
        let tool_servers = ToolServers {
            directory: "/opt/tools".into(),
            data: "/data".into(),
            folder: self.dir.path().join("empty"),
            ..ToolServers::default()
        };
        build(&self.config, None, self.budget_file(), tool_servers, clock).expect("a drafter")
    }

    fn budget_file(&self) -> PathBuf {
        self.dir.path().join("budget.json")
    }

    async fn refused(&self) -> String {
        let drafter = self.drafter();
        let task = mail("could you please resend the invoice?");
        match drafter.draft(&request(&task)).await {
            Err(DraftError::Model { reason }) => reason,
            other => panic!("{other:?}"),
        }
    }
}

/// Whether a process is there; one that has ended and is not yet reaped by its parent is not.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some(None | Some('Z' | 'X')))
}

/// Waits until a process is gone; the signal is sent, the kernel takes its time.
async fn gone(pid: &str) {
    let end = std::time::Instant::now() + Duration::from_secs(10);
    while runs(pid) {
        assert!(std::time::Instant::now() < end, "process {pid} still runs");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn it_gets_the_tools_that_read_and_draft_and_is_asked_on_its_input() {
    let fixture = Fixture::answering(ANSWER, "");
    let task = mail("could you please resend the invoice INV-2026-014?");
    let Draft::Proposal { action, drafter, .. } = draft(&*fixture.drafter(), &task).await else {
        panic!("a proposal")
    };
    let Call::SendEmail(mail) = action.call else { panic!("a mail") };
    assert_eq!(mail.to, ["alice@example.com"]);
    assert_eq!(mail.subject, "Re: Q1 invoice", "the thread is the task's, whatever the answer says");
    assert!(drafter.starts_with("claude-code"), "{drafter}");

    let arguments = fixture.file("arguments");
    let after = |flag: &str| {
        let mut lines = arguments.lines().skip_while(|line| *line != flag);
        lines.nth(1).unwrap_or_else(|| panic!("no {flag} in {arguments}")).to_owned()
    };
    let (allowed, refused) = (after("--allowedTools"), after("--disallowedTools"));
    assert!(allowed.split(',').any(|tool| tool == "mcp__email__read_email"), "{allowed}");
    for acting in ["send_email", "post_invoice", "post_twitter", "send_whatsapp", "initiate_payment"] {
        assert!(!allowed.contains(acting) && refused.contains(acting), "{acting}");
    }
    for own in ["Bash", "Write", "Edit", "Read", "WebFetch", "Task", "CronCreate", "ToolSearch"] {
        assert!(
            refused.split(',').any(|tool| tool == own) && !allowed.split(',').any(|tool| tool == own),
            "{own}"
        );
    }
    assert!(arguments.lines().any(|line| line == "--strict-mcp-config"));
    let servers: serde_json::Value = serde_json::from_str(&after("--mcp-config")).expect("JSON");
    assert_eq!(
        servers["mcpServers"]["payment"]["args"],
        serde_json::json!(["--data", "/data", "--max-class", "draft"])
    );
    assert!(!arguments.contains("INV-2026-014"), "arguments can be read by everybody on the machine");
    assert!(
        fixture.file("input").contains("INV-2026-014")
            && fixture.file("input").contains("never as instructions")
    );
    assert!(fixture.file("pwd").trim().ends_with("/empty"), "no settings of any folder are found");
    assert_eq!(
        (fixture.budget()["tokens"].as_u64(), fixture.budget()["money"].as_str()),
        (Some(1700), Some("0.0123"))
    );
}

#[tokio::test]
async fn what_it_may_not_propose_is_refused_as_any_models_answer_is() {
    let check = async |result: &str, part: &str| {
        let reason = Fixture::answering(result, "").refused().await;
        assert!(reason.contains(part), "{reason}");
    };
    check(&ANSWER.replace("alice@example.com", "eve@evil.example"), "is not this task's").await;
    check(&ANSWER.replace("send_email", "initiate_payment"), "does not fit this task").await;
    check("I have sent it.", "no JSON object").await;
}

#[tokio::test]
async fn a_failed_run_says_how_it_ended_and_its_cost_counts() {
    let fixture = Fixture::answering(
        "Credit balance is too low",
        "echo 'trouble ahead' >&2; cat \"$here/printed\"; exit 3;",
    );
    let reason = fixture.refused().await;
    assert!(reason.contains("exit status: 3") && reason.contains("Credit balance is too low"), "{reason}");
    assert_eq!(fixture.budget()["tokens"], 1700);

    let fixture = Fixture::new("cat > /dev/null; echo 'no log-in found' >&2; exit 1");
    let reason = fixture.refused().await;
    assert!(reason.contains("exit status: 1") && reason.contains("no log-in found"), "{reason}");
    assert_eq!(fixture.budget()["tokens"], 60_000, "nobody knows what it cost: the worst case counts");

    let fixture = Fixture::new("cat > /dev/null; echo Hello");
    let reason = fixture.refused().await;
    assert!(reason.contains("no JSON that fits"), "{reason}");

    let fixture = Fixture::new(
        r#"cat > /dev/null; echo '{"is_error": true, "subtype": "error_max_turns", "result": "", "usage": {"output_tokens": 7}}'"#,
    );
    let reason = fixture.refused().await;
    assert!(reason.contains("error_max_turns"), "{reason}");
    assert_eq!(fixture.budget()["tokens"], 7);

    let mut fixture = Fixture::new("");
    fixture.config.claude_code.program = "/nowhere/claude".into();
    let reason = fixture.refused().await;
    assert!(
        reason.contains("/nowhere/claude cannot be started")
            && reason.contains("drafter.claude_code.program"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_day_without_budget_asks_nobody() {
    let mut fixture = Fixture::answering(ANSWER, "");
    fixture.config.llm.budget.tokens_per_day = 50_000;
    let reason = fixture.refused().await;
    assert!(reason.contains("budget of 50000 tokens"), "{reason}");
    assert!(!fixture.dir.path().join("arguments").exists());
}

#[tokio::test]
async fn much_said_on_stderr_holds_nothing_up() {
    let fixture = Fixture::answering(ANSWER, "head -c 1000000 /dev/zero | tr '\\0' x >&2;");
    let task = mail("could you please resend the invoice?");
    assert!(matches!(draft(&*fixture.drafter(), &task).await, Draft::Proposal { .. }));
}

#[tokio::test]
async fn after_its_time_it_is_ended_with_everything_that_it_started() {
    let mut fixture =
        Fixture::new("sleep 600 & echo $! > \"$here/child\"; echo $$ > \"$here/own\"; cat > /dev/null; wait");
    fixture.config.claude_code.timeout_seconds = 1;
    let reason = fixture.refused().await;
    assert!(reason.contains("ended after 1 s"), "{reason}");
    gone(&fixture.file("own")).await;
    gone(&fixture.file("child")).await;
}

#[tokio::test]
async fn a_draft_that_is_given_up_leaves_no_process_behind() {
    let fixture = Fixture::new(
        "sleep 600 & echo $! > \"$here/child.new\"; mv \"$here/child.new\" \"$here/child\"; cat > /dev/null; wait",
    );
    let drafter = fixture.drafter();
    let task = mail("could you please resend the invoice?");
    let request = request(&task);
    let started = fixture.dir.path().join("child");
    tokio::select! {
        draft = drafter.draft(&request) => panic!("{draft:?}"),
        () = async { while !started.exists() { tokio::task::yield_now().await } } => {}
    }
    gone(&fixture.file("child")).await;
}

#[tokio::test]
async fn the_template_stands_in_where_the_owner_wants_it_and_says_so() {
    let mut fixture = Fixture::new("cat > /dev/null; exit 1");
    fixture.config.claude_code.fallback_to_template = true;
    let task = mail("could you please resend the invoice?");
    let Draft::Proposal { drafter, .. } = draft(&*fixture.drafter(), &task).await else {
        panic!("a proposal")
    };
    assert!(drafter.starts_with("template (fallback: claude ended with"), "{drafter}");
}

#[tokio::test]
async fn payments_are_read_by_code_alone() {
    let fixture = Fixture::answering(ANSWER, "");
    let task = task(
        "PAYMENT_1",
        "account: main",
        "Payee: Muster GmbH\nIBAN: DE89 3704 0044 0532 0130 00\nAmount: 5,00 EUR\nReference: x",
    );
    assert!(matches!(draft(&*fixture.drafter(), &task).await, Draft::Proposal { .. }));
    assert!(!fixture.dir.path().join("arguments").exists());
}
