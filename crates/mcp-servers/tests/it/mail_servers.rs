//! `mcp-email` against a real Dovecot and a real Postfix, which `tests/services/mail.sh` starts and
//! describes in environment variables.

use std::path::PathBuf;
use std::sync::Arc;

use config::{MailAccount, SaveSent, Secret, Security};
use mcp_servers::Setup;
use policy::Class;
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use task::Server;

use crate::support::*;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; see tests/services/mail.sh"))
}

fn port(name: &str) -> u16 {
    variable(name).parse().expect(name)
}

fn secret(name: &str) -> Secret {
    Secret { env: Some(name.into()), file: None }
}

/// The account of one of the two users.
fn account(name: &str, user: &str, security: Security) -> MailAccount {
    let (imap_port, smtp_port) = match security {
        Security::Tls => ("AIE_TEST_IMAPS_PORT", "AIE_TEST_SMTPS_PORT"),
        Security::Starttls => ("AIE_TEST_IMAP_PORT", "AIE_TEST_SMTP_SUBMISSION_PORT"),
    };
    let ca_file = Some(PathBuf::from(variable("AIE_TEST_CA")));
    // From the sample, so that a new setting with a default is no concern of these tests.
    let mut account = config::Config::sample().mail.remove(0);
    account.name = name.into();
    account.address = variable(user);
    account.save_sent = SaveSent::Auto;
    account.append_drafts = true;
    let imap = account.imap.as_mut().expect("imap");
    imap.host = variable("AIE_TEST_HOST");
    imap.port = port(imap_port);
    imap.security = security;
    imap.user = variable(user);
    imap.secret = secret("RIGHT");
    imap.ca_file.clone_from(&ca_file);
    let smtp = account.smtp.as_mut().expect("smtp");
    smtp.host = variable("AIE_TEST_HOST");
    smtp.port = port(smtp_port);
    smtp.security = security;
    smtp.user = variable(user);
    smtp.secret = secret("RIGHT");
    smtp.ca_file = ca_file;
    account
}

struct Mail {
    session: InProcess,
    _data: tempfile::TempDir,
}

/// The live server with A's account, changed by `change`, and B's.
async fn live(security: Security, change: impl FnOnce(&mut MailAccount)) -> Mail {
    let data = data_dir();
    let mut sender = account("a", "AIE_TEST_MAIL_USER_A", security);
    change(&mut sender);
    let accounts = vec![sender, account("b", "AIE_TEST_MAIL_USER_B", security)];
    let session = InProcess::with(Server::Email, data.path(), Class::Dangerous, |setup: &mut Setup| {
        setup.mock = false;
        setup.config.mail = accounts;
        setup.secrets = Arc::new(|secret, _| {
            let right = secret.env.as_deref() == Some("RIGHT");
            Ok(SecretString::from(if right { variable("AIE_TEST_MAIL_PASSWORD") } else { "wrong".into() }))
        });
    })
    .await;
    Mail { session, _data: data }
}

/// A word that no other test or run used.
fn unique() -> String {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("time").as_nanos();
    format!("t{nanos:x}")
}

fn order(arguments: &Value) -> Signed {
    let approval = unique();
    sign_at(now(), Server::Email, "send_email", arguments, &|order| {
        order.action.account = variable("AIE_TEST_MAIL_USER_A");
        order.approval.clone_from(&approval);
    })
}

fn letter(to: &str, subject: &str) -> Value {
    json!({
        "to": [to], "subject": subject, "in_reply_to": "<q1@example.net>", "references": ["<q0@example.net>"],
        "body": "Liebe Grüße – bis März!\n.\nEin Punkt allein.\n",
    })
}

impl Mail {
    async fn send(&self, arguments: &Value) -> (Signed, bool, Value) {
        let signed = order(arguments);
        let (error, content) = self.session.act("send_email", arguments, signed.meta()).await;
        (signed, error, content)
    }

    /// What a search finds; mail that is on its way is waited for.
    async fn find(&self, query: Value) -> Vec<Value> {
        for _ in 0..100 {
            let content = self.session.call("search_email", query.clone()).await;
            let messages = content["messages"].as_array().expect("messages").clone();
            if !messages.is_empty() {
                return messages;
            }
            // Delivery is the mail server's business; it can only be asked again.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{query} was never found");
    }
}

#[tokio::test]
#[ignore = "needs Dovecot and Postfix: run by .ci/run"]
async fn invariant_5_a_mail_is_sent_once_threaded_and_filed_once_in_sent() {
    for security in [Security::Tls, Security::Starttls] {
        for (save_sent, filed) in [(SaveSent::Auto, 1), (SaveSent::Append, 1), (SaveSent::Server, 0)] {
            let mail = live(security, |account| account.save_sent = save_sent).await;
            let subject = format!("Re: Rechnung März {}", unique());
            let arguments = letter(&variable("AIE_TEST_MAIL_USER_B"), &subject);
            let (signed, error, content) = mail.send(&arguments).await;
            assert!(!error && content["effect"] == "done", "{content}");
            assert!(content.get("warnings").is_none(), "{content}");

            let id = signed.order.message_id();
            let arrived = json!({"account": "b", "folder": "inbox", "message_id": id});
            assert_eq!(mail.find(arrived.clone()).await.len(), 1);
            let read = json!({"account": "b", "message_id": id});
            let read = mail.session.call("read_email", read).await;
            assert_eq!(read["subject"], subject);
            assert_eq!(read["in_reply_to"], json!(["<q1@example.net>"]));
            assert_eq!(read["references"], json!(["<q0@example.net>", "<q1@example.net>"]));
            let text = read["text"].as_str().expect("text").replace("\r\n", "\n");
            assert_eq!(text.trim_end(), arguments["body"].as_str().expect("body").trim_end());

            let sent = mail.session.call("search_email", json!({"message_id": id})).await;
            assert_eq!(sent["found"], filed == 1, "{save_sent:?}: {sent}");
            assert_eq!(sent["messages"].as_array().map(Vec::len), Some(filed), "{save_sent:?}");

            let (error, content) = mail.session.act("send_email", &arguments, signed.meta()).await;
            assert!(error && content["effect"] == "unknown", "{content}");
            assert!(
                content["message"].as_str().is_some_and(|m| m.contains("it had its effect")),
                "{content}"
            );
            assert_eq!(mail.find(arrived).await.len(), 1, "still one");
            mail.session.stop().await;
        }
    }
}

#[tokio::test]
#[ignore = "needs Dovecot and Postfix: run by .ci/run"]
async fn what_the_server_refuses_had_no_effect_and_is_said_in_its_words() {
    let check = async |change: fn(&mut MailAccount), to: &str, parts: &[&str]| {
        for security in [Security::Tls, Security::Starttls] {
            let mail = live(security, change).await;
            let (_, error, content) = mail.send(&letter(to, "Re: x")).await;
            assert!(error && content["effect"] == "none", "{content}");
            let message = content["message"].as_str().expect("message");
            for part in parts {
                assert!(message.contains(part), "{message}");
            }
            mail.session.stop().await;
        }
    };
    let bob = variable("AIE_TEST_MAIL_USER_B");
    check(|_| {}, "nobody@example.test", &["550 5.1.1", "nobody@example.test", "check the address"]).await;
    check(|_| {}, "closed@example.test", &["550 5.7.1"]).await;
    check(|_| {}, "busy@example.test", &["451", "try again later"]).await;
    check(
        |account| account.smtp.as_mut().expect("smtp").secret = secret("WRONG"),
        &bob,
        &["535", "log in", "check mail[].smtp.user"],
    )
    .await;
    check(
        |account| {
            let other = PathBuf::from(variable("AIE_TEST_OTHER_CA"));
            account.smtp.as_mut().expect("smtp").ca_file = Some(other);
        },
        &bob,
        &["certificate", "ca_file"],
    )
    .await;
    check(|account| account.smtp.as_mut().expect("smtp").port = 1, &bob, &["127.0.0.1:1", "port"]).await;
    check(|account| account.smtp = None, &bob, &["no smtp: section"]).await;
}

#[tokio::test]
#[ignore = "needs Dovecot and Postfix: run by .ci/run"]
async fn a_mail_that_cannot_be_filed_is_sent_all_the_same() {
    let mail = live(Security::Tls, |account| {
        account.imap.as_mut().expect("imap").secret = secret("WRONG");
    })
    .await;
    let (signed, error, content) = mail.send(&letter(&variable("AIE_TEST_MAIL_USER_B"), "Re: y")).await;
    assert!(!error && content["effect"] == "done", "{content}");
    let warning = content["warnings"][0].as_str().expect("warning");
    assert!(warning.contains("not filed in Sent") && warning.contains("log in"), "{warning}");
    let arrived = json!({"account": "b", "folder": "inbox", "message_id": signed.order.message_id()});
    assert_eq!(mail.find(arrived).await.len(), 1);
    mail.session.stop().await;
}

#[tokio::test]
#[ignore = "needs Dovecot and Postfix: run by .ci/run"]
async fn drafts_are_put_into_the_mailbox_where_the_owner_wants_it() {
    let subject = format!("Entwurf März {}", unique());
    let draft = letter("alice@example.com", &subject);
    let drafts = async |mail: &Mail| {
        let all = mail.session.call("list_drafts", json!({"limit": 100})).await;
        let all = all["drafts"].as_array().expect("drafts").clone();
        all.into_iter().filter(|d| d["subject"] == subject.as_str()).count()
    };
    let mail = live(Security::Starttls, |account| account.append_drafts = false).await;
    assert_eq!(mail.session.call("draft_email", draft.clone()).await["appended"], false);
    assert_eq!(drafts(&mail).await, 0);
    mail.session.stop().await;

    let mail = live(Security::Starttls, |_| {}).await;
    for _ in 0..2 {
        assert_eq!(mail.session.call("draft_email", draft.clone()).await["appended"], true);
    }
    assert_eq!(drafts(&mail).await, 1, "the same draft is there once");
    let word = subject.rsplit(' ').next().expect("word");
    let found = mail.session.call("search_email", json!({"folder": "drafts", "text": word})).await;
    assert_eq!(found["total"], 1, "{found}");
    let found = mail.session.call("search_email", json!({"folder": "Drafts", "subject": subject})).await;
    assert_eq!(found["total"], 1, "searched with other letters than ASCII: {found}");
    mail.session.stop().await;
}

#[tokio::test]
#[ignore = "needs Dovecot and Postfix: run by .ci/run"]
async fn reading_fails_with_one_clear_message() {
    let check = async |change: fn(&mut MailAccount), tool: &str, arguments: Value, parts: &[&str]| {
        let mail = live(Security::Tls, change).await;
        let (error, content) = mail.session.act(tool, &arguments, Map::new()).await;
        let message = content["message"].as_str().expect("message");
        assert!(error && parts.iter().all(|part| message.contains(part)), "{message}");
        mail.session.stop().await;
    };
    let search = || json!({});
    check(
        |account| account.imap.as_mut().expect("imap").secret = secret("WRONG"),
        "search_email",
        search(),
        &["log in", "check mail[].imap.user"],
    )
    .await;
    check(
        |account| {
            account.imap.as_mut().expect("imap").ca_file = Some(PathBuf::from(variable("AIE_TEST_OTHER_CA")));
        },
        "search_email",
        search(),
        &["certificate", "ca_file"],
    )
    .await;
    check(
        |account| account.imap.as_mut().expect("imap").host = variable("AIE_TEST_EXPIRED_HOST"),
        "search_email",
        search(),
        &["certificate"],
    )
    .await;
    check(|_| {}, "read_email", json!({"id": 4_000_000_000_u32}), &["no longer in inbox"]).await;
    check(|_| {}, "search_email", json!({"folder": "No such"}), &["No such"]).await;
    check(|account| account.imap = None, "list_drafts", json!({}), &["no imap: section"]).await;
    check(|_| {}, "search_email", json!({"account": "c"}), &["is no mail account"]).await;
}
