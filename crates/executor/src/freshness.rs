//! Whether what the owner approved still fits the world, asked right before the call.
//!
//! | tool | asked | goes back to the owner when |
//! |---|---|---|
//! | `send_email` that answers a mail | `search_email` in Sent and in the inbox | a later mail follows the one that is answered: the owner, or somebody else, has written meanwhile |
//! | `post_invoice` | `read_invoice` | the invoice is no draft any more, or its customer, total or currency is another one |
//!
//! The other tools have nothing to be asked: a payment, a post and a WhatsApp message are as fresh as
//! their signature, and their orders expire.
//!
//! A mail sends an order back once: whoever approves it again was told of that mail.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use mcp_client::{Call, CallError, Reply, ToolCaller};
use serde_json::{Value, json};
use task::{Amount, Call as Action, EmailMessage, InvoicePosting};

use crate::admit::{Objection, Work};
use crate::carry::blocking;
use crate::core::{Core, Problem};
use crate::report::Report;
use crate::{Row, State};

/// How long an order is left alone while nobody can say whether it is still fresh.
const PAUSE: TimeDelta = TimeDelta::seconds(30);

/// What the answer means.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Fresh {
    Yes,
    /// Why not, for the owner.
    No(String),
    /// It could not be found out.
    Unclear(String),
}

impl Core {
    /// Whether an accepted order is still fresh. One that is not goes back to the owner; where that
    /// cannot be found out, it waits.
    pub(crate) async fn is_fresh(
        self: &Arc<Self>,
        caller: &dyn ToolCaller,
        work: &Work,
        report: &mut Report,
    ) -> Result<bool, Problem> {
        let (State::Accepted, true, Some(file)) = (work.row.state, self.is_live(), &work.file) else {
            return Ok(true);
        };
        let action = &work.row.order.action;
        let fresh = match &action.call {
            Action::SendEmail(mail) => {
                let (core, id) = (self.clone(), work.row.order.id.clone());
                let rows = blocking(move || Ok(core.journal.of_task(&id)?)).await?;
                let issued = work.row.order.issued;
                // The draft's time comes from the vault: it makes the question wider, never narrower.
                let since = file.task.front.drafted_at.map_or(issued, |at| at.min(issued));
                of_thread(caller, &work.row, mail, since, &told(&rows)).await
            }
            Action::PostInvoice(posting) => of_invoice(caller, &work.row, posting).await,
            _ => return Ok(true),
        };
        let objection = match fresh {
            Fresh::Yes => return Ok(true),
            Fresh::No(why) => Objection::Returned(format!("no longer fresh: {why}")),
            Fresh::Unclear(why) => {
                Objection::Waiting(format!("it cannot be told whether it is still fresh: {why}"))
            }
        };
        let (core, row, file) = (self.clone(), work.row.clone(), file.clone());
        let done = blocking(move || {
            let mut report = Report::default();
            match objection {
                Objection::Waiting(said) => {
                    report.merge(core.hold(&row, core.clock.now() + PAUSE, said)?);
                }
                objection => core.object_to_accepted(&file, &row, objection, &mut report)?,
            }
            Ok(report)
        });
        report.merge(done.await?);
        Ok(false)
    }
}

/// Whether nothing follows the mail that is answered.
async fn of_thread(
    caller: &dyn ToolCaller,
    row: &Row,
    mail: &EmailMessage,
    since: DateTime<Utc>,
    told: &str,
) -> Fresh {
    let Some(answered) = &mail.in_reply_to else { return Fresh::Yes };
    let (action, own) = (&row.order.action, row.order.message_id());
    // Mailboxes know days only, in a zone of their own.
    let day = (since - TimeDelta::days(1)).date_naive();
    for (folder, who) in [("sent", "you have answered it"), ("inbox", "somebody wrote in its thread")] {
        let asked = json!({"account": action.account, "folder": folder, "follows": answered, "since": day,
                           "limit": 100});
        let found = match caller.call(Call::new(action.call.server(), "search_email", asked)).await {
            Ok(reply) => later(&reply, &own, since, told),
            Err(error) if cannot_read(&error) => return Fresh::Yes,
            Err(error) => return Fresh::Unclear(error.to_string()),
        };
        if !found.is_empty() {
            let found = found.join("; ");
            return Fresh::No(format!("{who} meanwhile: {found}. Approve it again if it still fits"));
        }
    }
    Fresh::Yes
}

/// What the owner was told when orders of this task went back.
fn told(rows: &[Row]) -> String {
    let back = rows.iter().filter(|row| row.state == State::Withdrawn);
    back.filter_map(|row| row.message.as_deref()).collect::<Vec<_>>().join("\n")
}

/// The mails of an answer that are later, and neither the order's own nor told of.
fn later(reply: &Reply, own: &str, since: DateTime<Utc>, told: &str) -> Vec<String> {
    let mails = reply.content["messages"].as_array().into_iter().flatten();
    let news = mails.filter_map(|mail| {
        let at: DateTime<Utc> = mail["date"].as_str()?.parse().ok()?;
        let subject: String = mail["subject"].as_str().unwrap_or_default().chars().take(80).collect();
        let id = mail["message_id"].as_str().unwrap_or("a mail without an id");
        let said = format!("{subject:?} of {at}, {id:?}");
        (at > since && id != own && !told.contains(&said)).then_some(said)
    });
    news.take(20).collect()
}

/// An account that only sends has no mailbox to look into.
fn cannot_read(error: &CallError) -> bool {
    matches!(error, CallError::Refused { message, .. } if message.contains("no imap: section"))
}

async fn of_invoice(caller: &dyn ToolCaller, row: &Row, posting: &InvoicePosting) -> Fresh {
    let asked = json!({"invoice_id": posting.invoice_id});
    let reply = match caller.call(Call::new(row.order.action.call.server(), "read_invoice", asked)).await {
        Ok(reply) => reply,
        // What the books refuse to show, they refuse to post; that is said by the tool that posts.
        Err(CallError::Refused { .. }) => return Fresh::Yes,
        Err(error) => return Fresh::Unclear(error.to_string()),
    };
    let invoice = &reply.content["invoice"];
    let text = |key: &str| match &invoice[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if invoice["state"] != "draft" {
        return Fresh::No(format!("the invoice is {} by now", text("state")));
    }
    let same = invoice["partner"] == posting.partner.as_str()
        && invoice["currency"] == posting.currency.to_string().as_str()
        && text("total").parse::<Amount>().is_ok_and(|total| total.decimal() == posting.total.decimal());
    if same {
        return Fresh::Yes;
    }
    let (partner, total, currency) = (text("partner"), text("total"), text("currency"));
    Fresh::No(format!("the books say otherwise: an invoice for {partner} over {total} {currency}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(mails: &Value) -> Reply {
        Reply { text: String::new(), content: json!({"messages": mails}) }
    }

    #[test]
    fn only_what_came_later_and_is_neither_the_orders_own_nor_told_of_counts() {
        let since = "2026-02-23T03:20:00Z".parse().expect("time");
        let mail =
            |subject: &str, at: &str, id: &str| json!([{"subject": subject, "date": at, "message_id": id}]);
        let check = |mails: Value, told: &str, expected: usize| {
            assert_eq!(later(&reply(&mails), "<own@x>", since, told).len(), expected, "{mails}");
        };
        check(json!([]), "", 0);
        check(mail("old", "2026-02-23T03:20:00Z", "<a@x>"), "", 0);
        check(mail("new", "2026-02-23T03:20:01Z", "<a@x>"), "", 1);
        check(mail("own", "2026-02-23T03:20:01Z", "<own@x>"), "", 0);
        check(json!([{"subject": "no date", "message_id": "<a@x>"}]), "", 0);
        // Dated in the future, it sends the order back once.
        let odd = mail("odd", "2099-01-01T00:00:00Z", "<b@x>");
        let told = later(&reply(&odd), "<own@x>", since, "").join("; ");
        check(odd, &told, 0);
    }
}
