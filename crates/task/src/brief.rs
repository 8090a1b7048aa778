//! An action in a few words.

use crate::Call;

impl Call {
    /// What it does and to whom, for a list; the whole of it stands on the screen of the review. Other people's words in
    /// it are as they wrote them: whoever shows it makes them harmless.
    pub fn brief(&self) -> String {
        let post = |place: &str, reply: &Option<String>| match reply {
            Some(_) => format!("answer on {place}"),
            None => format!("post on {place}"),
        };
        match self {
            Call::SendEmail(mail) => {
                let all: Vec<&str> =
                    mail.to.iter().chain(&mail.cc).chain(&mail.bcc).map(String::as_str).collect();
                format!("mail to {}", all.join(", "))
            }
            Call::DraftEmail(mail) => format!("draft of a mail to {}", mail.to.join(", ")),
            Call::CreateInvoiceDraft(invoice) => format!("draft of an invoice for {}", invoice.partner),
            Call::PostInvoice(posting) => {
                format!("invoice for {}: {} {}", posting.partner, posting.total, posting.currency)
            }
            Call::DraftSocialPost(draft) => format!("draft of a post on {:?}", draft.platform),
            Call::PostFacebook(p) => post("Facebook", &p.reply_to),
            Call::PostInstagram(p) => post("Instagram", &p.reply_to),
            Call::PostTwitter(p) => post("X", &p.reply_to),
            Call::PostLinkedin(p) => post("LinkedIn", &p.reply_to),
            Call::SendWhatsapp(message) => format!("WhatsApp message to {}", message.to),
            Call::InitiatePayment(payment) => {
                format!("payment of {} {} to {}", payment.amount, payment.currency, payment.payee)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{Action, Server};

    #[test]
    fn a_list_says_what_is_done_and_to_whom_and_not_who_wrote() {
        let check = |server: &str, tool: &str, arguments: serde_json::Value, expected: &str| {
            let action = json!({ "server": server, "tool": tool, "account": "a", "arguments": arguments });
            let action: Action = serde_json::from_value(action).expect("an action");
            assert_eq!(action.call.brief(), expected);
        };
        let mail = json!({ "to": ["a@b.example"], "cc": ["c@d.example"], "subject": "s", "body": "b" });
        check(Server::Email.name(), "send_email", mail, "mail to a@b.example, c@d.example");
        check("social", "post_twitter", json!({ "text": "x", "reply_to": "1" }), "answer on X");
        check("social", "post_facebook", json!({ "text": "x" }), "post on Facebook");
        check(
            "whatsapp",
            "send_whatsapp",
            json!({ "to": "+491701234567", "text": "x" }),
            "WhatsApp message to +491701234567",
        );
        let payment = json!({ "payee": "Muster GmbH", "iban": "DE89370400440532013000", "amount": "12.00",
            "currency": "EUR", "reference": "R1" });
        check("payment", "initiate_payment", payment, "payment of 12.00 EUR to Muster GmbH");
    }
}
