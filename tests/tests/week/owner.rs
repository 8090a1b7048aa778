//! The owner: approves most, changes some first, rejects some, and forgets the rest.

use std::collections::BTreeSet;
use std::sync::Arc;

use approval::{Desk, DeskError, KeyFiles, NewKey, Retyped, Signer};
use daemon::Setup;
use signature::{Approvers, Register};
use task::{Action, Call, Clock, Digest, FixedClock, Mode, TaskId, TaskKind};
use vault::Folder;
use worker::open_vault;

/// The owner at the desk, with the key.
pub(crate) struct Owner {
    desk: Desk,
    signer: Signer,
    modified: BTreeSet<TaskId>,
}

/// What the owner makes of a draft: decided by the task's name.
fn temper(id: &TaskId) -> u32 {
    if id.as_str().starts_with("SALESPOST_linkedin-post_") {
        return 0;
    }
    id.as_str().bytes().fold(7_u32, |sum, b| sum.wrapping_mul(31).wrapping_add(u32::from(b))) % 10
}

impl Owner {
    /// Makes the owner's key on the machine of `setup`.
    pub(crate) fn new(setup: &Setup, clock: &Arc<FixedClock>) -> Self {
        let files = KeyFiles::in_data(setup.data.root());
        let owner = approval::init(&files, "owner", || Ok(NewKey::Unprotected)).expect("init");
        let journal = setup.data.journal();
        let desk = Desk {
            vault: open_vault(setup).expect("vault"),
            vault_id: owner.vault_id,
            agent: setup.agent.clone(),
            executor: setup.agent.clone(),
            mode: Mode::Live,
            limits: setup.config.approval.clone(),
            approvers: Approvers::load(&files.approvers).expect("approvers"),
            register: Register::new(setup.data.root()),
            paid: Arc::new(move |iban| {
                let journal = executor::Journal::open(&journal).map_err(|error| error.to_string())?;
                journal.paid_to(iban).map_err(|error| error.to_string())
            }),
            own: approval::Own::default(),
            clock: Arc::clone(clock) as Arc<dyn Clock>,
        };
        Self { desk, signer: Signer::key_file(&files.key, None), modified: BTreeSet::new() }
    }

    /// Looks through what waits.
    pub(crate) fn decide(&mut self) {
        for entry in self.desk.vault.list(&Folder::PendingApproval).expect("list").tasks {
            let id = entry.location.id;
            let file = self.desk.open(&id).expect("open");
            let digest = self.desk.review(&file.task).expect("review").digest;
            match (temper(&id), digest, file.task.front.action) {
                (8 | 9, ..) => {}
                (5, Some(digest), Some(action)) if action.call.text().is_some() => {
                    match self.modified.insert(id.clone()) {
                        true => self.modify(&id, action),
                        false => self.approve(&id, &digest, &action),
                    }
                }
                (0..=5, Some(digest), Some(action)) => self.approve(&id, &digest, &action),
                _ => drop(self.desk.reject(&id, "not this time").expect("reject")),
            }
        }
    }

    fn modify(&self, id: &TaskId, action: Action) {
        let words = format!("Dear all,\n\nwith pleasure.\n\nJane Doe, about {id}");
        let call = action.call.with_text(&words).expect("words").expect("fits");
        self.desk.modify(id, None, Action { call, ..action }).expect("modify");
    }

    /// Signs; a payment's amount and payee are typed again, and a new payee is introduced first.
    fn approve(&self, id: &TaskId, digest: &Digest, action: &Action) {
        let Call::InitiatePayment(payment) = &action.call else {
            self.desk.approve(id, digest, &self.signer).expect("approve");
            return;
        };
        assert_eq!(TaskKind::of(id), TaskKind::Payment);
        let iban = payment.iban.to_string();
        let payee_end = iban[iban.len() - 4..].to_owned();
        let retyped = Retyped { amount: payment.amount.to_string(), payee_end };
        match self.desk.approve_payment(id, digest, &retyped, &self.signer) {
            Ok(_) | Err(DeskError::Held { .. }) => {}
            Err(error) => panic!("{id}: {error}"),
        }
    }
}
