use std::time::Duration;

use chrono::{DateTime, Utc};

use super::server::{Fault, Server};
use super::source;
use crate::imap::{ImapOptions, ImapSource};
use crate::{Batch, Source as _, State};

fn now() -> DateTime<Utc> {
    "2026-02-23T12:00:00Z".parse().expect("now")
}

/// A mailbox and what the frame would remember of it.
struct Desk {
    server: Server,
    source: ImapSource,
    state: State,
}

impl Desk {
    fn new(server: Server) -> Self {
        let source = source(&server, ImapOptions::default());
        Self { server, source, state: State::default() }
    }

    /// One look, taken over as the frame does.
    async fn look(&mut self, max: usize) -> Batch {
        let batch = self.source.poll(&self.state, max, now()).await.expect("look");
        self.state.cursor = batch.cursor.clone();
        for task in &batch.tasks {
            self.state.remember(task.front.id.clone());
        }
        if batch.complete {
            self.state.complete_until = Some(now());
        }
        batch
    }

    async fn fails(&mut self) -> String {
        self.source.poll(&self.state, 10, now()).await.expect_err("a fault").to_string()
    }
}

fn subjects(batch: &Batch) -> Vec<&str> {
    batch.tasks.iter().map(|t| t.front.subject.as_deref().unwrap_or_default()).collect()
}

#[tokio::test]
async fn the_first_look_takes_up_unseen_mail_of_the_last_days_and_marks_nothing() {
    let server = Server::new();
    for uid in 1..=6 {
        server.deliver(uid);
    }
    server.store().mails.get_mut(&2).expect("mail").day = 10;
    server.store().mails.get_mut(&3).expect("mail").seen = true;
    let mut desk = Desk::new(server);
    let batch = desk.look(10).await;
    assert_eq!((subjects(&batch), batch.complete), (vec!["no. 1", "no. 4", "no. 5", "no. 6"], true));
    assert_eq!(
        batch.tasks[0].front.received.map(|r| r.to_rfc3339()),
        Some("2026-02-20T11:00:00+00:00".into())
    );
    let asked = desk.server.asked();
    assert_eq!(asked[0], "UID SEARCH UNSEEN SINCE 16-Feb-2026");
    for command in asked {
        let reads = command.starts_with("UID SEARCH ")
            || command.ends_with("(UID RFC822.SIZE)")
            || command.contains("BODY.PEEK[]");
        assert!(reads, "{command}");
    }
    assert_eq!(desk.look(10).await.tasks, []);
    assert_eq!(desk.server.asked(), [] as [&str; 0], "an idle look asks for nothing but the folder");
}

#[tokio::test]
async fn new_mail_is_found_and_nothing_comes_twice() {
    let mut desk = Desk::new(Server::new());
    assert!(desk.look(10).await.complete);
    desk.server.deliver(7);
    assert_eq!(subjects(&desk.look(10).await), ["no. 7"]);
    assert_eq!(desk.look(10).await.tasks, []);
    // A mail that was read on the telephone meanwhile is new all the same.
    desk.server.deliver(9);
    desk.server.store().mails.get_mut(&9).expect("mail").seen = true;
    assert_eq!(subjects(&desk.look(10).await), ["no. 9"]);
    assert_eq!(desk.server.store().logins, 1, "the connection is kept");
}

#[tokio::test]
async fn a_look_takes_no_more_than_its_share() {
    let server = Server::new();
    for uid in 1..=5 {
        server.deliver(uid);
    }
    let mut desk = Desk::new(server);
    let batch = desk.look(2).await;
    assert_eq!((subjects(&batch), batch.complete), (vec!["no. 1", "no. 2"], false));
    desk.server.deliver(6);
    let batch = desk.look(2).await;
    assert_eq!((subjects(&batch), batch.complete), (vec!["no. 3", "no. 4"], false));
    let batch = desk.look(2).await;
    assert_eq!((subjects(&batch), batch.complete), (vec!["no. 5", "no. 6"], true));
}

#[tokio::test]
async fn a_renumbered_folder_is_looked_through_again_without_doubles() {
    let server = Server::new();
    for uid in [1, 2, 3] {
        server.deliver(uid);
    }
    let mut desk = Desk::new(server);
    desk.state.complete_until = Some(now());
    assert_eq!(desk.look(10).await.tasks.len(), 3);
    {
        let mut store = desk.server.store();
        store.uid_validity = 2;
        // The same mails under other numbers, one of them read; and one that came meanwhile.
        let old = std::mem::take(&mut store.mails);
        for (uid, mut mail) in old {
            mail.day = 23;
            mail.seen = uid == 1;
            store.mails.insert(uid + 100, mail);
        }
    }
    desk.server.deliver(50);
    desk.server.store().mails.get_mut(&50).expect("mail").day = 22;
    let batch = desk.look(10).await;
    assert_eq!(subjects(&batch), ["no. 50"]);
    assert!(batch.notes[0].contains("renumbered"), "{:?}", batch.notes);
    assert_eq!(desk.look(10).await.tasks, []);
}

#[tokio::test]
async fn a_mail_that_disappears_is_skipped_and_said() {
    let server = Server::new();
    for uid in [1, 2, 3] {
        server.deliver(uid);
    }
    server.store().fault = Fault::Vanish(2);
    let mut desk = Desk::new(server);
    let batch = desk.look(10).await;
    assert_eq!((subjects(&batch), batch.complete), (vec!["no. 1", "no. 3"], true));
    assert!(batch.notes[0].contains("UID 2) disappeared"), "{:?}", batch.notes);
}

#[tokio::test]
async fn a_large_mail_is_not_loaded() {
    let server = Server::new();
    server.deliver(1);
    server.store().mails.get_mut(&1).expect("mail").size = Some(26 << 20);
    let mut desk = Desk::new(server);
    let batch = desk.look(10).await;
    assert_eq!(subjects(&batch), ["no. 1"]);
    assert!(batch.tasks[0].body.contains("the mail has 26 MB"), "{}", batch.tasks[0].body);
    assert!(!batch.tasks[0].body.contains("Text 1"));
    let asked = desk.server.asked();
    assert!(asked.iter().any(|c| c.contains("BODY.PEEK[HEADER]<0.262144>")), "{asked:?}");
    assert!(!asked.iter().any(|c| c.contains("PEEK[]")), "{asked:?}");
}

/// The library's own commands take a refusal, or a connection that ends, for an empty answer.
#[tokio::test]
async fn a_broken_answer_is_never_an_empty_mailbox() {
    for (fault, said) in [
        (Fault::NoToSearch, "SEARCH failed (not now)"),
        (Fault::CutInSearch, "ended the connection"),
        (Fault::ByeInSearch, "ended the connection (shutting down)"),
    ] {
        let mut desk = Desk::new(Server::new());
        desk.look(10).await;
        desk.server.deliver(1);
        desk.server.store().fault = fault;
        let message = desk.fails().await;
        assert!(message.contains(said) && message.contains("imap.example.com:993"), "{message}");
        desk.server.store().fault = Fault::None;
        assert_eq!(subjects(&desk.look(10).await), ["no. 1"], "{fault:?}");
    }
}

#[tokio::test]
async fn a_restarted_server_is_found_again() {
    let mut desk = Desk::new(Server::new());
    desk.look(10).await;
    desk.server.deliver(1);
    desk.server.store().fault = Fault::DropOnce;
    assert_eq!(subjects(&desk.look(10).await), ["no. 1"]);
    assert_eq!(desk.server.store().logins, 2);

    desk.server.store().fault = Fault::DropOnce;
    desk.source.wait(Duration::from_secs(1)).await.expect_err("the connection is gone");
    desk.server.deliver(2);
    assert_eq!(subjects(&desk.look(10).await), ["no. 2"]);
}

#[tokio::test]
async fn a_wrong_password_is_said_and_a_mended_one_counts_at_once() {
    let server = Server::new();
    server.deliver(1);
    server.store().password = "changed".into();
    let mut desk = Desk::new(server);
    let error = desk.source.poll(&desk.state, 10, now()).await.expect_err("refused");
    assert!(error.needs_a_person());
    let message = error.to_string();
    for part in ["imap.example.com:993", "as owner", "Authentication failed", "$WORK_IMAP_PASSWORD"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(!message.contains("secret"), "{message}");
    desk.server.store().password = "secret".into();
    assert_eq!(subjects(&desk.look(10).await), ["no. 1"]);
}

#[tokio::test]
async fn a_token_logs_in_and_an_expired_one_is_said() {
    let server = Server::new();
    server.deliver(1);
    let mut desk = Desk::new(server);
    desk.source.auth = config::ImapAuth::Xoauth2;
    desk.server.store().password = "renewed".into();
    let message = desk.fails().await;
    assert!(message.contains("Invalid token)"), "{message}");
    desk.server.store().password = "secret".into();
    assert_eq!(subjects(&desk.look(10).await), ["no. 1"]);
}

#[tokio::test]
async fn a_missing_secret_is_said() {
    let mut desk = Desk::new(Server::new());
    desk.source.secret = std::sync::Arc::new(|| Err("it is not set".into()));
    let message = desk.fails().await;
    assert!(
        message.contains("password of owner: it is not set; it is looked for in $WORK_IMAP_PASSWORD"),
        "{message}"
    );
}

#[tokio::test]
async fn a_mail_that_breaks_the_connection_does_not_hold_up_the_others() {
    let server = Server::new();
    for uid in [1, 2, 3] {
        server.deliver(uid);
    }
    server.store().fault = Fault::CutInMail(2);
    let mut desk = Desk::new(server);
    let batch = desk.look(10).await;
    assert_eq!((subjects(&batch), batch.complete), (vec!["no. 1"], false));
    for _ in 0..2 {
        desk.fails().await;
    }
    let batch = desk.look(10).await;
    assert_eq!((subjects(&batch), batch.complete), (vec!["A mail that could not be read", "no. 3"], true));
    assert!(batch.tasks[0].front.requires_approval && batch.tasks[0].body.contains("UID 2"));
}

#[tokio::test(start_paused = true)]
async fn idle_wakes_on_news_and_is_issued_again_before_half_an_hour() {
    let mut desk = Desk::new(Server::new());
    desk.look(10).await;
    let (server, idling) = (desk.server.clone(), desk.server.idling.clone());
    let delivery = async {
        idling.notified().await;
        server.deliver(1);
    };
    let (woken, ()) = tokio::join!(desk.source.wait(Duration::from_secs(60)), delivery);
    woken.expect("woken");
    assert_eq!(subjects(&desk.look(10).await), ["no. 1"]);

    desk.source.options.idle = Duration::from_secs(3 * 3600);
    let before = tokio::time::Instant::now();
    desk.source.wait(Duration::from_secs(60)).await.expect("waited");
    assert_eq!(before.elapsed().as_secs(), 28 * 60);
    assert_eq!(desk.look(10).await.tasks, [], "the connection goes on");
    assert_eq!(desk.server.store().logins, 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_idle_is_polled() {
    let mut desk = Desk::new(Server::new());
    desk.server.store().no_idle = true;
    desk.look(10).await;
    let before = tokio::time::Instant::now();
    desk.source.wait(Duration::from_secs(60)).await.expect("waited");
    assert_eq!(before.elapsed().as_secs(), 60);
    assert!(desk.server.asked().iter().all(|c| c != "IDLE"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up() {
    use crate::imap::connect::{Connect, Wire};
    struct Silent(std::sync::Mutex<Vec<tokio::io::DuplexStream>>);
    #[async_trait::async_trait]
    impl Connect for Silent {
        fn server(&self) -> String {
            "silent.example:993".into()
        }
        async fn connect(&self) -> Result<(Box<dyn Wire>, bool), crate::ImapError> {
            let (ours, theirs) = tokio::io::duplex(64);
            self.0.lock().expect("lock").push(theirs);
            Ok((Box::new(ours), false))
        }
    }
    let mut desk = Desk::new(Server::new());
    desk.source.connector = Box::new(Silent(Default::default()));
    let message = desk.fails().await;
    assert_eq!(
        message,
        "talk to silent.example:993: no answer to the greeting within 60 s; it is tried again"
    );
}
