//! Drafts from templates: offline, and the same for the same task.

mod books;
mod pages;
mod reply;

use async_trait::async_trait;
use task::{Action, Call, TaskKind};

use crate::message::Message;
use crate::text::line;
use crate::{BuildError, Draft, DraftError, Drafter, Request, quiet};

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
        let kind = TaskKind::of(&request.task.front.id);
        let draft = match kind {
            TaskKind::Email => reply::mail(&self.pages, request, message)?,
            TaskKind::Linkedin | TaskKind::Facebook | TaskKind::Instagram | TaskKind::Twitter => {
                reply::social(&self.pages, request, message)?
            }
            TaskKind::Whatsapp => reply::whatsapp(&self.pages, request, message)?,
            TaskKind::Social | TaskKind::Salespost => reply::post(&self.pages, request)?,
            TaskKind::Odoo => books::invoice(request),
            TaskKind::Payment => books::payment(request),
            TaskKind::Schedule | TaskKind::Audit | TaskKind::Error | TaskKind::Unknown => {
                other(kind, request, message)
            }
        };
        Ok(permitted(request, draft))
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
        Ok(call) => {
            let account = account(request);
            Draft::Proposal { plan, action: Action { account, call }, drafter: NAME.to_owned() }
        }
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

/// The account that acts: the task's own, else the one that the request names.
pub(crate) fn account(request: &Request<'_>) -> String {
    match request.task.front.account.as_deref().map(|account| line(account, 254)) {
        Some(account) if !account.is_empty() => account,
        _ => request.account.to_owned(),
    }
}

/// What a role may not even propose is left to the owner.
pub(crate) fn permitted(request: &Request<'_>, draft: Draft) -> Draft {
    match draft {
        Draft::Proposal { plan, action, .. }
            if policy::decide(request.role, action.call.server(), action.call.tool())
                == policy::Decision::Refuse =>
        {
            let question = format!(
                "{} belongs on the owner's machine and cannot be drafted here; what is to be done?",
                action.call.tool()
            );
            Draft::NeedsPerson { question, plan }
        }
        draft => draft,
    }
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
