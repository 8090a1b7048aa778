//! The frame: sources become tasks once, whatever fails beside them or in between.
#![expect(clippy::unwrap_used, reason = "a test says where it fails")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use config::Channel;
use serde_json::{Value, json};
use task::{Clock, FixedClock, FrontMatter, Location, Stage, Task};
use tokio_util::sync::CancellationToken;
use vault::{Folder, Limits, Vault};
use watchers::{Batch, ChannelState, Settings, Source, SourceError, State, Watchers, mock_sources};

/// A vault, a folder for states and a clock that stands still.
struct Desk {
    dir: tempfile::TempDir,
    vault: Vault,
    clock: Arc<FixedClock>,
    max_per_poll: usize,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("watch")).unwrap();
        let vault = Vault::open(dir.path().join("vault"), Limits::default()).unwrap();
        let clock = Arc::new(FixedClock::new("2026-02-23T12:00:00Z".parse().unwrap()));
        Self { dir, vault, clock, max_per_poll: 20 }
    }

    fn state_dir(&self) -> PathBuf {
        self.dir.path().join("watch")
    }

    /// The frame as it is after a restart of the program.
    fn watchers(&self) -> Watchers {
        let settings = Settings { poll: Duration::from_secs(60), max_per_poll: self.max_per_poll };
        Watchers::new(self.vault.clone(), self.state_dir(), settings, self.clock.clone())
    }

    async fn once(&self, source: impl Source + 'static) -> ChannelState {
        let sources: Vec<Box<dyn Source>> = vec![Box::new(source)];
        self.watchers().poll_once(sources, &CancellationToken::new()).await.remove(0)
    }

    fn waiting(&self) -> Vec<String> {
        let listing = self.vault.list(&Folder::NeedsAction).unwrap();
        assert!(listing.strangers.is_empty(), "{:?}", listing.strangers);
        let mut ids: Vec<String> = listing.tasks.iter().map(|e| e.location.id.to_string()).collect();
        ids.sort();
        ids
    }
}

/// Offers the same events at every look.
struct Same(&'static [&'static str]);

#[async_trait]
impl Source for Same {
    fn name(&self) -> &str {
        "gmail:same"
    }
    fn channel(&self) -> Channel {
        Channel::Gmail
    }
    async fn poll(&mut self, _: &State, max: usize, now: DateTime<Utc>) -> Result<Batch, SourceError> {
        let task = |id: &&str| Task::new(FrontMatter::new(id.parse().unwrap(), now), "x\n");
        let tasks = self.0.iter().take(max).map(task).collect();
        Ok(Batch { tasks, cursor: json!(1), complete: true, notes: Vec::new() })
    }
}

/// Fails in one way, every time.
struct Broken(&'static str, Way);

enum Way {
    Error,
    Panic,
    Hang,
}

#[async_trait]
impl Source for Broken {
    fn name(&self) -> &str {
        self.0
    }
    fn channel(&self) -> Channel {
        Channel::X
    }
    async fn poll(&mut self, _: &State, _: usize, _: DateTime<Utc>) -> Result<Batch, SourceError> {
        match self.1 {
            Way::Error => Err(SourceError::Other("log in to x: refused; renew the token".into())),
            Way::Panic => panic!("index out of bounds"),
            Way::Hang => std::future::pending().await,
        }
    }
}

#[tokio::test]
async fn an_event_becomes_one_task_whatever_is_offered_again() {
    let desk = Desk::new();
    let state = desk.once(Same(&["EMAIL_1", "EMAIL_2"])).await;
    assert_eq!((state.new_tasks, state.complete_until), (2, Some(desk.clock.now())));
    assert_eq!(desk.waiting(), ["EMAIL_1", "EMAIL_2"]);

    // After a restart, the same events are recognised, and so is a new one among them.
    assert_eq!(desk.once(Same(&["EMAIL_1", "EMAIL_3", "EMAIL_2"])).await.new_tasks, 1);
    assert_eq!(desk.waiting(), ["EMAIL_1", "EMAIL_2", "EMAIL_3"]);

    // What the owner has deleted does not come back.
    std::fs::remove_file(desk.vault.path_of("Needs_Action/EMAIL_2.md")).unwrap();
    assert_eq!(desk.once(Same(&["EMAIL_2"])).await.new_tasks, 0);

    // Even with the memory lost, a task is found wherever it has gone meanwhile.
    let claimed = Stage::InProgress("cloud-001".parse().unwrap());
    let from = Location::new(Stage::NeedsAction, "EMAIL_1".parse().unwrap());
    let at = desk.vault.advance(&from, claimed).unwrap();
    desk.vault.advance(&at, Stage::done(desk.clock.now())).unwrap();
    std::fs::remove_file(desk.state_dir().join("gmail-same.json")).unwrap();
    assert_eq!(desk.once(Same(&["EMAIL_1", "EMAIL_3"])).await.new_tasks, 0);
    assert_eq!(desk.waiting(), ["EMAIL_3"]);
}

/// A crash between the tasks and the state: the folder for the state is gone when it is written.
#[tokio::test]
async fn tasks_that_were_created_before_a_crash_are_not_created_again() {
    let desk = Desk::new();
    std::fs::remove_dir(desk.state_dir()).unwrap();
    let state = desk.once(Same(&["EMAIL_1"])).await;
    assert_eq!((state.new_tasks, state.complete_until), (1, None));
    assert!(state.last_error.unwrap().contains("write the state"));
    assert_eq!(desk.waiting(), ["EMAIL_1"]);

    std::fs::create_dir(desk.state_dir()).unwrap();
    let state = desk.once(Same(&["EMAIL_1"])).await;
    assert_eq!((state.new_tasks, state.last_error), (0, None));
    assert_eq!(desk.waiting(), ["EMAIL_1"]);
}

/// A full disk, or whatever keeps a task from being written: nothing counts as seen.
#[tokio::test]
async fn an_event_that_could_not_be_written_is_offered_again() {
    let desk = Desk::new();
    let folder = desk.vault.path_of("Needs_Action");
    let aside = desk.dir.path().join("aside");
    std::fs::rename(&folder, &aside).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    let state = desk.once(Same(&["EMAIL_1"])).await;
    assert_eq!((state.new_tasks, state.complete_until), (0, None));
    assert!(state.last_error.unwrap().starts_with("create a task: "));
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&aside, &folder).unwrap();
    assert_eq!(desk.once(Same(&["EMAIL_1"])).await.new_tasks, 1);
}

#[tokio::test]
async fn sample_events_come_once_and_in_shares() {
    let mut desk = Desk::new();
    desk.max_per_poll = 2;
    let looks = async |desk: &Desk| {
        let states = desk.watchers().poll_once(mock_sources(&Channel::ALL), &CancellationToken::new()).await;
        assert!(states.iter().all(|s| s.last_error.is_none()));
        states.iter().map(|s| s.new_tasks).sum::<u64>()
    };
    assert_eq!(looks(&desk).await, 12);
    assert_eq!(looks(&desk).await, 5 + 2);
    assert_eq!(looks(&desk).await, 1);
    assert_eq!(looks(&desk).await, 0);
    assert_eq!(desk.waiting().len(), 20);
}

#[tokio::test]
async fn a_backlog_holds_the_watermark_back() {
    let mut desk = Desk::new();
    desk.max_per_poll = 2;
    let look = async |desk: &Desk| {
        let states = desk.watchers().poll_once(mock_sources(&[Channel::X]), &CancellationToken::new()).await;
        states[0].complete_until
    };
    assert_eq!(look(&desk).await, None);
    desk.clock.advance(TimeDelta::minutes(1));
    assert_eq!(look(&desk).await, Some(desk.clock.now()));
}

#[tokio::test(start_paused = true)]
async fn a_failing_source_stops_no_other_and_says_since_when() {
    let desk = Desk::new();
    let watchers = desk.watchers();
    let cancel = CancellationToken::new();
    let mut sources = mock_sources(&[Channel::Linkedin]);
    sources.push(Box::new(Broken("x:error", Way::Error)));
    sources.push(Box::new(Broken("x:panic", Way::Panic)));
    sources.push(Box::new(Broken("x:hang", Way::Hang)));
    let mut board = watchers.channels().subscribe();
    let since = desk.clock.now();
    let running = watchers.start(sources, &cancel);
    let all_said = |board: &BTreeMap<String, ChannelState>| {
        board.len() == 4
            && board
                .values()
                .all(|s| if s.channel == Channel::X { s.last_error.is_some() } else { s.new_tasks == 3 })
    };
    let board = board.wait_for(all_said).await.unwrap().clone();
    let check = |source: &str, message: &str| {
        let state = &board[source];
        assert!(state.last_error.as_deref().unwrap().contains(message), "{state:?}");
        assert_eq!((state.failing_since, state.complete_until), (Some(since), None));
    };
    check("x:error", "renew the token");
    check("x:panic", "a fault of the program (index out of bounds)");
    check("x:hang", "longer than 600 s");
    assert_eq!(board["linkedin:mock"].complete_until, Some(since));
    cancel.cancel();
    running.join().await;
}

/// Counts its looks, fails for the first few, and then works.
struct Recovering {
    looks: Arc<AtomicUsize>,
    failures: usize,
}

#[async_trait]
impl Source for Recovering {
    fn name(&self) -> &str {
        "facebook:page"
    }
    fn channel(&self) -> Channel {
        Channel::Facebook
    }
    async fn poll(&mut self, _: &State, _: usize, _: DateTime<Utc>) -> Result<Batch, SourceError> {
        if self.looks.fetch_add(1, Ordering::SeqCst) < self.failures {
            return Err(SourceError::Other("unreachable".into()));
        }
        Ok(Batch { complete: true, cursor: Value::Null, ..Batch::default() })
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_is_asked_less_and_less_often_and_goes_on_by_itself() {
    let desk = Desk::new();
    let watchers = desk.watchers();
    let (looks, cancel) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
    let mut board = watchers.channels().subscribe();
    let started = tokio::time::Instant::now();
    let source = Recovering { looks: Arc::clone(&looks), failures: 12 };
    let running = watchers.start(vec![Box::new(source)], &cancel);
    let works = |board: &BTreeMap<String, ChannelState>| {
        board.get("facebook:page").is_some_and(|s| s.complete_until.is_some() && s.failing_since.is_none())
    };
    board.wait_for(works).await.unwrap();
    // 1 + 2 + 4 + … + 256 + 300 + 300 seconds, each with up to as much again.
    let took = started.elapsed();
    assert!((Duration::from_secs(1_000)..Duration::from_secs(2_500)).contains(&took), "{took:?}");
    cancel.cancel();
    running.join().await;
    assert_eq!(looks.load(Ordering::SeqCst), 13);
}

#[tokio::test(start_paused = true)]
async fn cancelling_ends_every_wait() {
    let desk = Desk::new();
    let watchers = desk.watchers();
    let cancel = CancellationToken::new();
    let mut sources = mock_sources(&Channel::ALL);
    sources.push(Box::new(Broken("x:hang", Way::Hang)));
    let running = watchers.start(sources, &cancel);
    cancel.cancel();
    running.join().await;
    let started = tokio::time::Instant::now();
    let hanging: Vec<Box<dyn Source>> = vec![Box::new(Broken("x:hang", Way::Hang))];
    watchers.poll_once(hanging, &cancel).await;
    assert_eq!(started.elapsed(), Duration::ZERO);
}
