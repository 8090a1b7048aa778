//! Every state-changing step of a claim fails, and is the last thing that a process does: nobody
//! works on what it does not own, and nothing is stranded.

use std::cell::RefCell;
use std::collections::BTreeSet;

use fault::at_every_step;

use super::*;

const TASKS: [&str; 3] = ["Needs_Action/EMAIL_1.md", "Needs_Action/EMAIL_2.md", "Needs_Action/PAYMENT_3.md"];

/// A remote that takes the first claim of each task, and that is out of reach, or loses its answer,
/// as the plan says.
#[derive(Default)]
struct Remote(Mutex<BTreeMap<TaskId, ClaimRecord>>);

impl Remote {
    fn owner_of(&self, id: &TaskId) -> Option<ClaimRecord> {
        self.0.lock().expect("claims").get(id).cloned()
    }
}

#[async_trait]
impl Publisher for Remote {
    async fn publish(&self, claims: &[ClaimRecord]) -> Result<Vec<Verdict>, PublishError> {
        fault::reach("remote.reach").map_err(|e| PublishError::NotPublished(e.to_string().into()))?;
        let decide = |claim: &ClaimRecord| {
            let mut known = self.0.lock().expect("claims");
            let first = known.entry(claim.id.clone()).or_insert_with(|| claim.clone());
            if first.nonce == claim.nonce { Verdict::Owned } else { Verdict::Lost }
        };
        let verdicts = claims.iter().map(decide).collect();
        fault::reach("remote.answer").map_err(|e| PublishError::Unknown(e.to_string().into()))?;
        Ok(verdicts)
    }
}

struct World {
    machine: Machine,
    remote: Arc<Remote>,
    /// What work was begun on, and by which claim.
    begun: RefCell<BTreeSet<TaskId>>,
}

impl World {
    fn new() -> Self {
        let machine = Machine::new();
        for path in TASKS {
            machine.put(path);
        }
        Self { machine, remote: Arc::default(), begun: RefCell::default() }
    }

    /// A new process of the same agent, which resumes what it had and takes up what there is.
    fn process(&self) -> Result<(), ClaimError> {
        fault::incarnate(fault::incarnation() + 1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async {
            let claims = self.machine.claims("local-001").published_by(self.remote.clone());
            let resumed = claims.resume_own().await?;
            self.work(&claims, resumed.owned).await?;
            let listed = self.machine.vault.list(&Folder::NeedsAction)?.tasks;
            let taken = claims.take(listed.into_iter().map(|entry| entry.location).collect()).await;
            self.work(&claims, taken.owned).await?;
            // What could not be settled is at the next take.
            let again = claims.take(Vec::new()).await;
            self.work(&claims, again.owned).await
        })
    }

    async fn work(&self, claims: &Claims, owned: Vec<Owned>) -> Result<(), ClaimError> {
        for claim in owned {
            let id = claim.id().clone();
            if is_shared(claim.location()) {
                let owner = self.remote.owner_of(&id).expect("owned by somebody");
                let mine = claim.record.as_ref().expect("a record");
                assert_eq!(owner.nonce, mine.nonce, "{id} is worked on by who does not own it");
            }
            self.begun.borrow_mut().insert(id);
            let file = self.machine.vault.read(claim.location()).expect("what is owned is there");
            self.machine.vault.finish(&file, &file.task, Stage::PendingApproval)?;
            claims.complete(claim).await?;
        }
        Ok(())
    }
}

#[test]
fn nobody_works_on_what_it_does_not_own_and_nothing_is_stranded() {
    let steps =
        ["claim.take", "claim.record", "claim.complete", "remote.reach", "remote.answer", "vault.rename"];
    let runs = at_every_step(&steps, World::new, World::process, |world, strike| {
        for _ in 0..2 {
            world.process().expect("an undisturbed process");
        }
        for path in TASKS {
            let id = Location::parse(path).expect("location").id;
            let at = world.machine.vault.find(&id).expect("find").expect("not lost");
            assert_eq!(at.stage, Stage::PendingApproval, "{id} is stranded after {strike}");
            assert!(world.begun.borrow().contains(&id));
        }
        let listed = world.machine.vault.list(&Folder::PendingApproval).expect("list");
        assert_eq!(listed.tasks.len(), TASKS.len(), "doubled after {strike}");
        let me = "local-001".parse().expect("agent");
        assert_eq!(world.machine.vault.claim_files(&me).expect("list"), [], "left behind after {strike}");
    });
    assert!(runs >= 60, "{runs}");
}
