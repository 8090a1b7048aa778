//! A bank that speaks Mercury's interface: a payment with a known idempotency key is answered with
//! 409 and the payment that was made for it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Answer, Book, Request};

const ACCOUNT: &str = "0ad81488-cead-11e9-80e2-8fecf9556cc6";

const RECIPIENT: &str = "73dbe710-fb4a-11e9-b89d-07e77a363005";

/// The bank of one customer with one account and one recipient.
pub struct Bank {
    key: String,
    payments: Vec<Value>,
    /// The amounts, as they were written on the wire.
    amounts: Vec<String>,
    keys: BTreeMap<String, usize>,
    /// Whether lists are behind: they do not show what was paid.
    pub behind: bool,
    /// Whether keys are forgotten at once, as banks do after a while.
    pub forgetful: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payment {
    recipient_id: String,
    amount: Box<RawValue>,
    payment_method: String,
    idempotency_key: String,
    #[serde(default)]
    note: Option<String>,
    #[serde(default)]
    external_memo: Option<String>,
}

impl Bank {
    /// A bank that takes this key.
    pub fn new(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            payments: Vec::new(),
            amounts: Vec::new(),
            keys: BTreeMap::new(),
            behind: false,
            forgetful: false,
        }
    }

    /// The name of its one account.
    pub const ACCOUNT: &str = "Checking";

    /// The arguments of a payment to its one recipient.
    pub fn payment(amount: &str) -> Value {
        json!({
            "payee": "Fake P. Erson", "iban": "DE89370400440532013000", "amount": amount, "currency": "USD",
            "reference": "Invoice 7",
        })
    }

    /// The amounts that were paid, as they were written on the wire.
    pub fn amounts(&self) -> &[String] {
        &self.amounts
    }

    fn pay(&mut self, body: &str) -> Answer {
        let payment: Payment = match serde_json::from_str(body) {
            Ok(payment) => payment,
            Err(error) => return refuse(400, &error.to_string()),
        };
        if let Some(at) = self.keys.get(&payment.idempotency_key).filter(|_| !self.forgetful) {
            return Answer::new(409, self.payments[*at].clone());
        }
        if payment.recipient_id != RECIPIENT {
            return refuse(404, "Sorry, we couldn't find a counter transaction party with that id");
        }
        if payment.payment_method.is_empty() {
            return refuse(400, "a payment method is needed");
        }
        let amount = payment.amount.get().to_owned();
        let number: Value = serde_json::from_str(&format!("-{amount}")).unwrap_or_default();
        if !number.is_number() {
            return refuse(400, "the amount is no positive number");
        }
        let id = format!("dd4896c0-d66b-11e9-8d8a-{:012}", self.payments.len());
        let made = json!({
            "id": id, "amount": number, "status": "pending", "createdAt": now(), "counterpartyId": RECIPIENT,
            "counterpartyName": "Fake P. Erson", "note": payment.note, "externalMemo": payment.external_memo,
            "kind": "externalTransfer", "reasonForFailure": null,
        });
        self.keys.insert(payment.idempotency_key, self.payments.len());
        self.payments.push(made.clone());
        self.amounts.push(amount);
        Answer::new(200, made)
    }
}

fn refuse(status: u16, message: &str) -> Answer {
    Answer::new(status, json!({"errors": {"message": message}}))
}

/// Any moment after every test's beginning serves.
fn now() -> &'static str {
    "2099-01-01T00:00:00Z"
}

impl Book for Bank {
    fn acts(&self, request: &Request) -> bool {
        request.method == "POST"
    }

    fn serve(&mut self, request: &Request) -> Answer {
        if request.header("authorization") != Some(&format!("Bearer {}", self.key)) {
            return refuse(401, "No matching token found");
        }
        let path: Vec<_> = request.path.trim_start_matches('/').split('/').collect();
        match (request.method.as_str(), path.as_slice()) {
            ("GET", ["accounts"]) => Answer::new(
                200,
                json!({"accounts": [{
                    "id": ACCOUNT, "name": Self::ACCOUNT, "nickname": null, "status": "active",
                    "availableBalance": 999910.38, "currentBalance": 999910.38, "kind": "checking", "type": "mercury",
                }]}),
            ),
            ("GET", ["recipients"]) => Answer::new(
                200,
                json!({"total": 1, "recipients": [{
                    "id": RECIPIENT, "name": "Fake P. Erson", "status": "active", "emails": [],
                    "defaultPaymentMethod": "internationalWire",
                    "internationalWireRoutingInfo": {"iban": "DE89 3704 0044 0532 0130 00", "swiftCode": "COBADEFF"},
                }]}),
            ),
            ("GET", ["account", ACCOUNT, "transactions"]) => {
                let shown: Vec<_> = self.payments.iter().rev().filter(|_| !self.behind).cloned().collect();
                Answer::new(200, json!({"total": shown.len(), "transactions": shown}))
            }
            ("GET", ["account", ACCOUNT, "transaction", id]) => {
                match self.payments.iter().find(|made| made["id"] == *id) {
                    Some(made) => Answer::new(200, made.clone()),
                    None => refuse(404, "Sorry, we couldn't find a transaction with that id"),
                }
            }
            ("POST", ["account", ACCOUNT, "transactions"]) => self.pay(&request.body),
            _ => refuse(404, "Sorry, we couldn't find an account with that id"),
        }
    }

    fn refusal(&self) -> Answer {
        refuse(400, "Sorry, you have insufficient funds to make that transaction")
    }

    fn effects(&self) -> usize {
        self.payments.len()
    }
}
