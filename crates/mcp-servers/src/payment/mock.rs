//! A bank with sample data. It knows idempotency keys: the same key pays once.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use signature::Permit;
use task::{Call, Clock, Currency, Order, Payment, Server};

use super::{GetBalance, ListAccounts, ListTransactions, PaymentStatus};
use crate::backend::{Backend, Done, arguments, limit, not_here};
use crate::outcome::{Answer, Failure};
use crate::setup::Setup;
use crate::store::Store;

/// What an account has that the bank opens for a name it does not know yet, in the currency of
/// its first payment.
const OPENING: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 2);

/// The mock of `mcp-payment`.
pub(crate) struct Mock {
    store: Store<Bank>,
    clock: Arc<dyn Clock>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Bank {
    accounts: Vec<Account>,
    transactions: Vec<Transaction>,
    payments: Vec<Made>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Account {
    id: String,
    name: String,
    iban: Option<String>,
    currency: Currency,
    balance: Decimal,
}

#[derive(Clone, Serialize, Deserialize)]
struct Transaction {
    account: String,
    date: NaiveDate,
    /// Signed: money that went out is negative.
    amount: Decimal,
    currency: Currency,
    counterparty: String,
    reference: String,
}

/// A payment that was made.
#[derive(Clone, Serialize, Deserialize)]
struct Made {
    id: String,
    key: String,
    account: String,
    #[serde(flatten)]
    payment: Payment,
}

impl Made {
    fn answer(&self) -> Answer {
        let Payment { amount, currency, payee, .. } = &self.payment;
        let content = json!({"payment_id": self.id, "status": "executed", "idempotency_key": self.key});
        Answer::new(format!("paid {amount} {currency} to {payee} ({})", self.id), content)
    }
}

impl Mock {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self { store: Store::new(&setup.data, Server::Payment, sample), clock: setup.clock.clone() }
    }
}

#[async_trait]
impl Backend for Mock {
    async fn answer(&self, tool: &str, given: Value, _: Option<&str>) -> Result<Answer, Failure> {
        match tool {
            "list_accounts" => {
                let ListAccounts {} = arguments(tool, given)?;
                self.store
                    .read(|bank| {
                        let text = format!("{} accounts", bank.accounts.len());
                        Ok(Answer::new(text, json!({"accounts": bank.accounts})))
                    })
                    .await
            }
            "get_balance" => {
                let asked: GetBalance = arguments(tool, given)?;
                self.store.read(move |bank| balance(bank, &asked)).await
            }
            "list_transactions" => {
                let asked: ListTransactions = arguments(tool, given)?;
                self.store.read(move |bank| transactions(bank, &asked)).await
            }
            "payment_status" => {
                let asked: PaymentStatus = arguments(tool, given)?;
                self.store.read(move |bank| status(bank, &asked)).await
            }
            _ => Err(not_here(tool)),
        }
    }

    async fn act(&self, permit: Permit) -> Result<Done, Failure> {
        let order = permit.order().clone();
        let Call::InitiatePayment(payment) = order.action.call else {
            return Err(not_here(order.action.call.tool()));
        };
        let (account, key, today) = (order.action.account, order.approval, self.clock.now().date_naive());
        self.store.change(move |bank| pay(bank, account, payment, key, today)).await.map(Done::from)
    }

    async fn settled(&self, order: &Order) -> Result<Option<Answer>, Failure> {
        let key = order.approval.clone();
        self.store
            .read(move |bank| Ok(bank.payments.iter().find(|made| made.key == key).map(Made::answer)))
            .await
    }
}

impl Bank {
    fn account(&self, id: &str) -> Result<&Account, Failure> {
        self.accounts.iter().find(|account| account.id == id).ok_or_else(|| {
            let id: String = id.chars().take(60).collect();
            Failure::none(format!("there is no account {id:?}; list_accounts shows them"))
        })
    }
}

fn balance(bank: &Bank, asked: &GetBalance) -> Result<Answer, Failure> {
    let account = bank.account(&asked.account)?;
    let Account { id, balance, currency, .. } = account;
    Ok(Answer::new(
        format!("{balance} {currency} on {id}"),
        json!({"account": id, "balance": balance, "currency": currency}),
    ))
}

fn transactions(bank: &Bank, asked: &ListTransactions) -> Result<Answer, Failure> {
    let id = &bank.account(&asked.account)?.id;
    let found: Vec<_> = bank
        .transactions
        .iter()
        .rev()
        .filter(|t| t.account == *id && asked.since.is_none_or(|since| t.date >= since))
        .take(limit(asked.limit))
        .collect();
    Ok(Answer::new(format!("{} transactions on {id}", found.len()), json!({"transactions": found})))
}

fn status(bank: &Bank, asked: &PaymentStatus) -> Result<Answer, Failure> {
    if asked.payment_id.is_none() && asked.idempotency_key.is_none() {
        return Err(Failure::none("payment_status needs a payment_id or an idempotency_key"));
    }
    let fits = |made: &&Made| {
        asked.payment_id.as_ref().is_none_or(|id| made.id == *id)
            && asked.idempotency_key.as_ref().is_none_or(|key| made.key == *key)
    };
    Ok(match bank.payments.iter().find(fits) {
        Some(made) => {
            let text = made.answer().text;
            Answer::new(text, json!({"found": true, "status": "executed", "payment": made}))
        }
        None => Answer::new("there is no such payment", json!({"found": false})),
    })
}

fn pay(
    bank: &mut Bank,
    account: String,
    payment: Payment,
    key: String,
    today: NaiveDate,
) -> Result<Answer, Failure> {
    if let Some(made) = bank.payments.iter().find(|made| made.key == key) {
        if made.account != account || made.payment != payment {
            return Err(Failure::none("another payment was made with this idempotency key"));
        }
        return Ok(made.answer());
    }
    let at = bank.accounts.iter().position(|known| known.id == account).unwrap_or_else(|| {
        let currency = payment.currency.clone();
        bank.accounts.push(Account {
            id: account.clone(),
            name: account.clone(),
            iban: None,
            currency,
            balance: OPENING,
        });
        bank.accounts.len() - 1
    });
    let (debited, amount) = (&mut bank.accounts[at], payment.amount.decimal());
    if debited.currency != payment.currency {
        let Account { id, currency, .. } = debited;
        return Err(Failure::none(format!(
            "account {id} is in {currency}, the payment in {}",
            payment.currency
        )));
    }
    let left = debited.balance.checked_sub(amount).filter(|left| !left.is_sign_negative());
    let Some(left) = left else {
        let Account { id, currency, balance, .. } = debited;
        return Err(Failure::none(format!("account {id} has {balance} {currency}, which is not enough")));
    };
    debited.balance = left;
    bank.transactions.push(Transaction {
        account: account.clone(),
        date: today,
        amount: -amount,
        currency: payment.currency.clone(),
        counterparty: payment.payee.clone(),
        reference: payment.reference.clone(),
    });
    let made = Made { id: format!("pay-{:05}", 1 + bank.payments.len()), key, account, payment };
    let answer = made.answer();
    bank.payments.push(made);
    Ok(answer)
}

/// A small firm's accounts in February 2026.
fn sample() -> Bank {
    serde_json::from_str(include_str!("sample.json")).unwrap_or_else(|_| Bank {
        accounts: Vec::new(),
        transactions: Vec::new(),
        payments: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment(amount: &str) -> Payment {
        Payment {
            payee: "Bob".into(),
            iban: "DE89370400440532013000".into(),
            amount: amount.parse().expect("amount"),
            currency: "EUR".parse().expect("currency"),
            reference: "R1".into(),
        }
    }

    #[test]
    fn the_same_key_pays_once() {
        let mut bank = sample();
        assert!(bank.accounts.len() >= 2, "the sample decodes");
        let before = bank.accounts[0].balance;
        let today = "2026-02-23".parse().expect("date");
        let mut go =
            |amount: &str, key: &str| pay(&mut bank, "main".into(), payment(amount), key.into(), today);
        let first = go("100.00", "k1").expect("paid");
        assert_eq!(go("100.00", "k1").expect("recorded"), first);
        assert!(go("200.00", "k1").is_err(), "another payment under the same key");
        assert!(go("99999999.00", "k2").is_err(), "more than there is");
        assert_eq!(bank.accounts[0].balance, before - payment("100.00").amount.decimal());
        assert_eq!(bank.payments.len(), 1);
    }
}
