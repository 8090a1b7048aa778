//! What a model may propose for a task, and whether what it said is that. The recipient, the
//! account, the thread and the tool follow from the task; the model supplies words and figures.

use std::collections::BTreeSet;

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::Value;
use task::{Call, EmailMessage, Invoice, Platform, SocialPost, TaskKind};

use crate::fields::money;
use crate::message::{Message, bare_address, original};
use crate::template::{
    mailbox, number, on_behalf, participants, platform_of, platforms, reply_subject, thread, tool,
};
use crate::text::line;
use crate::{Draft, Request};

/// The most and the longest steps of a plan.
const STEPS: usize = 10;
const STEP: usize = 300;
/// The longest words of a draft, in characters; nobody reads more before approving.
const WORDS: usize = 10_000;

/// What may be proposed for one task.
pub(crate) struct Rules {
    /// The tools that fit the task's kind.
    pub(crate) tools: Vec<&'static str>,
    to: Option<String>,
    cc: Vec<String>,
    reply_to: Option<String>,
    /// The task's text and values, for figures that must come from it.
    said: String,
}

/// An answer in the form that was asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    #[serde(default)]
    plan: Vec<String>,
    #[serde(default)]
    action: Option<Proposed>,
    #[serde(default)]
    question: Option<String>,
    #[serde(default)]
    no_action_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proposed {
    tool: String,
    arguments: Value,
}

impl Rules {
    /// None where no model is asked: payments are read by code alone, a private message has no
    /// tool, and other kinds have nothing to propose.
    pub(crate) fn of(request: &Request<'_>, message: &Message) -> Option<Self> {
        let task = request.task;
        let front = &task.front;
        let none =
            || Self { tools: Vec::new(), to: None, cc: Vec::new(), reply_to: None, said: String::new() };
        let rules = match TaskKind::of(&front.id) {
            TaskKind::Email => {
                let to = front.reply_to.as_deref().map(bare_address).or_else(|| message.from.clone())?;
                let cc = participants(task, &mailbox(request));
                Self { tools: vec!["send_email"], to: Some(to), cc, ..none() }
            }
            kind @ (TaskKind::Linkedin | TaskKind::Facebook | TaskKind::Instagram | TaskKind::Twitter) => {
                let private =
                    front.extra.get("event").and_then(|event| event.as_str()) == Some("direct_message");
                let platform = platform_of(kind).filter(|_| !private)?;
                Self { tools: vec![tool(platform)], reply_to: Some(front.source_id.clone()?), ..none() }
            }
            TaskKind::Social | TaskKind::Salespost => {
                let [platform] = platforms(task)[..] else { return None };
                if platform == Platform::Instagram {
                    return None;
                }
                Self { tools: vec![tool(platform)], ..none() }
            }
            TaskKind::Whatsapp => {
                Self { tools: vec!["send_whatsapp"], to: Some(number(message.from.as_deref()?)), ..none() }
            }
            TaskKind::Odoo if !front.extra.contains_key("invoice_id") => {
                let values = serde_yaml::to_string(&front.extra).unwrap_or_default();
                let said = format!("{}\n{}\n{values}", message.subject, original(task));
                Self { tools: vec!["create_invoice_draft"], said, ..none() }
            }
            TaskKind::Odoo
            | TaskKind::Payment
            | TaskKind::Schedule
            | TaskKind::Audit
            | TaskKind::Error
            | TaskKind::Unknown => return None,
        };
        Some(rules)
    }

    /// The same rules, in words for the model.
    pub(crate) fn constraints(&self) -> Vec<String> {
        let mut all = Vec::new();
        if let Some(to) = &self.to {
            all.push(format!("The only recipient is {to}. No bcc, no attachments."));
        }
        if let Some(id) = &self.reply_to {
            all.push(format!("reply_to is {}. No media.", line(id, 200)));
        }
        if !self.said.is_empty() {
            all.push("Customer, quantities and prices must stand in the task as you give them.".into());
        }
        all
    }

    /// Turns an answer into a draft, or says what is wrong with it, for the model to read.
    pub(crate) fn judge(&self, request: &Request<'_>, text: &str, drafter: &str) -> Result<Draft, String> {
        let json = object_in(text).ok_or("the answer has no JSON object")?;
        let answer: Answer =
            serde_json::from_str(json).map_err(|error| format!("the answer does not fit: {error}"))?;
        let plan: Vec<String> = answer
            .plan
            .iter()
            .take(STEPS)
            .map(|step| line(step, STEP))
            .filter(|step| !step.is_empty())
            .collect();
        let filled = |text: Option<String>| text.map(|text| line(&text, 500)).filter(|text| !text.is_empty());
        match (answer.action, filled(answer.question), filled(answer.no_action_reason)) {
            (Some(proposed), None, None) => {
                let call = self.call(request, proposed)?;
                Ok(on_behalf(request, call, plan, drafter))
            }
            (None, Some(question), None) => Ok(Draft::NeedsPerson { question, plan }),
            (None, None, Some(reason)) => {
                Ok(Draft::NoAction { reason: format!("no answer needed, says {drafter}: {reason}") })
            }
            _ => Err("exactly one of action, question and no_action_reason must be given".into()),
        }
    }

    fn call(&self, request: &Request<'_>, proposed: Proposed) -> Result<Call, String> {
        let Proposed { tool, mut arguments } = proposed;
        if !self.tools.contains(&tool.as_str()) {
            return Err(format!(
                "tool {:?} does not fit this task; use {}",
                line(&tool, 60),
                self.tools.join(" or ")
            ));
        }
        // Models write null where they mean absent.
        if let Some(arguments) = arguments.as_object_mut() {
            arguments.retain(|_, value| !value.is_null());
        }
        let call = match Call::decode(&tool, arguments).map_err(|error| error.to_string())? {
            Call::SendEmail(mail) => Call::SendEmail(self.mail(request, mail)?),
            Call::PostLinkedin(post) => Call::PostLinkedin(self.post(post)?),
            Call::PostFacebook(post) => Call::PostFacebook(self.post(post)?),
            Call::PostInstagram(post) => Call::PostInstagram(self.post(post)?),
            Call::PostTwitter(post) => Call::PostTwitter(self.post(post)?),
            Call::SendWhatsapp(message) => {
                self.recipient(&message.to)?;
                Call::SendWhatsapp(message)
            }
            Call::CreateInvoiceDraft(invoice) => Call::CreateInvoiceDraft(self.invoice(invoice)?),
            Call::DraftEmail(_)
            | Call::PostInvoice(_)
            | Call::DraftSocialPost(_)
            | Call::InitiatePayment(_) => {
                return Err(format!("tool {tool} is not proposed by a model"));
            }
        };
        if call.text().is_some_and(|text| text.chars().count() > WORDS) {
            return Err(format!("the text is longer than {WORDS} characters"));
        }
        // What was put in its place by us holds to the same rules.
        let arguments = call.arguments().map_err(|error| error.to_string())?;
        Call::decode(&tool, arguments).map_err(|error| error.to_string())
    }

    fn recipient(&self, given: &str) -> Result<(), String> {
        match &self.to {
            Some(to) if to.eq_ignore_ascii_case(given) => Ok(()),
            Some(to) => {
                Err(format!("recipient {:?} is not this task's; the only one is {to}", line(given, 100)))
            }
            None => Err("this task has no recipient".into()),
        }
    }

    fn mail(&self, request: &Request<'_>, mail: EmailMessage) -> Result<EmailMessage, String> {
        mail.to.iter().try_for_each(|to| self.recipient(to))?;
        let known = |cc: &&String| !self.cc.iter().any(|one| one.eq_ignore_ascii_case(cc));
        if let Some(stranger) = mail.cc.iter().find(known) {
            return Err(format!("copy to {:?}, who is not in this thread", line(stranger, 100)));
        }
        if !mail.bcc.is_empty() || !mail.attachments.is_empty() {
            return Err("bcc and attachments are not for a draft".into());
        }
        let (in_reply_to, references) = thread(request.task);
        let subject = reply_subject(&line(request.task.front.subject.as_deref().unwrap_or_default(), 200));
        Ok(EmailMessage {
            to: self.to.clone().into_iter().collect(),
            subject,
            in_reply_to,
            references,
            ..mail
        })
    }

    fn post(&self, post: SocialPost) -> Result<SocialPost, String> {
        if post.reply_to.is_some() && post.reply_to != self.reply_to {
            return Err(format!("reply_to must be {:?}", self.reply_to));
        }
        if !post.media.is_empty() {
            return Err("media are not for a draft".into());
        }
        Ok(SocialPost { reply_to: self.reply_to.clone(), ..post })
    }

    fn invoice(&self, invoice: Invoice) -> Result<Invoice, String> {
        let said = self.said.to_lowercase();
        if !said.contains(&invoice.partner.to_lowercase()) {
            return Err(format!("partner {:?} does not stand in the task", line(&invoice.partner, 100)));
        }
        let figures: BTreeSet<Decimal> = figures(&self.said);
        for entry in &invoice.lines {
            for (what, amount) in [("quantity", entry.quantity), ("unit_price", entry.unit_price)] {
                let one = what == "quantity" && amount.decimal() == Decimal::ONE;
                if !one && !figures.contains(&amount.decimal().normalize()) {
                    return Err(format!("{what} {amount} does not stand in the task"));
                }
            }
        }
        Ok(invoice)
    }
}

/// Every figure in a text, as far as it can be read in one way.
fn figures(text: &str) -> BTreeSet<Decimal> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == ','))
        .map(|figure| figure.trim_matches(['.', ',']))
        .filter(|figure| !figure.is_empty())
        .filter_map(|figure| money(figure).ok())
        .map(|(amount, _)| amount.decimal().normalize())
        .collect()
}

/// The JSON object in an answer that may have words or a code fence around it.
fn object_in(text: &str) -> Option<&str> {
    let (start, end) = (text.find('{')?, text.rfind('}')?);
    text.get(start..=end)
}
