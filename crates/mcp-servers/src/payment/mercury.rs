//! Mercury's banking interface, version 1. Every payment carries an idempotency key, the approval's
//! id; it stands in the payment's note as well, because the bank's lists do not show the key.
//!
//! A payee must be a recipient at the bank with exactly the signed name and IBAN: this program
//! pays, it does not add recipients.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use signature::Permit;
use task::{Call, Clock, Order, Payment};

use super::{GetBalance, ListAccounts, ListTransactions, PaymentStatus};
use crate::backend::{Backend, Done, Unset, arguments, limit, not_here};
use crate::exact::Exact;
use crate::http::{Http, Reply, Service, Trouble, segment};
use crate::outcome::{Answer, Failure};
use crate::setup::Setup;

/// The only currency of these accounts.
const CURRENCY: &str = "USD";

/// How many transactions one page has; the bank's own default.
const PAGE: usize = 500;

/// How many pages are looked through for one payment.
const PAGES: usize = 10;

/// `mcp-payment` with a real bank.
pub(crate) struct Live {
    bank: Option<Bank>,
}

struct Bank {
    http: Http,
    keys: TimeDelta,
    clock: Arc<dyn Clock>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    id: String,
    name: String,
    #[serde(default)]
    nickname: Option<String>,
    #[serde(default)]
    status: Option<String>,
    available_balance: Exact,
    current_balance: Exact,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    id: String,
    name: String,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    default_payment_method: Option<String>,
    #[serde(default)]
    international_wire_routing_info: Option<Wire>,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    iban: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    id: String,
    /// Signed: money that went out is negative.
    amount: Exact,
    status: String,
    #[serde(default)]
    created_at: Option<DateTime<Utc>>,
    #[serde(default)]
    counterparty_id: Option<String>,
    #[serde(default)]
    counterparty_name: Option<String>,
    #[serde(default)]
    note: Option<String>,
    #[serde(default)]
    external_memo: Option<String>,
    #[serde(default)]
    reason_for_failure: Option<String>,
}

impl Transaction {
    /// Whether the money is on its way or there.
    fn is_paid(&self) -> bool {
        matches!(self.status.as_str(), "pending" | "sent")
    }

    fn content(&self) -> Value {
        json!({
            "id": self.id, "amount": self.amount.plain().to_string(), "currency": CURRENCY, "status": self.status,
            "date": self.created_at.map(|at| at.date_naive()), "counterparty": self.counterparty_name,
            "reference": self.external_memo, "note": self.note, "reason_for_failure": self.reason_for_failure,
        })
    }

    fn summary(&self) -> String {
        let why = self.reason_for_failure.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let to = self.counterparty_name.as_deref().unwrap_or("nobody");
        format!(
            "payment {} of {} {CURRENCY} to {to} is {}{why}",
            self.id,
            self.amount.plain().abs(),
            self.status
        )
    }

    fn answer(&self, key: &str) -> Answer {
        let content = json!({"payment_id": self.id, "status": self.status, "idempotency_key": key});
        Answer::new(self.summary(), content)
    }
}

#[derive(Deserialize)]
struct Accounts {
    accounts: Vec<Account>,
}

#[derive(Deserialize)]
struct Recipients {
    recipients: Vec<Recipient>,
}

#[derive(Deserialize)]
struct Transactions {
    transactions: Vec<Transaction>,
}

/// How a refusal is worded.
#[derive(Deserialize)]
struct Refusal {
    errors: Words,
}

#[derive(Deserialize)]
struct Words {
    message: String,
}

/// A payment as the bank takes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewPayment<'a> {
    recipient_id: &'a str,
    amount: Exact,
    payment_method: &'a str,
    external_memo: &'a str,
    note: String,
    idempotency_key: &'a str,
}

/// What a payment's note says; the bank is asked for it later.
fn note(key: &str) -> String {
    format!("order {key}")
}

impl Live {
    pub(crate) fn new(setup: &Setup) -> Self {
        let bank = setup.config.payment.as_ref().map(|bank| Bank {
            http: Http::new(Service {
                name: "the bank",
                section: "payment",
                url: bank.url.clone(),
                secret: bank.secret.clone(),
                ca_file: bank.ca_file.clone(),
                timeout_seconds: bank.timeout_seconds,
                secrets: setup.secrets.clone(),
            }),
            keys: TimeDelta::hours(i64::from(bank.key_hours)),
            clock: setup.clock.clone(),
        });
        Self { bank }
    }

    fn bank(&self) -> Result<&Bank, Failure> {
        self.bank.as_ref().ok_or_else(|| Unset("payment", "PAYMENT_MOCK=true (modes.payment_mock)").failure())
    }
}

/// Reads an answer, with the bank's own words where it says no.
fn read<T: serde::de::DeserializeOwned>(reply: &Reply) -> Result<T, Trouble> {
    if reply.is_ok() {
        return reply.json();
    }
    let words = serde_json::from_slice::<Refusal>(&reply.body).map(|said| said.errors.message);
    Err(reply.refusal(&words.unwrap_or_default(), ""))
}

impl Bank {
    async fn accounts(&self) -> Result<Vec<Account>, Failure> {
        let reply = self.http.get("/accounts").send().await.map_err(Trouble::reading)?;
        Ok(read::<Accounts>(&reply).map_err(Trouble::reading)?.accounts)
    }

    /// The account with this id, name or nickname.
    async fn account(&self, named: &str) -> Result<Account, Failure> {
        let fits = |a: &Account| a.id == named || a.name == named || a.nickname.as_deref() == Some(named);
        let mut found: Vec<_> = self.accounts().await?.into_iter().filter(fits).collect();
        match (found.pop(), found.is_empty()) {
            (Some(account), true) => Ok(account),
            (found, _) => {
                let named: String = named.chars().take(60).collect();
                let what = if found.is_some() { "several accounts" } else { "no account" };
                Err(Failure::none(format!("the bank has {what} {named:?}; list_accounts shows them")))
            }
        }
    }

    async fn recipient(&self, payment: &Payment) -> Result<Recipient, Failure> {
        let reply = self.http.get("/recipients").send().await.map_err(Trouble::reading)?;
        let known = read::<Recipients>(&reply).map_err(Trouble::reading)?.recipients;
        let same =
            |iban: &str| iban.split_whitespace().collect::<String>().eq_ignore_ascii_case(&payment.iban);
        let iban =
            |r: &Recipient| r.international_wire_routing_info.as_ref().and_then(|wire| wire.iban.clone());
        let fits = |r: &Recipient| r.name == payment.payee && iban(r).is_some_and(|iban| same(&iban));
        let active = |r: &Recipient| r.status.as_deref().is_none_or(|status| status == "active");
        known.into_iter().find(|r| fits(r) && active(r)).ok_or_else(|| {
            let Payment { payee, iban, .. } = payment;
            Failure::none(format!(
                "the bank has no recipient {payee:?} with the IBAN {iban}; add the recipient at the bank first, then \
                 approve again; nothing was paid"
            ))
        })
    }

    async fn page(
        &self,
        account: &str,
        since: DateTime<Utc>,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<Transaction>, Failure> {
        let account = segment(account).ok_or_else(|| Failure::none("the bank's account id is no id"))?;
        let request = self
            .http
            .get(format!("/account/{account}/transactions"))
            .query("limit", limit)
            .query("offset", offset)
            .query("start", since.date_naive());
        let reply = request.send().await.map_err(Trouble::reading)?;
        Ok(read::<Transactions>(&reply).map_err(Trouble::reading)?.transactions)
    }

    /// The payment with this key, on any account; its note carries it.
    async fn find(&self, account: Option<&str>, key: &str) -> Result<Option<Transaction>, Failure> {
        let wanted = note(key);
        let since = self.clock.now() - TimeDelta::days(90);
        for known in self.accounts().await? {
            let named = |n: &str| known.id == n || known.name == n || known.nickname.as_deref() == Some(n);
            if !account.is_none_or(named) {
                continue;
            }
            for page in 0..PAGES {
                let found = self.page(&known.id, since, page * PAGE, PAGE).await?;
                let last = found.len() < PAGE;
                if let Some(found) = found.into_iter().find(|t| t.note.as_deref() == Some(&wanted)) {
                    return Ok(Some(found));
                }
                if last {
                    break;
                }
            }
        }
        Ok(None)
    }

    async fn pay(&self, account: &str, payment: &Payment, key: &str) -> Result<Answer, Failure> {
        if payment.currency.to_string() != CURRENCY {
            let Payment { currency, .. } = payment;
            return Err(Failure::none(format!(
                "the bank pays in {CURRENCY} only, the payment is in {currency}"
            )));
        }
        if payment.reference.chars().count() >= 140 {
            return Err(Failure::none("the bank takes references of less than 140 characters; shorten it"));
        }
        let account = self.account(account).await?;
        let recipient = self.recipient(payment).await?;
        let id = segment(&account.id).ok_or_else(|| Failure::none("the bank's account id is no id"))?;
        let order = NewPayment {
            recipient_id: &recipient.id,
            amount: Exact(payment.amount.decimal()),
            payment_method: recipient.default_payment_method.as_deref().unwrap_or("ach"),
            external_memo: &payment.reference,
            note: note(key),
            idempotency_key: key,
        };
        let look = "look for the payment at the bank";
        let sent = self.http.post(format!("/account/{id}/transactions"), &order).send().await;
        let reply = sent.map_err(|trouble| trouble.acting(look))?;
        // 409: the bank knows the key, and answers with the payment that it made for it.
        let made: Transaction = if reply.status == 409 {
            serde_json::from_slice(&reply.body).map_err(|_| reply.refusal("", "").acting(look))?
        } else {
            read(&reply).map_err(|trouble| trouble.acting(look))?
        };
        let same = made.amount.plain().abs() == payment.amount.decimal().normalize()
            && made.counterparty_id.as_ref().is_none_or(|id| *id == recipient.id);
        if !same {
            return Err(Failure::unknown(format!(
                "the bank has another payment under this order's key: {}; {look}",
                made.summary()
            )));
        }
        match made.is_paid() {
            true => Ok(made.answer(key)),
            false => Err(Failure::none(made.summary())),
        }
    }
}

#[async_trait]
impl Backend for Live {
    async fn answer(&self, tool: &str, given: Value, account: Option<&str>) -> Result<Answer, Failure> {
        match tool {
            "list_accounts" => {
                let ListAccounts {} = arguments(tool, given)?;
                let accounts: Vec<_> = self
                    .bank()?
                    .accounts()
                    .await?
                    .iter()
                    .map(|a| {
                        let balance = a.available_balance.plain().to_string();
                        json!({"id": a.id, "name": a.name, "nickname": a.nickname, "status": a.status,
                               "currency": CURRENCY, "balance": balance})
                    })
                    .collect();
                Ok(Answer::new(format!("{} accounts", accounts.len()), json!({"accounts": accounts})))
            }
            "get_balance" => {
                let asked: GetBalance = arguments(tool, given)?;
                let account = self.bank()?.account(&asked.account).await?;
                let (free, all) = (account.available_balance.plain(), account.current_balance.plain());
                Ok(Answer::new(
                    format!("{free} {CURRENCY} on {}", account.name),
                    json!({"account": account.id, "balance": free.to_string(), "booked": all.to_string(),
                           "currency": CURRENCY}),
                ))
            }
            "list_transactions" => {
                let asked: ListTransactions = arguments(tool, given)?;
                let bank = self.bank()?;
                let account = bank.account(&asked.account).await?;
                let since = asked.since.and_then(|day| day.and_hms_opt(0, 0, 0)).map(|at| at.and_utc());
                let since = since.unwrap_or_else(|| bank.clock.now() - TimeDelta::days(30));
                let found = bank.page(&account.id, since, 0, limit(asked.limit)).await?;
                let listed: Vec<_> = found.iter().map(Transaction::content).collect();
                Ok(Answer::new(
                    format!("{} transactions on {}", listed.len(), account.name),
                    json!({"transactions": listed}),
                ))
            }
            "payment_status" => {
                let asked: PaymentStatus = arguments(tool, given)?;
                let bank = self.bank()?;
                let found = match (asked.payment_id, asked.idempotency_key) {
                    (None, Some(key)) => bank.find(account, &key).await?,
                    (Some(id), None) => bank.by_id(&id).await?,
                    _ => {
                        return Err(Failure::none(
                            "payment_status needs a payment_id or an idempotency_key, one of the two",
                        ));
                    }
                };
                Ok(match found {
                    Some(made) => Answer::new(
                        made.summary(),
                        json!({"found": made.is_paid(), "payment_id": made.id, "status": made.status,
                               "payment": made.content()}),
                    ),
                    None => Answer::new("there is no such payment", json!({"found": false})),
                })
            }
            _ => Err(not_here(tool)),
        }
    }

    async fn act(&self, permit: Permit) -> Result<Done, Failure> {
        let order = permit.order();
        let Call::InitiatePayment(payment) = &order.action.call else {
            return Err(not_here(order.action.call.tool()));
        };
        self.bank()?.pay(&order.action.account, payment, &order.approval).await.map(Done::from)
    }

    async fn settled(&self, order: &Order) -> Result<Option<Answer>, Failure> {
        let found = self.bank()?.find(Some(&order.action.account), &order.approval).await?;
        Ok(found.filter(Transaction::is_paid).map(|made| made.answer(&order.approval)))
    }

    fn keys_last(&self) -> TimeDelta {
        self.bank.as_ref().map_or(TimeDelta::zero(), |bank| bank.keys)
    }
}

impl Bank {
    async fn by_id(&self, id: &str) -> Result<Option<Transaction>, Failure> {
        let wanted = segment(id).ok_or_else(|| Failure::none("that is no payment id"))?;
        for account in self.accounts().await? {
            let Some(account) = segment(&account.id) else { continue };
            let request = self.http.get(format!("/account/{account}/transaction/{wanted}"));
            let reply = request.send().await.map_err(Trouble::reading)?;
            if reply.status != 404 {
                return read(&reply).map(Some).map_err(Trouble::reading);
            }
        }
        Ok(None)
    }
}
