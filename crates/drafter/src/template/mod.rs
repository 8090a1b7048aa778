//! Drafts from templates: offline, and the same for the same task.

mod books;
mod invoicing;
mod pages;
mod reply;
mod summary;

use async_trait::async_trait;
use task::{Action, Call, TaskKind};

use crate::message::Message;
use crate::text::line;
use crate::{BuildError, Draft, DraftError, Drafter, Request, quiet};

pub(crate) use invoicing::noted;
use pages::Pages;
pub(crate) use reply::{number, participants, platform_of, platforms, reply_subject, thread, tool};

/// How the template names itself in a task.
const NAME: &str = "template";

/// Drafts from templates.
#[derive(Debug)]
pub struct TemplateDrafter {
    pages: Pages,
}

impl TemplateDrafter {
    /// With the built-in templates, and the owner's own in their place where `own` has some.
    pub fn new(own: Option<&std::path::Path>) -> Result<Self, BuildError> {
        Ok(Self { pages: Pages::load(own)? })
    }

    /// Drafts without looking whether an answer is needed.
    pub(crate) fn write(&self, request: &Request<'_>, message: &Message) -> Result<Draft, DraftError> {
        let mut message = message.clone();
        message.language = message.language.allowed(request.house);
        let draft = self.fill(request, &message)?;
        match &draft {
            // What the handbook never says may stand in the words that are quoted back.
            Draft::Proposal { action, .. }
                if message.wish.is_some()
                    && action.call.text().is_some_and(|text| request.house.never_in(text).is_some()) =>
            {
                message.wish = None;
                self.fill(request, &message)
            }
            _ => Ok(draft),
        }
    }

    fn fill(&self, request: &Request<'_>, message: &Message) -> Result<Draft, DraftError> {
        let kind = TaskKind::of(&request.task.front.id);
        Ok(match kind {
            TaskKind::Email => reply::mail(&self.pages, request, message)?,
            TaskKind::Linkedin | TaskKind::Facebook | TaskKind::Instagram | TaskKind::Twitter => {
                reply::social(&self.pages, request, message)?
            }
            TaskKind::Whatsapp => reply::whatsapp(&self.pages, request, message)?,
            TaskKind::Social if summary::is_asked(request.task) => summary::next(request),
            TaskKind::Social | TaskKind::Salespost => reply::post(&self.pages, request, message)?,
            TaskKind::Odoo => invoicing::next(&self.pages, request, message, books::invoice(request))?,
            TaskKind::Payment => books::payment(request),
            TaskKind::Schedule | TaskKind::Audit | TaskKind::Error | TaskKind::Unknown => {
                other(kind, request, message)
            }
        })
    }
}

#[async_trait]
impl Drafter for TemplateDrafter {
    async fn draft(&self, request: &Request<'_>) -> Result<Draft, DraftError> {
        let message = Message::of(request.task);
        match quiet::reason(request.task, &message) {
            Some(reason) => Ok(Draft::NoAction { reason }),
            None => self.write(request, &message),
        }
    }
}

/// Makes a proposal, or a question where the action does not hold.
fn propose(request: &Request<'_>, call: Result<Call, String>, plan: Vec<String>) -> Draft {
    match call {
        Ok(call) => on_behalf(request, call, plan, NAME),
        Err(reason) => Draft::NeedsPerson {
            question: format!("no draft could be made: {reason}; what is to be done?"),
            plan,
        },
    }
}

/// Decodes arguments as anything that comes from outside is decoded.
fn decode(tool: &str, arguments: serde_json::Value) -> Result<Call, String> {
    Call::decode(tool, arguments).map_err(|error| error.to_string())
}

/// A proposal on behalf of the task's own account, else of the owner's account at the server that has the
/// tool; a question where there is none.
pub(crate) fn on_behalf(request: &Request<'_>, call: Call, plan: Vec<String>, drafter: &str) -> Draft {
    if let Some(question) = belongs_elsewhere(request, &call) {
        return Draft::NeedsPerson { question, plan };
    }
    match account(request, &call) {
        Ok(account) => {
            Draft::Proposal { plan, action: Action { account, call }, drafter: drafter.to_owned() }
        }
        Err(question) => Draft::NeedsPerson { question, plan },
    }
}

/// On whose behalf a call acts, or the question to the owner.
pub(crate) fn account(request: &Request<'_>, call: &Call) -> Result<String, String> {
    named(request).or_else(|| request.accounts.of(call).map(str::to_owned)).ok_or_else(|| {
        format!(
            "{} needs an account of yours, and the task names none: on whose account is it to be done? write it as \
             `account:` in the task, or in local-agent modify {}",
            call.tool(),
            request.task.front.id
        )
    })
}

/// The account that the task itself names.
fn named(request: &Request<'_>) -> Option<String> {
    let account = request.task.front.account.as_deref().map(|account| line(account, 254));
    account.filter(|account| !account.is_empty())
}

/// The mailbox that a mail came to.
pub(crate) fn mailbox(request: &Request<'_>) -> String {
    named(request).or_else(|| request.accounts.mail.clone()).unwrap_or_default()
}

/// What a role may not even propose is left to the owner.
fn belongs_elsewhere(request: &Request<'_>, call: &Call) -> Option<String> {
    let refused = policy::decide(request.role, call.server(), call.tool()) == policy::Decision::Refuse;
    refused.then(|| {
        format!(
            "{} belongs on the owner's machine and cannot be drafted here; what is to be done?",
            call.tool()
        )
    })
}

/// Tasks that nothing can be proposed for.
fn other(kind: TaskKind, request: &Request<'_>, message: &Message) -> Draft {
    let front = &request.task.front;
    let about = if message.subject.is_empty() { line(&message.text, 120) } else { message.subject.clone() };
    let about = if about.is_empty() { front.id.to_string() } else { about };
    let plan = vec![format!("read the task: {about}")];
    let question = match kind {
        TaskKind::Error => format!("something failed: {about}; try again, settle it by hand, or reject it?"),
        TaskKind::Audit | TaskKind::Schedule if !front.requires_approval && !message.text.contains('?') => {
            return Draft::NoAction { reason: format!("for information only: {about}") };
        }
        TaskKind::Audit => format!("the audit asks for a decision: {about}; what is to be done?"),
        TaskKind::Schedule => format!("it is time for this: {about}; what is to be done?"),
        _ => format!("nobody has taught me this kind of task: {about}; what is to be done?"),
    };
    Draft::NeedsPerson { question, plan }
}
