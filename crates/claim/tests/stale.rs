//! Taking back what a dead agent has in work, when something is in the way of it.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use claim::{Claims, Nonce, Observation, Settings};
use fault::{Effect, Errno, Plan};
use task::{Clock as _, FixedClock, FrontMatter, Location, Task, TaskId};
use tempfile::TempDir;
use vault::{Limits, Vault};

struct Observer {
    temp: TempDir,
    vault: Vault,
    clock: Arc<FixedClock>,
}

impl Observer {
    /// A vault with one task that another agent has in work.
    fn new() -> Self {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path().join("vault"), Limits::default()).expect("vault");
        let clock = Arc::new(FixedClock::new("2026-02-23T03:15:00Z".parse().expect("a time")));
        let location = Location::parse("In_Progress/cloud-001/EMAIL_1.md").expect("location");
        let task = Task::new(FrontMatter::new(location.id.clone(), clock.now()), "body\n");
        vault.create(&location, &task).expect("create");
        Self { temp, vault, clock }
    }

    fn state_file(&self) -> std::path::PathBuf {
        self.temp.path().join("claims.json")
    }

    /// A process of its own each time.
    async fn look_after(&self, minutes: i64) -> Vec<TaskId> {
        self.clock.advance(TimeDelta::minutes(minutes));
        let settings = Settings {
            agent: "local-001".parse().expect("agent"),
            executor: "local-001".parse().expect("agent"),
            state_file: self.state_file(),
            stale_after: Duration::from_secs(3600),
        };
        let claims = Claims::new(self.vault.clone(), settings, self.clock.clone());
        let observation = Observation { at: self.clock.now(), ..Observation::default() };
        claims.reclaim_stale(observation).await.expect("a look")
    }

    fn has(&self, path: &str) -> bool {
        self.vault.root().join(path).exists()
    }
}

#[tokio::test]
async fn a_claim_that_could_not_be_taken_back_is_taken_back_by_the_next_look() {
    let observer = Observer::new();
    assert!(observer.look_after(0).await.is_empty());
    fault::arm_here(Some(Plan::at("claim.put_back", 1, Effect::Fail(Errno::NOSPC))));
    let returned = observer.look_after(61).await;
    assert!(fault::arm_here(None).is_some_and(|plan| plan.has_struck()));
    assert!(returned.is_empty() && observer.has("In_Progress/cloud-001/EMAIL_1.md"));
    assert_eq!(observer.look_after(0).await, ["EMAIL_1".parse::<TaskId>().expect("id")]);
    assert!(observer.has("Needs_Action/EMAIL_1.md"));
}

/// The safe side: nobody loses work because a file was damaged.
#[tokio::test]
async fn where_the_count_cannot_be_read_it_starts_anew() {
    for damage in ["{", "a folder"] {
        let observer = Observer::new();
        observer.look_after(0).await;
        std::fs::remove_file(observer.state_file()).expect("the count was written down");
        match damage {
            "{" => std::fs::write(observer.state_file(), damage).expect("write"),
            _ => std::fs::create_dir(observer.state_file()).expect("folder"),
        }
        observer.clock.advance(TimeDelta::minutes(61));
        if damage == "a folder" {
            // What cannot be written down either is said, and nothing is taken back.
            let settings = Settings {
                agent: "local-001".parse().expect("agent"),
                executor: "local-001".parse().expect("agent"),
                state_file: observer.state_file(),
                stale_after: Duration::from_secs(3600),
            };
            let claims = Claims::new(observer.vault.clone(), settings, observer.clock.clone());
            let observation = Observation { at: observer.clock.now(), ..Observation::default() };
            let error =
                claims.reclaim_stale(observation).await.expect_err("it cannot be written").to_string();
            assert!(error.starts_with("write down how long claims have stood: "), "{error}");
        } else {
            assert!(observer.look_after(0).await.is_empty(), "the hour begins again");
            assert_eq!(observer.look_after(61).await.len(), 1);
            continue;
        }
        assert!(observer.has("In_Progress/cloud-001/EMAIL_1.md"));
    }
}

#[test]
fn a_nonce_is_shown_as_it_is_written_and_nothing_else_is_one() {
    let nonce = Nonce::fresh().expect("randomness");
    assert_eq!(
        (nonce.to_string(), String::from(nonce.clone())),
        (nonce.as_str().to_owned(), nonce.to_string())
    );
    for text in ["", "xyz", &"A".repeat(32), &"a".repeat(33)] {
        let error = Nonce::try_from(text.to_owned()).expect_err(text).to_string();
        assert_eq!(error, format!("{text:?} is no nonce; expected 32 lower-case hexadecimal digits"));
    }
}
