//! An invoice, step by step: the customer is looked for in the books, what is open there is looked
//! at, the draft is made, the owner signs the posting and then the mail that announces it.
//!
//! Each call looks at the steps in the task and says the next one; nothing is kept in between.

use minijinja::context;
use serde_json::{Value, json};
use task::{Action, Call, Invoice, InvoicePosting, Server, Step, StepState, counted};

use super::NAME;
use super::pages::{Page, Pages};
use super::{account, decode};
use crate::message::Message;
use crate::text::line;
use crate::{Act, Draft, DraftError, Next, Request};

/// An invoice that somebody else has read out of a task, as its first step: from then on the steps
/// are these, and nobody reads the task a second time.
pub(crate) fn noted(request: &Request<'_>, invoice: &Invoice, drafter: &str) -> Option<Next> {
    let may = |tool| request.reach.allows(request.role, Server::Odoo, tool);
    if request.task.is_long() || !READS.iter().all(|tool| may(tool)) {
        return None;
    }
    let result = serde_json::to_value(invoice).ok()?;
    let said = format!(
        "{} in {} for {}",
        counted(invoice.lines.len(), "line"),
        invoice.currency,
        line(&invoice.partner, 100)
    );
    Some(Next {
        what: format!("read customer and lines from the task ({drafter})"),
        act: Act::Note { said, result },
        then: [LOOK, LIST, MAKE, POST, NUMBER, MAIL].map(str::to_owned).to_vec(),
        drafter: drafter.to_owned(),
    })
}

/// What [`noted`] wrote down, as the proposal that it stands for.
fn note(request: &Request<'_>) -> Option<Draft> {
    let first = request.task.front.steps.first().filter(|step| step.tool.is_none())?;
    let call = Call::decode("create_invoice_draft", first.outcome()).ok()?;
    let action = Action { account: account(request, &call).ok()?, call };
    Some(Draft::Proposal { plan: Vec::new(), action, drafter: NAME.to_owned() })
}

/// The next step of an invoice, in the place of what is proposed where no tool can be called.
pub(super) fn next(
    pages: &Pages,
    request: &Request<'_>,
    message: &Message,
    whole: Draft,
) -> Result<Draft, DraftError> {
    let whole = note(request).unwrap_or(whole);
    let Draft::Proposal { action, .. } = &whole else { return Ok(whole) };
    let case = Case { request, steps: &request.task.front.steps };
    if !READS.iter().all(|tool| case.may(tool)) {
        return Ok(whole);
    }
    match &action.call {
        Call::CreateInvoiceDraft(invoice) => case.draft_and_post(pages, message, invoice.clone(), &whole),
        Call::PostInvoice(posting) => case.post_given(pages, message, posting),
        _ => Ok(whole),
    }
}

const READS: [&str; 3] = ["list_partners", "list_invoices", "read_invoice"];

const LOOK: &str = "look for the customer";
const LIST: &str = "look at the customer's invoices";
const MAKE: &str = "draft the invoice in the books; it is not posted";
const POST: &str = "post the invoice, once you have signed that";
const NUMBER: &str = "read the number that it got";
const MAIL: &str = "mail it to the customer, once you have signed that";

/// A customer in the books.
struct Partner {
    name: String,
    email: Option<String>,
}

struct Case<'a> {
    request: &'a Request<'a>,
    steps: &'a [Step],
}

impl Case<'_> {
    fn may(&self, tool: &str) -> bool {
        self.request.reach.allows(self.request.role, Server::Odoo, tool)
    }

    /// The last step of `tool` that was made, with its place.
    fn done(&self, tool: &str) -> Option<(usize, &Step)> {
        let made =
            |(_, step): &(usize, &Step)| step.state == StepState::Done && step.tool.as_deref() == Some(tool);
        self.steps.iter().enumerate().rev().find(made)
    }

    /// What the last step of `tool` after place `at` answered.
    fn answer_after(&self, at: usize, tool: &str) -> Option<Value> {
        self.done(tool).filter(|(place, _)| *place >= at).map(|(_, step)| step.outcome())
    }

    fn call(&self, what: String, tool: &str, arguments: Value, then: &[&str]) -> Draft {
        let act = Act::Call { server: Server::Odoo, tool: tool.to_owned(), arguments };
        self.step(what, act, then)
    }

    fn step(&self, what: String, act: Act, then: &[&str]) -> Draft {
        let then = then.iter().map(|what| (*what).to_owned()).collect();
        Draft::Next(Next { what, act, then, drafter: NAME.to_owned() })
    }

    fn ask(&self, question: String) -> Draft {
        Draft::NeedsPerson { question, plan: Vec::new() }
    }

    fn draft_and_post(
        &self,
        pages: &Pages,
        message: &Message,
        mut invoice: Invoice,
        whole: &Draft,
    ) -> Result<Draft, DraftError> {
        let wanted = line(&invoice.partner, 100);
        let Some((at, answer)) = self.customers(&invoice.partner) else {
            return Ok(self.call(
                format!("look for {wanted} among the customers"),
                "list_partners",
                customers(&invoice.partner),
                &[LIST, MAKE, POST, NUMBER, MAIL],
            ));
        };
        let partner = match partner(&answer, &invoice.partner) {
            Ok(partner) => partner,
            Err(question) => return Ok(self.ask(question)),
        };
        invoice.partner.clone_from(&partner.name);
        // Without one of the customer's, the task's own name tells this invoice from all others.
        let mine = self.request.task.front.id.to_string();
        let reference = invoice.reference.get_or_insert(mine).clone();
        let Some(listed) = self.answer_after(at, "list_invoices") else {
            return Ok(self.call(
                format!("look at the invoices of {}", line(&partner.name, 100)),
                "list_invoices",
                json!({ "partner": partner.name, "limit": 20 }),
                &[MAKE, POST, NUMBER, MAIL],
            ));
        };
        let creating =
            self.steps.iter().rposition(|step| step.tool.as_deref() == Some("create_invoice_draft"));
        let state = creating.map(|at| self.steps[at].state);
        let made = match (creating, state) {
            (Some(at), Some(StepState::Done)) => Some(self.steps[at].outcome()),
            // It may be there although nobody was told so.
            (Some(at), Some(StepState::Unsure | StepState::Running)) => {
                let Some(listed) = self.answer_after(at, "list_invoices") else {
                    return Ok(self.call(
                        "look whether the draft was made".into(),
                        "list_invoices",
                        json!({ "partner": partner.name, "state": "draft", "limit": 100 }),
                        &[MAKE, POST, NUMBER, MAIL],
                    ));
                };
                referring(&listed, &reference).cloned()
            }
            _ => match referring(&listed, &reference) {
                Some(there) => {
                    return Ok(self.ask(format!(
                        "the books have an invoice with the reference {reference:?} already: {}; reject this task, \
                         or give it another reference and take it up again",
                        shown(there)
                    )));
                }
                None => None,
            },
        };
        let Some(made) = made else {
            if !self.may("create_invoice_draft") {
                return Ok(whole.clone());
            }
            let Ok(arguments) = Call::CreateInvoiceDraft(invoice.clone()).arguments() else {
                return Ok(whole.clone());
            };
            let count = counted(invoice.lines.len(), "line");
            return Ok(self.call(
                format!("draft an invoice of {count} in {}; it is not posted", invoice.currency),
                "create_invoice_draft",
                arguments,
                &[POST, NUMBER, MAIL],
            ));
        };
        let Some(id) = made["invoice_id"].as_u64().or_else(|| made["id"].as_u64()) else {
            return Ok(self.ask("the books did not say which invoice they drafted; post it by hand".into()));
        };
        let figures = match made["total"].is_null() {
            false => made,
            // It was made, and could not be read back then.
            true => match self.answer_after(creating.unwrap_or_default(), "read_invoice") {
                Some(read) => read["invoice"].clone(),
                None => {
                    let arguments = json!({ "invoice_id": id });
                    return Ok(self.call(
                        "read it back".into(),
                        "read_invoice",
                        arguments,
                        &[POST, NUMBER, MAIL],
                    ));
                }
            },
        };
        self.post(pages, message, &partner, id, &figures)
    }

    /// An invoice that was in the books before the task: what they say of it comes first.
    fn post_given(
        &self,
        pages: &Pages,
        message: &Message,
        posting: &InvoicePosting,
    ) -> Result<Draft, DraftError> {
        let id = posting.invoice_id;
        let first = self
            .steps
            .iter()
            .find(|step| step.state == StepState::Done && step.tool.as_deref() == Some("read_invoice"));
        let Some(read) = first.map(Step::outcome) else {
            return Ok(self.call(
                format!("read invoice {id} in the books"),
                "read_invoice",
                json!({ "invoice_id": id }),
                &["look for the customer's address", POST, NUMBER, MAIL],
            ));
        };
        let invoice = &read["invoice"];
        let said = |key: &str| invoice[key].as_str().unwrap_or_default();
        let total = said("total").parse::<task::Amount>().ok();
        let same = total.is_some_and(|total| total.decimal() == posting.total.decimal())
            && said("partner") == posting.partner
            && said("currency") == posting.currency.to_string();
        if !same {
            return Ok(self.ask(format!(
                "the task and the books do not agree; the books say: {}; correct the task and take it up again",
                shown(invoice)
            )));
        }
        if self.done("post_invoice").is_none() && said("state") != "draft" {
            return Ok(Draft::NoAction { reason: format!("{} is posted already", shown(invoice)) });
        }
        let Some((_, answer)) = self.customers(&posting.partner) else {
            return Ok(self.call(
                format!("look for {} among the customers", line(&posting.partner, 100)),
                "list_partners",
                customers(&posting.partner),
                &[POST, NUMBER, MAIL],
            ));
        };
        match partner(&answer, &posting.partner) {
            Ok(partner) => self.post(pages, message, &partner, id, invoice),
            Err(question) => Ok(self.ask(question)),
        }
    }

    /// Posting, and what follows.
    fn post(
        &self,
        pages: &Pages,
        message: &Message,
        partner: &Partner,
        id: u64,
        figures: &Value,
    ) -> Result<Draft, DraftError> {
        let mailbox = self.request.accounts.mail.as_deref();
        let to = partner.email.as_deref().filter(|_| mailbox.is_some());
        let Some((at, _)) = self.done("post_invoice") else {
            let arguments = json!({
                "invoice_id": id, "partner": figures["partner"], "total": figures["total"],
                "currency": figures["currency"],
            });
            let call = match decode("post_invoice", arguments) {
                Ok(call) => call,
                Err(reason) => {
                    return Ok(
                        self.ask(format!("the invoice cannot be posted: {reason}; what is to be done?"))
                    );
                }
            };
            let account = match account(self.request, &call) {
                Ok(account) => account,
                Err(question) => return Ok(self.ask(question)),
            };
            let action = Action { account, call };
            let then: &[&str] = if to.is_some() { &[NUMBER, MAIL] } else { &[] };
            return Ok(self.step(POST.into(), Act::Propose(action), then));
        };
        let (Some(to), Some(mailbox)) = (to, mailbox) else { return Ok(finished()) };
        let Some(read) = self.answer_after(at, "read_invoice") else {
            return Ok(self.call(NUMBER.into(), "read_invoice", json!({ "invoice_id": id }), &[MAIL]));
        };
        if self.done("send_email").is_some() {
            return Ok(finished());
        }
        let invoice = &read["invoice"];
        let Some(number) = invoice["number"].as_str() else {
            return Ok(self.ask("the posted invoice has no number yet; mail it by hand".into()));
        };
        let body = pages.render(
            Page::Invoice(message.language),
            context! {
                name => &partner.name,
                owner => self.request.owner_name,
                signature => self.request.house.signature.as_deref(),
                number => number,
                total => invoice["total"].as_str(),
                currency => invoice["currency"].as_str(),
                due => invoice["due"].as_str(),
                reference => invoice["reference"].as_str().filter(|r| *r != self.request.task.front.id.as_str()),
            },
        )?;
        let word = if message.language.code() == "de" { "Rechnung" } else { "Invoice" };
        let arguments =
            json!({ "to": [to], "subject": format!("{word} {}", line(number, 100)), "body": body });
        Ok(match decode("send_email", arguments) {
            Ok(call) => {
                let action = Action { account: mailbox.to_owned(), call };
                self.step(format!("mail it to {}", line(to, 254)), Act::Propose(action), &[])
            }
            Err(reason) => self.ask(format!("the invoice is posted, but cannot be mailed: {reason}")),
        })
    }

    /// What the books answered when they were asked for this very name.
    fn customers(&self, name: &str) -> Option<(usize, Value)> {
        let asked = Step::calling("", Server::Odoo, "list_partners", &customers(name)).input;
        let at = self.steps.iter().rposition(|s| s.state == StepState::Done && s.input == asked)?;
        Some((at, self.steps[at].outcome()))
    }
}

fn customers(name: &str) -> Value {
    json!({ "query": name, "limit": 10 })
}

/// The one customer of that name, or the only one found; the error is a question.
fn partner(answer: &Value, wanted: &str) -> Result<Partner, String> {
    let found: Vec<&Value> = answer["partners"].as_array().into_iter().flatten().collect();
    let name = |partner: &Value| partner["name"].as_str().unwrap_or_default().to_owned();
    let exact: Vec<_> =
        found.iter().filter(|partner| name(partner).to_lowercase() == wanted.to_lowercase()).collect();
    let one = match (exact.as_slice(), found.as_slice()) {
        ([one], _) => **one,
        ([], [one]) => one,
        ([], []) => {
            return Err(format!(
                "the books know no customer {:?}; add it there, or correct the name in the task, and take the \
                 task up again",
                line(wanted, 100)
            ));
        }
        _ => {
            let names: Vec<String> =
                found.iter().take(10).map(|partner| format!("{:?}", line(&name(partner), 80))).collect();
            return Err(format!(
                "the books know several customers like {:?}: {}; write the one that is meant into the task, and \
                 take it up again",
                line(wanted, 100),
                names.join(", ")
            ));
        }
    };
    let email = one["email"].as_str().filter(|email| !email.is_empty()).map(str::to_owned);
    Ok(Partner { name: name(one), email })
}

fn finished() -> Draft {
    Draft::NoAction { reason: "every step is made".into() }
}

/// The invoice that carries `reference`, among those listed.
fn referring<'a>(listed: &'a Value, reference: &str) -> Option<&'a Value> {
    let mut invoices = listed["invoices"].as_array().into_iter().flatten();
    invoices.find(|invoice| invoice["reference"].as_str() == Some(reference))
}

/// An invoice in a line.
fn shown(invoice: &Value) -> String {
    let said = |key: &str| line(invoice[key].as_str().unwrap_or("-"), 100);
    let id = invoice["id"].as_u64().unwrap_or_default();
    format!(
        "invoice {id} ({}, {}) for {}: {} {}",
        said("number"),
        said("state"),
        said("partner"),
        said("total"),
        said("currency")
    )
}
