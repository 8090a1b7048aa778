//! The one place where the handbook's rules meet a draft: who gets no answer, what is said of
//! hours and of those who come first, what a draft may not say, what may be paid, and the signature.

use async_trait::async_trait;
use policy::{House, Sender};
use task::{Action, Call, Task, TaskKind};

use crate::message::bare_address;
use crate::text::line;
use crate::{Act, Draft, DraftError, Drafter, Next, Request};

/// A drafter under the handbook's rules.
pub(crate) struct Housed<D>(pub(crate) D);

#[async_trait]
impl<D: Drafter> Drafter for Housed<D> {
    async fn draft(&self, request: &Request<'_>) -> Result<Draft, DraftError> {
        if let Some(draft) = closed(request) {
            return Ok(draft);
        }
        Ok(kept(request, self.0.draft(request).await?))
    }
}

/// Everybody whom a task names as its writer: `from` may be a list, and answers may be wanted elsewhere.
pub fn writers(task: &Task) -> Vec<String> {
    let front = &task.front;
    let extra = ["sender", "from_handle"].into_iter().filter_map(|key| front.extra.get(key)?.as_str());
    front
        .from
        .iter()
        .chain(&front.reply_to)
        .map(String::as_str)
        .chain(extra)
        .flat_map(|text| text.split([',', ';']))
        .map(|text| bare_address(&line(text, 320)))
        .filter(|who| !who.is_empty())
        .collect()
}

/// The rule of the handbook that leaves a task without an answer.
pub fn blocked<'a>(house: &'a House, task: &Task) -> Option<(&'a Sender, String)> {
    writers(task).into_iter().find_map(|who| house.blocks(&who).map(|rule| (rule, who)))
}

/// What becomes of a task whose writer is blocked, if he is.
fn closed(request: &Request<'_>) -> Option<Draft> {
    let (rule, who) = blocked(request.house, request.task)?;
    let reason = format!("{who} is blocked by the handbook (blocked: {rule})");
    Some(match TaskKind::of(&request.task.front.id) {
        // A bill is not left alone without a word.
        TaskKind::Payment | TaskKind::Odoo => {
            Draft::NeedsPerson { question: format!("{reason}; what is to be done?"), plan: Vec::new() }
        }
        _ => Draft::NoAction { reason },
    })
}

/// A draft as the handbook lets it stand.
fn kept(request: &Request<'_>, draft: Draft) -> Draft {
    let house = request.house;
    let (mut plan, action, drafter) = match draft {
        Draft::Proposal { plan, action, drafter } => (plan, action, drafter),
        // A step that is put before the owner is written as any other draft is.
        Draft::Next(Next { act: Act::Propose(action), what, then, drafter }) => {
            return match written(request, action, &mut Vec::new()) {
                Ok(action) => Draft::Next(Next { act: Act::Propose(action), what, then, drafter }),
                Err(question) => Draft::NeedsPerson { question, plan: Vec::new() },
            };
        }
        draft => return draft,
    };
    if let Some(who) = writers(request.task).iter().find(|who| house.is_vip(who)) {
        plan.insert(0, format!("{who} is a VIP of the handbook: high priority"));
    }
    if let Some(hours) = &house.working_hours
        && !hours.open(request.now, &chrono::Local)
    {
        plan.push(format!("drafted outside of the working hours ({hours})"));
    }
    match written(request, action, &mut plan) {
        Ok(action) => Draft::Proposal { plan, action, drafter },
        Err(question) => Draft::NeedsPerson { question, plan },
    }
}

/// An action in the words that the handbook lets stand, or the question to the owner.
fn written(request: &Request<'_>, mut action: Action, plan: &mut Vec<String>) -> Result<Action, String> {
    let house = request.house;
    if let Some(signature) = house.signature.as_deref() {
        sign(&mut action, signature);
    }
    if let Some(word) = action.call.text().and_then(|text| house.never_in(text)) {
        let question = format!(
            "the draft says {word:?}, which the handbook never says; write it otherwise with local-agent modify {}, or reject it",
            request.task.front.id
        );
        plan.push(format!("the draft was: {}", line(action.call.text().unwrap_or_default(), 2_000)));
        return Err(question);
    }
    if let Call::InitiatePayment(payment) = &action.call
        && let Some(against) = house.against_payment(payment)
    {
        return Err(format!("the payment is not proposed: {against}"));
    }
    Ok(action)
}

/// Ends a mail with the signature, once.
fn sign(action: &mut Action, signature: &str) {
    let (Call::SendEmail(mail) | Call::DraftEmail(mail)) = &mut action.call else { return };
    let (body, signature) = (mail.body.trim_end(), signature.trim());
    if !body.ends_with(signature) {
        mail.body = format!("{body}\n\n{signature}");
    }
}
