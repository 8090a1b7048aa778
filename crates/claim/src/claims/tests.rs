mod every_step;

use std::collections::BTreeMap;
use std::path::Path;

use async_trait::async_trait;
use chrono::{TimeDelta, TimeZone as _, Utc};
use fault::{Effect, Errno, Plan};
use task::{FixedClock, FrontMatter, Task};
use vault::Limits;

use super::*;
use crate::{Observation, PublishError};

/// Says what it was told to say, and remembers what it was asked.
#[derive(Default)]
struct Arbiter {
    answers: Mutex<Vec<Result<Vec<Verdict>, PublishError>>>,
    asked: Mutex<Vec<Vec<ClaimRecord>>>,
}

impl Arbiter {
    fn saying(answers: Vec<Result<Vec<Verdict>, PublishError>>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers), ..Self::default() })
    }

    fn asked(&self) -> Vec<Vec<ClaimRecord>> {
        self.asked.lock().expect("asked").clone()
    }
}

#[async_trait]
impl Publisher for Arbiter {
    async fn publish(&self, claims: &[ClaimRecord]) -> Result<Vec<Verdict>, PublishError> {
        self.asked.lock().expect("asked").push(claims.to_vec());
        self.answers.lock().expect("answers").remove(0)
    }
}

struct Machine {
    temp: tempfile::TempDir,
    vault: Vault,
    clock: Arc<FixedClock>,
}

impl Machine {
    fn new() -> Self {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path().join("vault"), Limits::default()).expect("vault");
        let start = Utc.with_ymd_and_hms(2026, 2, 23, 3, 15, 0).single().expect("a time");
        Self { temp, vault, clock: Arc::new(FixedClock::new(start)) }
    }

    fn claims(&self, agent: &str) -> Claims {
        let settings = Settings {
            agent: agent.parse().expect("agent"),
            executor: "local-001".parse().expect("agent"),
            state_file: self.temp.path().join(format!("{agent}.claims.json")),
            stale_after: Duration::from_secs(3600),
        };
        Claims::new(self.vault.clone(), settings, self.clock.clone())
    }

    fn put(&self, path: &str) -> Location {
        let location = Location::parse(path).expect("location");
        let task = Task::new(FrontMatter::new(location.id.clone(), self.clock.now()), "body\n");
        self.vault.create(&location, &task).expect("create");
        location
    }

    fn has(&self, path: &str) -> bool {
        Path::new(self.vault.root()).join(path).exists()
    }
}

fn unreachable(unknown: bool) -> PublishError {
    let cause = "no route to host".into();
    if unknown { PublishError::Unknown(cause) } else { PublishError::NotPublished(cause) }
}

#[tokio::test]
async fn of_many_claimants_on_one_machine_each_task_has_one() {
    let machine = Machine::new();
    let candidates: Vec<_> = (0..50).map(|n| machine.put(&format!("Needs_Action/EMAIL_{n}.md"))).collect();
    let claims: Vec<_> = ["a", "b", "c", "d"].iter().map(|agent| Arc::new(machine.claims(agent))).collect();
    let mut all = Vec::new();
    let runs: Vec<_> = claims
        .iter()
        .map(|claims| {
            let (claims, candidates) = (claims.clone(), candidates.clone());
            tokio::spawn(async move { claims.take(candidates).await })
        })
        .collect();
    for run in runs {
        let taken = run.await.expect("run");
        assert!(taken.failed.is_empty(), "{:?}", taken.failed);
        all.extend(taken.owned.iter().map(|claim| claim.id().clone()));
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 50);
}

#[tokio::test]
async fn only_the_executor_takes_orders_payments_and_whatsapp() {
    let machine = Machine::new();
    let candidates = vec![
        machine.put("Needs_Action/EXECUTE_EMAIL_1.md"),
        machine.put("Needs_Action/PAYMENT_1.md"),
        machine.put("Needs_Action/WHATSAPP_1.md"),
    ];
    let cloud = machine.claims("cloud-001").take(candidates.clone()).await;
    assert!(cloud.owned.is_empty() && cloud.lost.is_empty());
    // No publisher is asked: these work offline too.
    let arbiter = Arbiter::saying(Vec::new());
    let local = machine.claims("local-001").published_by(arbiter.clone()).take(candidates).await;
    assert_eq!(local.owned.len(), 3);
    assert!(arbiter.asked().is_empty());
    assert!(machine.has("In_Progress/local-001/EXECUTE_EMAIL_1.md"));
    assert!(!machine.has("In_Progress/local-001/PAYMENT_1.claim.json"));
}

#[tokio::test]
async fn a_shared_task_counts_only_when_the_publisher_says_so() {
    let machine = Machine::new();
    let candidates = vec![machine.put("Needs_Action/EMAIL_1.md"), machine.put("Needs_Action/EMAIL_2.md")];
    let arbiter = Arbiter::saying(vec![Ok(vec![Verdict::Owned, Verdict::Lost])]);
    let claims = machine.claims("cloud-001").published_by(arbiter.clone());
    let mut taken = claims.take(candidates).await;
    assert_eq!(arbiter.asked()[0].len(), 2, "one push for all");
    assert_eq!((taken.owned.len(), taken.lost.len()), (1, 1));
    assert!(machine.has("In_Progress/cloud-001/EMAIL_1.claim.json"));
    assert!(machine.has("Needs_Action/EMAIL_2.md"), "the loser puts it back");
    assert!(!machine.has("In_Progress/cloud-001/EMAIL_2.claim.json"));
    let owned = taken.owned.remove(0);
    machine.vault.advance(owned.location(), Stage::PendingApproval).expect("advance");
    claims.complete(owned).await.expect("complete");
    assert!(!machine.has("In_Progress/cloud-001/EMAIL_1.claim.json"));
}

#[tokio::test]
async fn an_unreachable_remote_puts_everything_back() {
    let machine = Machine::new();
    let candidates = vec![machine.put("Needs_Action/EMAIL_1.md")];
    let arbiter = Arbiter::saying(vec![Err(unreachable(false))]);
    let taken = machine.claims("cloud-001").published_by(arbiter).take(candidates).await;
    assert!(taken.owned.is_empty() && taken.unpublished.is_some());
    assert!(machine.has("Needs_Action/EMAIL_1.md"));
    assert!(!machine.has("In_Progress/cloud-001/EMAIL_1.claim.json"));
}

#[tokio::test]
async fn an_unknown_outcome_is_settled_by_the_same_nonce() {
    let machine = Machine::new();
    let candidates = vec![machine.put("Needs_Action/EMAIL_1.md")];
    let arbiter = Arbiter::saying(vec![Err(unreachable(true)), Ok(vec![Verdict::Owned])]);
    let claims = machine.claims("cloud-001").published_by(arbiter.clone());
    let first = claims.take(candidates).await;
    assert!(first.owned.is_empty());
    assert!(machine.has("In_Progress/cloud-001/EMAIL_1.md"), "nobody else may have it meanwhile");
    let second = claims.take(Vec::new()).await;
    assert_eq!(second.owned.len(), 1);
    let asked = arbiter.asked();
    assert_eq!(asked[0], asked[1]);
}

#[tokio::test]
async fn own_claims_are_resumed_after_a_restart() {
    let machine = Machine::new();
    let candidates = vec![machine.put("Needs_Action/EMAIL_1.md"), machine.put("Needs_Action/EMAIL_2.md")];
    let arbiter = Arbiter::saying(vec![Ok(vec![Verdict::Owned; 2])]);
    let before = machine.claims("cloud-001").published_by(arbiter.clone()).take(candidates).await;
    assert_eq!(before.owned.len(), 2);
    drop(before);
    // The crash came after the task had moved on and before its claim file went.
    let moved = Location::parse("In_Progress/cloud-001/EMAIL_2.md").expect("location");
    machine.vault.advance(&moved, Stage::Errors).expect("advance");

    let after = Arbiter::saying(vec![Ok(vec![Verdict::Owned])]);
    let claims = machine.claims("cloud-001").published_by(after.clone());
    let mut resumed = claims.resume_own().await.expect("resume");
    assert_eq!(after.asked()[0][0], arbiter.asked()[0][0], "by the nonce that it had");
    assert!(!machine.has("In_Progress/cloud-001/EMAIL_2.claim.json"));
    claims.release(resumed.owned.remove(0)).await.expect("release");
    assert!(machine.has("Needs_Action/EMAIL_1.md"));
    assert!(!machine.has("In_Progress/cloud-001/EMAIL_1.claim.json"));
}

/// It stayed in In_Progress until the next start.
#[tokio::test]
async fn what_could_not_be_put_back_is_by_the_next_cycle() {
    for point in ["claim.put_back", "vault.unlink", "vault.rename"] {
        for given_up in [false, true] {
            let machine = Machine::new();
            let candidates = vec![machine.put("Needs_Action/EMAIL_1.md")];
            let answer = if given_up { Ok(vec![Verdict::Owned]) } else { Err(unreachable(false)) };
            let claims = machine.claims("cloud-001").published_by(Arbiter::saying(vec![answer]));
            // The first rename is the claim itself.
            let nth = if point == "vault.rename" && !given_up { 2 } else { 1 };
            let fail = || fault::arm_here(Some(Plan::at(point, nth, Effect::Fail(Errno::IO))));
            if !given_up {
                fail();
            }
            let mut taken = claims.take(candidates).await;
            if given_up {
                fail();
                claims.release(taken.owned.remove(0)).await.expect_err("it fails");
            } else {
                assert_eq!(taken.failed.len(), 1, "{point}");
            }
            assert!(fault::arm_here(None).is_some_and(|plan| plan.has_struck()), "{point}");
            assert!(claims.has_unsettled() && machine.has("In_Progress/cloud-001/EMAIL_1.md"), "{point}");

            let next = claims.take(Vec::new()).await;
            assert!(next.failed.is_empty() && next.owned.is_empty());
            assert!(!claims.has_unsettled() && machine.has("Needs_Action/EMAIL_1.md"), "{point}");
            assert!(!machine.has("In_Progress/cloud-001/EMAIL_1.claim.json"));
        }
    }
}

/// A folder that could not be made durable left the tasks in work until the next start. Found by a
/// schedule.
#[tokio::test]
async fn what_was_moved_by_half_is_back_by_the_next_cycle() {
    for nth in 1.. {
        let machine = Machine::new();
        let candidates = vec![machine.put("Needs_Action/EMAIL_1.md"), machine.put("Needs_Action/EMAIL_2.md")];
        let claims = machine
            .claims("cloud-001")
            .published_by(Arbiter::saying(vec![Err(unreachable(false)), Err(unreachable(false))]));
        fault::arm_here(Some(Plan::at("vault.fsync_dir", nth, Effect::Fail(Errno::IO))));
        let taken = claims.take(candidates).await;
        let struck = fault::arm_here(None).is_some_and(|plan| plan.has_struck());
        assert!(taken.owned.is_empty());
        claims.take(Vec::new()).await;
        assert!(!claims.has_unsettled(), "{nth}");
        assert!(machine.has("Needs_Action/EMAIL_1.md") && machine.has("Needs_Action/EMAIL_2.md"), "{nth}");
        if !struck {
            assert!(nth > 3, "{nth}");
            return;
        }
    }
}

/// Eight clones, kills and a crowded remote: an agent that came back was overtaken twelve times,
/// put back what it owned and had begun, and another one did the work again.
#[tokio::test]
async fn what_may_be_owned_is_not_given_away_because_the_remote_is_out_of_reach() {
    let machine = Machine::new();
    let candidates = vec![machine.put("Needs_Action/EMAIL_1.md")];
    let arbiter = Arbiter::saying(vec![Ok(vec![Verdict::Owned])]);
    drop(machine.claims("cloud-001").published_by(arbiter).take(candidates).await);

    let new = machine.put("Needs_Action/EMAIL_2.md");
    let after = Arbiter::saying(vec![
        Err(unreachable(false)),
        Err(unreachable(false)),
        Ok(vec![Verdict::Owned, Verdict::Owned]),
    ]);
    let claims = machine.claims("cloud-001").published_by(after.clone());
    let resumed = claims.resume_own().await.expect("resume");
    assert!(resumed.owned.is_empty() && resumed.unpublished.is_some());
    assert!(claims.has_unsettled() && machine.has("In_Progress/cloud-001/EMAIL_1.claim.json"));
    let taken = claims.take(vec![new.clone()]).await;
    assert!(taken.owned.is_empty());
    assert!(machine.has("In_Progress/cloud-001/EMAIL_1.md"), "it may be owned");
    assert!(machine.has("Needs_Action/EMAIL_2.md"), "this one is not");
    assert_eq!(claims.take(vec![new]).await.owned.len(), 2);
    assert_eq!(after.asked()[0][0], after.asked()[2][0], "by the nonce that it had");
}

#[tokio::test]
async fn a_claim_goes_stale_by_the_observers_own_clock_and_across_its_restarts() {
    let machine = Machine::new();
    for path in ["Needs_Action/EMAIL_1.md", "Needs_Action/EMAIL_2.md"] {
        let location = machine.put(path);
        machine.vault.advance(&location, Stage::InProgress("cloud-001".parse().expect("a"))).expect("move");
    }
    machine.put("In_Progress/cloud-001/PAYMENT_1.md");
    machine.put("In_Progress/cloud-001/EXECUTE_EMAIL_3.md");
    let look = |progress: &str| Observation {
        at: machine.clock.now(),
        progress: BTreeMap::from([("cloud-001".parse().expect("agent"), progress.to_owned())]),
    };
    // Every look is a restart of the observer.
    let observe =
        async |observation| machine.claims("local-001").reclaim_stale(observation).await.expect("reclaim");
    assert!(observe(look("beat 1")).await.is_empty());
    machine.clock.advance(TimeDelta::minutes(59));
    assert!(observe(look("beat 1")).await.is_empty());
    // Progress starts the count again.
    assert!(observe(look("beat 2")).await.is_empty());
    machine.clock.advance(TimeDelta::minutes(59));
    let out_of_sight = look("beat 2");
    machine.clock.advance(TimeDelta::minutes(600));
    assert!(observe(out_of_sight).await.is_empty(), "time does not run while nothing can be seen");
    let rewritten = machine.vault.root().join("In_Progress/cloud-001/EMAIL_2.md");
    std::fs::write(&rewritten, "changed").expect("write");
    assert_eq!(observe(look("beat 2")).await, ["EMAIL_1".parse().expect("id")]);
    assert!(machine.has("Needs_Action/EMAIL_1.md"));
    assert!(machine.has("In_Progress/cloud-001/PAYMENT_1.md"), "one claimant: nobody takes it back");
    assert!(machine.has("In_Progress/cloud-001/EXECUTE_EMAIL_3.md"));
}
