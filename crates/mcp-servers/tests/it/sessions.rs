//! `mcp-client` with the real programs.

use std::path::Path;
use std::time::{Duration, Instant};

use chrono::Utc;
use mcp_client::{Call, CallError, Sessions, Settings, ToolCaller as _};
use policy::Class;
use serde_json::json;
use task::{Role, Server};

use crate::support::{dangerous, data_dir, effects, hold, mail, sign_at, wait_until_started};

fn settings(data: &Path, role: Role, max_class: Class) -> Settings {
    let directory = Path::new(crate::binaries::binary(Server::Email)).parent().expect("folder").to_owned();
    std::fs::write(data.join("config.yaml"), "").expect("config");
    Settings {
        directory,
        agent: if role == Role::Cloud { "cloud-001" } else { "local-001" }.parse().expect("agent"),
        role,
        max_class,
        config: Some(data.join("config.yaml")),
        data: data.to_owned(),
        environment: vec![("RUST_LOG".into(), "error".into())],
        timeout: Duration::from_secs(20),
    }
}

#[tokio::test]
async fn all_five_servers_are_called_and_close_in_order() {
    let data = data_dir();
    let sessions = Sessions::new(settings(data.path(), Role::Local, Class::Dangerous));
    for server in Server::ALL {
        let tool = policy::TOOLS.iter().find(|row| row.server == server).expect("a tool").name;
        let reply = sessions.call(Call::new(server, tool, json!({}))).await.expect(tool);
        assert!(!reply.text.is_empty() && reply.content.is_object(), "{reply:?}");
    }
    for (server, tool, arguments) in dangerous() {
        let signed = sign_at(Utc::now(), server, tool, &arguments, &|_| {});
        let call = Call::new(server, tool, arguments).with_order(
            &signed.text,
            &signed.signature,
            &signed.order.approval,
        );
        let reply = sessions.call(call).await.expect(tool);
        assert_eq!(reply.content["effect"], "done", "{reply:?}");
        assert_eq!(effects(data.path(), server, &signed.order.approval), 1);
    }
    sessions.close().await;
    for server in Server::ALL {
        assert_eq!(sessions.process_id(server).await, None);
    }
}

#[tokio::test]
async fn invariant_3_what_a_role_or_class_may_not_call_never_leaves_this_process() {
    let check = async |role, max_class, server, tool: &str, part: &str| {
        let data = data_dir();
        let sessions = Sessions::new(settings(data.path(), role, max_class));
        let signed = sign_at(Utc::now(), Server::Email, "send_email", &mail(), &|_| {});
        let call = Call::new(server, tool, mail());
        let with_order = call.clone().with_order(&signed.text, &signed.signature, &signed.order.approval);
        for call in [call, with_order] {
            let error = sessions.call(call).await.expect_err(tool);
            assert!(matches!(error, CallError::NotStarted { .. }), "{error}");
            if part != "order" {
                assert!(error.to_string().contains(part), "{error}");
            }
            assert_eq!(sessions.process_id(server).await, None, "no server was started");
        }
    };
    check(Role::Cloud, Class::Dangerous, Server::Email, "send_email", "only be proposed").await;
    check(Role::Cloud, Class::Dangerous, Server::Payment, "list_accounts", "may not call").await;
    check(Role::Cloud, Class::Dangerous, Server::Email, "made_up", "may not call").await;
    check(Role::Local, Class::Dangerous, Server::Email, "made_up", "may not call").await;
    check(Role::Local, Class::Draft, Server::Email, "send_email", "order").await;
    check(Role::Local, Class::Safe, Server::Email, "draft_email", "class draft").await;
}

#[tokio::test]
async fn a_dangerous_call_without_an_order_never_leaves_this_process() {
    let data = data_dir();
    let sessions = Sessions::new(settings(data.path(), Role::Local, Class::Dangerous));
    let error = sessions.call(Call::new(Server::Email, "send_email", mail())).await.expect_err("refused");
    assert!(
        matches!(&error, CallError::NotStarted { reason, .. } if reason.contains("signed order")),
        "{error}"
    );
    assert_eq!(sessions.process_id(Server::Email).await, None);
}

#[tokio::test]
async fn a_refusal_of_the_server_says_that_nothing_happened() {
    let data = data_dir();
    let sessions = Sessions::new(settings(data.path(), Role::Local, Class::Dangerous));
    let signed = sign_at(Utc::now(), Server::Email, "send_email", &mail(), &|o| o.vault = "vault-2".into());
    let call = Call::new(Server::Email, "send_email", mail()).with_order(
        &signed.text,
        &signed.signature,
        &signed.order.approval,
    );
    let error = sessions.call(call).await.expect_err("refused");
    assert!(
        matches!(&error, CallError::Refused { message, .. } if message.contains("another vault")),
        "{error}"
    );
    sessions.close().await;
}

#[tokio::test]
async fn a_server_that_was_killed_is_started_again() {
    let data = data_dir();
    let sessions = Sessions::new(settings(data.path(), Role::Local, Class::Draft));
    let call = || sessions.call(Call::new(Server::Odoo, "list_invoices", json!({})));
    call().await.expect("answered");
    let first = sessions.process_id(Server::Odoo).await.expect("runs");
    let killed = tokio::process::Command::new("kill").arg("-9").arg(first.to_string()).status().await;
    assert!(killed.expect("kill").success());
    // The pipe may still look whole for a moment; a SAFE call that falls into it is refused, and
    // the next one has a new server.
    let mut answer = call().await;
    if answer.is_err() {
        answer = call().await;
    }
    answer.expect("answered");
    assert_ne!(sessions.process_id(Server::Odoo).await, Some(first));
    sessions.close().await;
}

#[tokio::test]
async fn invariant_5_a_server_killed_in_the_middle_of_an_effect_leaves_no_second_one() {
    for (server, tool, arguments) in dangerous() {
        let data = data_dir();
        let sessions = Sessions::new(settings(data.path(), Role::Local, Class::Dangerous));
        let signed = sign_at(Utc::now(), server, tool, &arguments, &|_| {});
        let call = || {
            let call = Call::new(server, tool, arguments.clone());
            sessions.call(call.with_order(&signed.text, &signed.signature, &signed.order.approval))
        };
        let held = hold(data.path(), server);
        let kill = async {
            let folder = data.path().to_owned();
            tokio::task::spawn_blocking(move || wait_until_started(&folder, server)).await.expect("started");
            let id = sessions.process_id(server).await.expect("runs").to_string();
            let killed = tokio::process::Command::new("kill").args(["-9", &id]).status().await;
            assert!(killed.expect("kill").success());
        };
        let (outcome, ()) = tokio::join!(call(), kill);
        let error = outcome.expect_err("killed");
        assert!(matches!(error, CallError::Unknown { .. }), "{tool}: {error}");
        drop(held);

        let effects = || effects(data.path(), server, &signed.order.approval);
        assert_eq!(effects(), 0, "{tool}");
        match (call().await, policy::recovery(server, tool)) {
            (Ok(reply), policy::Recovery::Repeat) => {
                assert_eq!((&reply.content["effect"], effects()), (&json!("done"), 1), "{tool}");
                call().await.expect("the recorded result");
                assert_eq!(effects(), 1, "{tool}");
            }
            // Nobody can know, so the server does not either: the owner decides.
            (Err(CallError::Unknown { .. }), _) => assert_eq!(effects(), 0, "{tool}"),
            (other, _) => panic!("{tool}: {other:?}"),
        }
        sessions.close().await;
    }
}

#[tokio::test]
async fn an_effect_under_way_is_finished_when_the_session_closes() {
    let data = data_dir();
    let sessions = Sessions::new(settings(data.path(), Role::Local, Class::Dangerous));
    let (server, tool, arguments) = dangerous().remove(0);
    let signed = sign_at(Utc::now(), server, tool, &arguments, &|_| {});
    let call = Call::new(server, tool, arguments);
    let call = sessions.call(call.with_order(&signed.text, &signed.signature, &signed.order.approval));
    let held = hold(data.path(), server);
    let close = async {
        let folder = data.path().to_owned();
        tokio::task::spawn_blocking(move || wait_until_started(&folder, server)).await.expect("started");
        tokio::join!(sessions.close(), async { drop(held) });
    };
    // Whoever closes early does not hear the outcome; the ledger and the mailbox have it.
    let (_, ()) = tokio::join!(call, close);
    assert_eq!(effects(data.path(), server, &signed.order.approval), 1);
}

#[tokio::test]
async fn a_kept_session_answers_fast() {
    let data = data_dir();
    let sessions = Sessions::new(settings(data.path(), Role::Local, Class::Draft));
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        sessions.call(Call::new(Server::Payment, "list_accounts", json!({}))).await.expect("answered");
        times.push(start.elapsed());
    }
    times.sort();
    let median = times[times.len() / 2];
    // A tenth of a second is far from the millisecond it takes; this only tells a process start
    // or a wait per call from a kept session on a busy machine.
    assert!(median < Duration::from_millis(100), "median {median:?}");
    sessions.close().await;
}
