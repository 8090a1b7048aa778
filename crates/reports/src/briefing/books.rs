//! What the books say, read from the tools' answers. They come from outside: what does not fit is
//! counted and said, and adds to no sum.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use task::Currency;

use super::Period;

/// Money by currency; currencies are never added up.
pub type Sums = BTreeMap<String, Decimal>;

/// The books at one moment.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Books {
    /// What came in during the week.
    pub collected: Sums,
    /// What is posted and not paid.
    pub outstanding: Sums,
    /// What of it is past its date.
    pub overdue: Sums,
    /// The overdue invoices, the oldest first: number or id, partner, amount, due.
    pub late: Vec<Late>,
    /// Entries that made no sense.
    pub unreadable: usize,
    /// Whether a list was as long as a list can be, so that there may be more.
    pub cut: bool,
}

/// An overdue invoice.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Late {
    /// Its number, else its id.
    pub number: String,
    /// Who owes.
    pub partner: String,
    /// How much, with the currency.
    pub amount: String,
    /// Since when.
    pub due: NaiveDate,
}

/// The longest list that a tool gives.
pub(crate) const LONGEST: usize = 100;

impl Books {
    /// The most that is asked for in one call.
    pub const LIMIT: usize = LONGEST;

    /// Reads the answers of `list_invoices` (posted ones) and `read_transactions` (of the week).
    pub fn read<Z: TimeZone>(
        invoices: &Value,
        transactions: &Value,
        period: &Period,
        now: DateTime<Utc>,
        zone: &Z,
    ) -> Result<Self, String> {
        let list = |answer: &Value, key: &str| match answer.get(key).and_then(Value::as_array) {
            Some(list) => Ok(list.clone()),
            None => Err(format!("the odoo server's answer has no list of {key}")),
        };
        let (invoices, transactions) = (list(invoices, "invoices")?, list(transactions, "transactions")?);
        let mut books =
            Self { cut: invoices.len() >= LONGEST || transactions.len() >= LONGEST, ..Self::default() };
        let today = now.with_timezone(zone).date_naive();
        for entry in &invoices {
            if books.invoice(entry, today).is_none() {
                books.unreadable += 1;
            }
        }
        for entry in &transactions {
            if books.transaction(entry, period).is_none() {
                books.unreadable += 1;
            }
        }
        let entries = invoices.len() + transactions.len();
        if books.unreadable == entries && entries > 0 {
            return Err(format!("none of the {entries} entries in the odoo server's answer makes sense"));
        }
        books.late.sort_by(|a, b| (a.due, &a.number).cmp(&(b.due, &b.number)));
        Ok(books)
    }

    fn invoice(&mut self, entry: &Value, today: NaiveDate) -> Option<()> {
        // A draft or a paid one that was not asked for is no debt.
        if entry.get("state")?.as_str()? != "posted" {
            return None;
        }
        let (currency, total) = (currency(entry)?, decimal(entry.get("total")?)?);
        let due = match entry.get("due") {
            None | Some(Value::Null) => None,
            Some(text) => Some(text.as_str()?.parse::<NaiveDate>().ok()?),
        };
        if total.is_sign_negative() {
            return None;
        }
        let outstanding = add(&self.outstanding, &currency, total)?;
        if let Some(due) = due.filter(|due| *due < today) {
            let overdue = add(&self.overdue, &currency, total)?;
            let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
            let number = text("number").or_else(|| Some(entry.get("id")?.to_string()))?;
            self.late.push(Late {
                number,
                partner: text("partner").unwrap_or_default(),
                amount: format!("{total} {currency}"),
                due,
            });
            self.overdue.insert(currency.clone(), overdue);
        }
        self.outstanding.insert(currency, outstanding);
        Some(())
    }

    fn transaction(&mut self, entry: &Value, period: &Period) -> Option<()> {
        let (currency, amount) = (currency(entry)?, decimal(entry.get("amount")?)?);
        let date: NaiveDate = entry.get("date")?.as_str()?.parse().ok()?;
        if amount.is_sign_positive() && period.days().any(|day| day == date) {
            let sum = add(&self.collected, &currency, amount)?;
            self.collected.insert(currency, sum);
        }
        Some(())
    }
}

fn currency(entry: &Value) -> Option<String> {
    let text = entry.get("currency")?.as_str()?;
    text.parse::<Currency>().ok().map(|currency| currency.to_string())
}

/// Money is a decimal string; a number in JSON has been a float on its way.
fn decimal(value: &Value) -> Option<Decimal> {
    value.as_str()?.parse().ok()
}

fn add(sums: &Sums, currency: &str, amount: Decimal) -> Option<Decimal> {
    sums.get(currency).copied().unwrap_or_default().checked_add(amount)
}
