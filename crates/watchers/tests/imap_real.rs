//! The mail source against a real Dovecot, with mail delivered through a real Postfix. The
//! server is started by `tests/services/mail.sh`, whose `env` file names hosts, ports and files.
#![expect(clippy::unwrap_used, reason = "a test says where it fails")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use config::{Imap, ImapAuth, MailAccount, SaveSent, Secret, Security};
use secrecy::SecretString;
use task::Clock as _;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use watchers::{ImapOptions, ImapSource, Source as _, State, imap_source};

/// One of these tests restarts the server; none may run beside another.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn var(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; see tests/services/mail.sh"))
}

fn port(name: &str) -> u16 {
    var(name).parse().unwrap()
}

fn now() -> DateTime<Utc> {
    task::SystemClock.now()
}

fn account(security: Security) -> MailAccount {
    let port = port(match security {
        Security::Tls => "AIE_TEST_IMAPS_PORT",
        Security::Starttls => "AIE_TEST_IMAP_PORT",
    });
    MailAccount {
        name: "real".into(),
        address: var("AIE_TEST_MAIL_USER_A"),
        imap: Some(Imap {
            host: var("AIE_TEST_HOST"),
            port,
            security,
            user: var("AIE_TEST_MAIL_USER_A"),
            auth: ImapAuth::Password,
            secret: Secret { env: Some("AIE_TEST_MAIL_PASSWORD".into()), file: None },
            folder: "INBOX".into(),
            ca_file: Some(var("AIE_TEST_CA").into()),
            authserv_id: None,
            granted_scopes: Vec::new(),
            token_info: None,
        }),
        smtp: None,
        save_sent: SaveSent::default(),
        append_drafts: false,
    }
}

fn source(account: &MailAccount, password: &str) -> ImapSource {
    let password = password.to_owned();
    imap_source(account, Arc::new(move || Ok(SecretString::from(password.clone()))), ImapOptions::default())
        .unwrap()
}

/// A source on the real server that has looked once, and what is remembered of it.
async fn caught_up(security: Security) -> (ImapSource, State) {
    let mut source = source(&account(security), &var("AIE_TEST_MAIL_PASSWORD"));
    let mut state = State::default();
    loop {
        let batch = source.poll(&state, 100, now()).await.unwrap();
        state.cursor = batch.cursor;
        if batch.complete {
            return (source, state);
        }
    }
}

/// Sends a mail to the account by SMTP, and returns its subject, which no other mail has.
async fn deliver() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let subject = format!("real {} {}", now().format("%s%f"), COUNT.fetch_add(1, Ordering::Relaxed));
    let tcp = TcpStream::connect((var("AIE_TEST_HOST"), port("AIE_TEST_SMTP_PORT"))).await.unwrap();
    let (read, mut write) = tcp.into_split();
    let mut lines = BufReader::new(read).lines();
    let to = var("AIE_TEST_MAIL_USER_A");
    let message = format!(
        "From: Client <client@example.net>\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{}@example.net>\r\n\r\nHello\r\n.",
        subject.replace(' ', ".")
    );
    let steps = [
        String::new(),
        "EHLO client.example.net".into(),
        "MAIL FROM:<client@example.net>".into(),
        format!("RCPT TO:<{to}>"),
        "DATA".into(),
        message,
        "QUIT".into(),
    ];
    for step in steps {
        if !step.is_empty() {
            write.write_all(format!("{step}\r\n").as_bytes()).await.unwrap();
        }
        loop {
            let answer = lines.next_line().await.unwrap().unwrap();
            assert!(answer.starts_with(['2', '3']), "{step}: {answer}");
            if answer.as_bytes()[3] == b' ' {
                break;
            }
        }
    }
    subject
}

/// Looks until a mail of that subject is a task. Delivery takes Postfix a moment.
async fn found(source: &mut ImapSource, state: &mut State, subject: &str) -> bool {
    let batch = source.poll(state, 100, now()).await.unwrap();
    state.cursor = batch.cursor;
    batch.tasks.iter().any(|t| t.front.subject.as_deref() == Some(subject))
}

#[tokio::test]
#[ignore = "needs Dovecot and Postfix: run by .ci/run"]
async fn idle_wakes_within_two_seconds_of_a_delivery() {
    let _alone = ONE_AT_A_TIME.lock().await;
    for security in [Security::Tls, Security::Starttls] {
        let (mut source, mut state) = caught_up(security).await;
        let delivered = tokio::spawn(async {
            // Late enough that the source idles by then; should it not, the test says less, but
            // does not fail.
            tokio::time::sleep(Duration::from_millis(300)).await;
            (deliver().await, Instant::now())
        });
        source.wait(Duration::from_secs(60)).await.unwrap();
        let woken = Instant::now();
        let (subject, sent) = delivered.await.unwrap();
        assert!(woken.saturating_duration_since(sent) < Duration::from_secs(2), "{security:?}");
        assert!(found(&mut source, &mut state, &subject).await, "{security:?}");
        assert!(!found(&mut source, &mut state, &subject).await, "it came twice");
    }
}

#[tokio::test]
#[ignore = "needs Dovecot and Postfix: run by .ci/run"]
async fn a_mail_that_was_taken_up_stays_unread() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let (mut source, mut state) = caught_up(Security::Tls).await;
    let subject = deliver().await;
    let deadline = Instant::now() + Duration::from_secs(10);
    while !found(&mut source, &mut state, &subject).await {
        assert!(Instant::now() < deadline, "the mail did not come");
        source.wait(Duration::from_secs(1)).await.unwrap();
    }
    // Another machine's first look takes up unread mail only.
    let mut other = State::default();
    let (mut second, _) = caught_up(Security::Tls).await;
    assert!(found(&mut second, &mut other, &subject).await);
}

#[tokio::test]
#[ignore = "needs Dovecot and Postfix: run by .ci/run"]
async fn each_refusal_is_one_clear_message() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let check = async |account: MailAccount, password: &str, parts: &[&str]| {
        let mut source = source(&account, password);
        let error = source.poll(&State::default(), 10, now()).await.unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{error}");
        }
        assert!(!error.contains('\n') && !error.contains(password), "{error}");
    };
    let changed = |change: &dyn Fn(&mut Imap)| {
        let mut account = account(Security::Tls);
        change(account.imap.as_mut().unwrap());
        account
    };
    check(
        account(Security::Tls),
        "not-the-password",
        &["log in to", "as alice@example.test: refused", "Authentication failed", "$AIE_TEST_MAIL_PASSWORD"],
    )
    .await;
    check(account(Security::Starttls), "pässwörd", &["refused", "Authentication failed"]).await;
    let expired = changed(&|imap| imap.host = var("AIE_TEST_EXPIRED_HOST"));
    check(expired, "x-y-z", &["127.0.0.2", "certificate has expired"]).await;
    let stranger = changed(&|imap| imap.ca_file = Some(PathBuf::from(var("AIE_TEST_OTHER_CA"))));
    check(stranger, "x-y-z", &["does not know", "imap.ca_file"]).await;
    let closed = changed(&|imap| imap.port = 1);
    check(closed, "x-y-z", &["refused; check imap.host and imap.port"]).await;
    let folder = changed(&|imap| imap.folder = "No/Sücher".into());
    check(folder, &var("AIE_TEST_MAIL_PASSWORD"), &["open the folder \"No/Sücher\"", "check imap.folder"])
        .await;
    let crossed = changed(&|imap| imap.port = port("AIE_TEST_IMAP_PORT"));
    check(crossed, "x-y-z", &["start TLS with", "imap.security fits imap.port"]).await;
}

#[tokio::test]
#[ignore = "needs Dovecot and Postfix: run by .ci/run"]
async fn a_restart_of_the_server_is_survived() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let (mut source, mut state) = caught_up(Security::Tls).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/services/mail.sh");
    let restart = tokio::task::spawn_blocking(move || {
        Command::new(script).arg("restart").arg(var("AIE_TEST_MAIL_DIR")).status().unwrap()
    });
    // The kept connection ends under the waiting source.
    let waited = source.wait(Duration::from_secs(60)).await;
    assert!(waited.is_err(), "the connection outlived its server");
    assert!(restart.await.unwrap().success());
    let subject = deliver().await;
    let deadline = Instant::now() + Duration::from_secs(10);
    while !found(&mut source, &mut state, &subject).await {
        assert!(Instant::now() < deadline, "the mail did not come");
        source.wait(Duration::from_secs(1)).await.unwrap();
    }
}
