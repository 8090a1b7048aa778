//! Servers that misbehave: shell scripts under a server's name.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use mcp_client::{Call, CallError, Sessions, Settings, ToolCaller as _};
use policy::Class;
use serde_json::json;
use task::{Role, Server};

/// Answers `server/discover` as a server of 2026-07-28 would; the client's first id is 0.
const DISCOVER: &str = r#"read -r line
echo '{"jsonrpc":"2.0","id":0,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"x","version":"1"}}}}'
"#;

struct Faulty {
    sessions: Sessions,
    folder: tempfile::TempDir,
}

/// Sessions whose mail server is a script. It says each start in `starts`.
fn faulty(script: &str) -> Faulty {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join(Server::Email.binary());
    let starts = folder.path().join("starts");
    std::fs::write(&path, format!("#!/bin/sh\necho x >> {}\n{script}", starts.display())).expect("script");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("mode");
    let sessions = Sessions::new(Settings {
        directory: folder.path().to_owned(),
        agent: "local-001".parse().expect("agent"),
        role: Role::Local,
        max_class: Class::Dangerous,
        config: None,
        data: folder.path().to_owned(),
        environment: vec![],
        timeout: Duration::from_secs(30),
    });
    Faulty { sessions, folder }
}

impl Faulty {
    fn starts(&self) -> usize {
        std::fs::read_to_string(self.folder.path().join("starts")).unwrap_or_default().lines().count()
    }

    async fn send(&self) -> CallError {
        let call = Call::new(Server::Email, "send_email", json!({})).with_order("{}", "signature", "a1");
        self.sessions.call(call).await.expect_err("a faulty server")
    }

    async fn search(&self) -> CallError {
        let call = Call::new(Server::Email, "search_email", json!({}));
        self.sessions.call(call).await.expect_err("a faulty server")
    }
}

#[tokio::test]
async fn a_server_that_dies_or_raves_in_the_middle_of_a_call_leaves_the_question_open() {
    for (behaviour, part) in [
        ("read -r line; exit 3", "closed its output"),
        ("read -r line; kill -9 $$", "closed its output"),
        ("read -r line; echo Segmentation fault; read -r line", "no MCP message: \"Segmentation fault"),
        ("read -r line; printf '\\377\\000\\n'; read -r line", "no MCP message"),
        (
            "read -r line; echo '{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32603,\"message\":\"oops\"}}'; cat",
            "oops",
        ),
    ] {
        let faulty = faulty(&format!("{DISCOVER}{behaviour}\n"));
        let error = faulty.send().await;
        assert!(matches!(&error, CallError::Unknown { message, .. } if message.contains(part)), "{error}");
        // What only reads may be asked again, and then meets a new server unless the old one lives.
        let error = faulty.search().await;
        assert!(matches!(error, CallError::Refused { .. }), "{error}");
        assert_eq!(faulty.starts(), if part == "oops" { 1 } else { 2 }, "{behaviour}");
        drop(faulty);
    }
}

#[tokio::test]
async fn a_call_that_was_not_routed_had_no_effect() {
    for code in [-32601, -32602] {
        let faulty = faulty(&format!(
            "{DISCOVER}read -r line; echo '{{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{{\"code\":{code},\"message\":\"no\"}}}}'; cat\n"
        ));
        let error = faulty.send().await;
        assert!(matches!(error, CallError::Refused { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_begin_was_not_called() {
    for (script, part) in [
        ("exit 2", "ended with exit status: 2"),
        ("echo hello; read -r line", "no MCP message: \"hello"),
        ("read -r line; exit 0", "closed its output"),
    ] {
        let error = faulty(script).send().await;
        assert!(matches!(&error, CallError::NotStarted { reason, .. } if reason.contains(part)), "{error}");
    }
    let missing = faulty("");
    std::fs::remove_file(missing.folder.path().join("mcp-email")).expect("removed");
    let error = missing.send().await;
    assert!(
        matches!(&error, CallError::NotStarted { reason, .. } if reason.contains("mcp.directory")),
        "{error}"
    );
}

#[tokio::test]
async fn a_silent_server_is_given_up_after_the_time_limit_and_replaced() {
    let faulty = faulty(&format!("{DISCOVER}cat > /dev/null\n"));
    let mut call = Call::new(Server::Email, "send_email", json!({})).with_order("{}", "signature", "a1");
    call.timeout = Some(Duration::from_millis(50));
    let error = faulty.sessions.call(call).await.expect_err("silence");
    assert!(
        matches!(&error, CallError::Unknown { message, .. } if message.contains("no answer within")),
        "{error}"
    );
    assert_eq!(faulty.sessions.process_id(Server::Email).await, None, "set aside");
    let mut call = Call::new(Server::Email, "search_email", json!({}));
    call.timeout = Some(Duration::from_millis(50));
    let error = faulty.sessions.call(call).await.expect_err("silence");
    assert!(matches!(error, CallError::Refused { .. }), "{error}");
    assert_eq!(faulty.starts(), 2);
}

#[tokio::test]
async fn a_server_that_stops_reading_is_given_up_after_the_time_limit_too() {
    let faulty = faulty(&format!("{DISCOVER}exec sleep 600\n"));
    // More than a pipe holds: the request itself is never written to its end.
    let body = json!({ "body": "x".repeat(1 << 20) });
    let mut call = Call::new(Server::Email, "send_email", body).with_order("{}", "signature", "a1");
    call.timeout = Some(Duration::from_millis(50));
    let answer = tokio::time::timeout(Duration::from_secs(20), faulty.sessions.call(call)).await;
    let error = answer.expect("the call ends").expect_err("silence");
    assert!(
        matches!(&error, CallError::Unknown { message, .. } if message.contains("no answer within")),
        "{error}"
    );
    assert_eq!(faulty.sessions.process_id(Server::Email).await, None, "set aside");
}
