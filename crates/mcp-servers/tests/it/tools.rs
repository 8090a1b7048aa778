//! Every tool of every server, in this process, over a pipe.

use policy::{Class, Recovery};
use serde_json::{Map, Value, json};
use task::{Mode, Server};

use crate::support::*;

#[tokio::test]
async fn tools_are_listed_up_to_the_class_and_the_rest_does_not_exist() {
    for server in Server::ALL {
        for most in [Class::Safe, Class::Draft, Class::Dangerous] {
            let data = data_dir();
            let session = InProcess::start(server, data.path(), most).await;
            let rows = policy::TOOLS.iter().filter(|row| row.server == server);
            let (there, gone): (Vec<&policy::Tool>, Vec<_>) = rows.partition(|row| row.class <= most);
            assert_eq!(session.tools().await, there.iter().map(|row| row.name).collect::<Vec<_>>());
            for row in gone {
                let error = session.try_call(row.name, json!({}), Map::new()).await.expect_err(row.name);
                assert!(error.to_string().contains("unknown tool"), "{error}");
            }
            session.stop().await;
        }
    }
}

#[tokio::test]
async fn every_tool_that_reads_or_drafts_answers_with_its_sample_data() {
    let check = async |server, calls: &[(&str, Value, &str)]| {
        let data = data_dir();
        let session = InProcess::start(server, data.path(), Class::Draft).await;
        let mut called: Vec<_> = calls.iter().map(|(tool, ..)| *tool).collect();
        for (tool, arguments, pointer) in calls {
            let content = session.call(tool, arguments.clone()).await;
            let found = content.pointer(pointer).unwrap_or(&Value::Null);
            assert!(!found.is_null() && *found != json!([]), "{tool} {pointer}: {content}");
        }
        called.dedup();
        assert_eq!(called, session.tools().await, "every tool is tried");
        session.stop().await;
    };
    check(
        Server::Email,
        &[
            ("list_drafts", json!({}), "/drafts/0/subject"),
            ("search_email", json!({"from": "alice"}), "/messages/0/message_id"),
            ("search_email", json!({"message_id": "<offer-1@example.com>"}), "/messages/0/id"),
            ("read_email", json!({"id": 1}), "/text"),
            ("draft_email", mail(), "/id"),
        ],
    )
    .await;
    check(
        Server::Odoo,
        &[
            ("list_invoices", json!({"state": "draft"}), "/invoices/0/total"),
            ("read_invoice", json!({"invoice_id": 2}), "/invoice/lines/1/description"),
            ("list_partners", json!({"query": "café"}), "/partners/0/email"),
            ("read_transactions", json!({"since": "2026-02-10", "limit": 1}), "/transactions/0/amount"),
            (
                "create_invoice_draft",
                json!({"partner": "Contoso Ltd", "currency": "EUR",
                       "lines": [{"description": "Work", "quantity": "2", "unit_price": "100.00"}]}),
                "/invoice_id",
            ),
        ],
    )
    .await;
    check(
        Server::Social,
        &[
            ("get_social_summary", json!({"platform": "linkedin"}), "/platforms/0/posts/0/text"),
            ("draft_social_post", json!({"platform": "twitter", "text": "Hi"}), "/draft_id"),
        ],
    )
    .await;
    check(
        Server::Whatsapp,
        &[
            ("list_whatsapp_chats", json!({}), "/chats/0/last/text"),
            ("read_whatsapp_chat", json!({"number": "+491701234567", "limit": 2}), "/messages/1/text"),
        ],
    )
    .await;
    check(
        Server::Payment,
        &[
            ("list_accounts", json!({}), "/accounts/0/iban"),
            ("get_balance", json!({"account": "main"}), "/balance"),
            ("list_transactions", json!({"account": "main"}), "/transactions/0/reference"),
            ("payment_status", json!({"idempotency_key": "nothing"}), "/found"),
        ],
    )
    .await;
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_an_error_with_no_effect() {
    let data = data_dir();
    let session = InProcess::start(Server::Email, data.path(), Class::Draft).await;
    for (tool, arguments, part) in [
        ("search_email", json!({"form": "alice"}), "unknown field"),
        ("search_email", json!({"limit": "many"}), "invalid type"),
        ("search_email", json!({"folder": "B\u{fc}ro"}), "no folder name"),
        ("read_email", json!({}), "one of the two"),
        ("read_email", json!({"id": 999}), "no such mail"),
        ("draft_email", json!({"to": [], "subject": "x", "body": "y"}), "to is empty"),
    ] {
        let (error, content) = session.act(tool, &arguments, Map::new()).await;
        assert!(error && content["effect"] == "none", "{tool}: {content}");
        assert!(content["message"].as_str().is_some_and(|m| m.contains(part)), "{content}");
    }
    session.stop().await;
}

#[tokio::test]
async fn invariant_4_nothing_happens_without_the_owners_order_for_exactly_this_call() {
    for (server, tool, arguments) in dangerous() {
        let data = data_dir();
        let session = InProcess::start(server, data.path(), Class::Dangerous).await;
        let refused = async |arguments: &Value, meta: Map<String, Value>, part: &str| {
            let (error, content) = session.act(tool, arguments, meta).await;
            assert!(error && content["effect"] == "none", "{tool}: {content}");
            assert!(content["message"].as_str().is_some_and(|m| m.contains(part)), "{tool}: {content}");
            assert!(state(data.path(), server).is_null(), "{tool}: the state has changed");
        };
        let at = now();
        let signed = |change: Change<'_>| sign_at(at, server, tool, &arguments, change);
        let plain = signed(&|_| {});

        refused(&arguments, Map::new(), "needs the owner's signed order").await;
        let mut meta = plain.meta();
        meta["ai-employee/signature"] = "yes, please".into();
        refused(&arguments, meta, "signature cannot be read").await;
        refused(&arguments, sign_with(&key(2), plain.order.clone()).meta(), "not among the approvers").await;
        let mut meta = plain.meta();
        meta["ai-employee/order"] = plain.text.replace("local-001", "local-002").into();
        refused(&arguments, meta, "changed after it was signed").await;
        let mut meta = plain.meta();
        meta["ai-employee/idempotency-key"] = "another".into();
        refused(&arguments, meta, "idempotency key").await;
        let mut meta = plain.meta();
        meta.insert(mcp_servers::META_ACCOUNT.into(), "other@example.com".into());
        refused(&arguments, meta, "differs from the signed order in its account").await;

        refused(&arguments, signed(&|o| o.vault = "vault-2".into()).meta(), "another vault").await;
        let other = "local-002".parse().expect("agent");
        refused(&arguments, signed(&|o| o.executor = Clone::clone(&other)).meta(), "as its executor").await;
        refused(&arguments, signed(&|o| o.mode = Mode::Dry).meta(), "for a dry run").await;
        refused(&arguments, signed(&|o| o.expires = at).meta(), "expired").await;
        refused(&arguments, signed(&|o| o.approval = "a b".into()).meta(), "approval id").await;

        for (other_server, other_tool, other_arguments) in dangerous() {
            if other_tool != tool {
                let other = sign(other_server, other_tool, &other_arguments);
                refused(&arguments, other.meta(), "differs from the signed order").await;
            }
        }
        for key in arguments.as_object().expect("object").keys() {
            let mut changed = arguments.clone();
            changed[key] = json!("something else");
            refused(&changed, plain.meta(), "differs from the signed order in its arguments").await;
        }
        session.stop().await;
    }
}

#[tokio::test]
async fn invariant_5_an_order_has_its_effect_once_and_a_later_process_knows_it() {
    for (server, tool, arguments) in dangerous() {
        let data = data_dir();
        let signed = sign(server, tool, &arguments);
        let approval = &signed.order.approval;
        let session = InProcess::start(server, data.path(), Class::Dangerous).await;
        let (error, first) = session.act(tool, &arguments, signed.meta()).await;
        assert!(!error && first["effect"] == "done", "{tool}: {first}");
        assert_eq!(effects(data.path(), server, approval), 1, "{tool}");
        let keyed = policy::recovery(server, tool) == Recovery::Repeat;
        let again = async |session: &InProcess| {
            let (error, content) = session.act(tool, &arguments, signed.meta()).await;
            if keyed {
                assert!(!error && content == first, "{tool}: {content} instead of {first}");
            } else {
                assert!(error && content["effect"] == "unknown", "{tool}: {content}");
                let message = content["message"].as_str().unwrap_or_default();
                assert!(message.contains("it had its effect"), "{tool}: {message}");
            }
            assert_eq!(effects(data.path(), server, approval), 1, "{tool}");
        };
        again(&session).await;
        session.stop().await;

        let later = InProcess::start(server, data.path(), Class::Dangerous).await;
        again(&later).await;
        // Once it has expired, what is known of it does not change.
        later.clock.advance(chrono::TimeDelta::days(2));
        again(&later).await;
        // A refusal never says of a used approval that nothing happened.
        std::fs::remove_file(data.path().join("approvers")).expect("removed");
        let (error, content) = later.act(tool, &arguments, signed.meta()).await;
        assert!(error && content["effect"] == "unknown", "{tool}: {content}");
        later.stop().await;
    }
}

#[tokio::test]
async fn invariant_5_an_order_called_many_times_at_once_has_its_effect_once() {
    for (server, tool, arguments) in dangerous() {
        let data = data_dir();
        let signed = sign(server, tool, &arguments);
        let (one, two) = tokio::join!(
            InProcess::start(server, data.path(), Class::Dangerous),
            InProcess::start(server, data.path(), Class::Dangerous),
        );
        let calls = (0..8).map(|n| if n % 2 == 0 { &one } else { &two });
        let calls = calls.map(|session| session.act(tool, &arguments, signed.meta()));
        let answers = futures::future::join_all(calls).await;
        assert_eq!(effects(data.path(), server, &signed.order.approval), 1, "{tool}");
        assert!(answers.iter().any(|(error, _)| !error), "{tool}: {answers:?}");
        for (error, content) in answers {
            assert!(!error || content["effect"] == "unknown", "{tool}: {content}");
        }
    }
}

#[tokio::test]
async fn a_cut_off_call_is_settled_by_the_key_or_left_to_the_owner() {
    for (server, tool, arguments) in dangerous() {
        let data = data_dir();
        let signed = sign(server, tool, &arguments);
        let first = InProcess::start(server, data.path(), Class::Dangerous).await;
        first.act(tool, &arguments, signed.meta()).await;
        first.stop().await;
        // As after a crash between the effect and its record.
        let ledger =
            rusqlite::Connection::open(data.path().join(format!("mcp-{server}.sqlite"))).expect("ledger");
        ledger.execute("UPDATE approvals SET state = 'started', outcome = NULL", []).expect("update");
        drop(ledger);

        let later = InProcess::start(server, data.path(), Class::Dangerous).await;
        later.clock.advance(chrono::TimeDelta::days(2));
        let (error, content) = later.act(tool, &arguments, signed.meta()).await;
        if policy::recovery(server, tool) == Recovery::Repeat {
            assert!(!error && content["effect"] == "done", "{tool}: {content}");
        } else {
            assert!(error && content["effect"] == "unknown", "{tool}: {content}");
        }
        assert_eq!(effects(data.path(), server, &signed.order.approval), 1, "{tool}");
        later.stop().await;
    }
}

#[tokio::test]
async fn what_failed_without_effect_may_be_tried_again_with_the_same_order() {
    let data = data_dir();
    let session = InProcess::start(Server::Odoo, data.path(), Class::Dangerous).await;
    let arguments = json!({"invoice_id": 4, "partner": "Contoso Ltd", "total": "238.00", "currency": "EUR"});
    let signed = sign(Server::Odoo, "post_invoice", &arguments);
    let (error, content) = session.act("post_invoice", &arguments, signed.meta()).await;
    assert!(error && content["effect"] == "none", "{content}");
    let lines = json!([{"description": "Work", "quantity": "2", "unit_price": "100.00"}]);
    session
        .call("create_invoice_draft", json!({"partner": "Contoso Ltd", "currency": "EUR", "lines": lines}))
        .await;
    let (error, content) = session.act("post_invoice", &arguments, signed.meta()).await;
    assert!(!error && content["effect"] == "done", "{content}");
    session.stop().await;
}

#[tokio::test]
async fn a_sent_mail_is_found_by_its_message_id() {
    let data = data_dir();
    let session = InProcess::start(Server::Email, data.path(), Class::Dangerous).await;
    let signed = sign(Server::Email, "send_email", &mail());
    let asked = json!({"message_id": signed.order.message_id()});
    assert_eq!(session.call("search_email", asked.clone()).await["found"], false);
    let (_, content) = session.act("send_email", &mail(), signed.meta()).await;
    assert_eq!(content["message_id"], signed.order.message_id());
    let found = session.call("search_email", asked).await;
    assert_eq!((&found["found"], &found["folder"]), (&json!(true), &json!("sent")));
    session.stop().await;
}

#[tokio::test]
async fn asked_to_go_live_a_server_says_what_is_missing() {
    for server in Server::ALL {
        let data = data_dir();
        let session =
            InProcess::with(server, data.path(), Class::Dangerous, |setup| setup.mock = false).await;
        assert!(!session.tools().await.is_empty(), "{server} starts");
        let missing = match server {
            Server::Email => "no mail account",
            Server::Odoo => "no odoo: section",
            Server::Payment => "no payment: section",
            Server::Social => "no social",
            Server::Whatsapp => "no whatsapp: section",
        };
        let safe = policy::TOOLS.iter().find(|row| row.server == server).expect("a tool");
        let (error, content) = session.act(safe.name, &json!({}), Map::new()).await;
        assert!(error && content["effect"] == "none", "{content}");
        assert!(content["message"].as_str().is_some_and(|m| m.contains(missing)), "{content}");
        for (_, tool, arguments) in dangerous().into_iter().filter(|(s, ..)| *s == server) {
            let (error, content) = session.act(tool, &arguments, sign(server, tool, &arguments).meta()).await;
            assert!(error && content["effect"] == "none", "{content}");
            assert!(content["message"].as_str().is_some_and(|m| m.contains(missing)), "{content}");
        }
        session.stop().await;
    }
}

#[tokio::test]
async fn without_init_the_refusal_names_the_file() {
    let data = tempfile::tempdir().expect("folder");
    let session = InProcess::start(Server::Email, data.path(), Class::Dangerous).await;
    let (error, content) =
        session.act("send_email", &mail(), sign(Server::Email, "send_email", &mail()).meta()).await;
    assert!(error && content["message"].as_str().is_some_and(|m| m.contains("approvers")), "{content}");
    session.stop().await;
}
