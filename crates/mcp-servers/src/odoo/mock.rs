//! Books with sample data.

use async_trait::async_trait;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use signature::Permit;
use task::{Amount, Call, Currency, Invoice, InvoicePosting, Order, Server};

use super::{ListInvoices, ListPartners, ReadInvoice, ReadTransactions, State};
use crate::backend::{Backend, Done, arguments, limit, not_here, proposal};
use crate::outcome::{Answer, Failure};
use crate::setup::Setup;
use crate::store::Store;

/// The mock of `mcp-odoo`.
pub(crate) struct Mock(Store<Books>);

#[derive(Clone, Serialize, Deserialize)]
struct Books {
    partners: Vec<Partner>,
    invoices: Vec<Booked>,
    transactions: Vec<Transaction>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Partner {
    id: u64,
    name: String,
    email: String,
    country: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct Booked {
    id: u64,
    /// Given when it is posted.
    number: Option<String>,
    state: State,
    partner: String,
    lines: Vec<Line>,
    /// With 19 % tax.
    total: Amount,
    currency: Currency,
    due: Option<NaiveDate>,
    reference: Option<String>,
    /// The approvals that posted it.
    #[serde(default)]
    approval: Option<String>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Line {
    description: String,
    quantity: Amount,
    unit_price: Amount,
}

#[derive(Clone, Serialize, Deserialize)]
struct Transaction {
    id: u64,
    date: NaiveDate,
    partner: String,
    /// Signed: money that went out is negative.
    amount: Decimal,
    currency: Currency,
    reference: String,
}

impl Mock {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self(Store::new(&setup.data, Server::Odoo, sample))
    }
}

#[async_trait]
impl Backend for Mock {
    async fn answer(&self, tool: &str, given: Value, _: Option<&str>) -> Result<Answer, Failure> {
        match tool {
            "list_invoices" => {
                let asked: ListInvoices = arguments(tool, given)?;
                self.0.read(move |books| Ok(list_invoices(books, &asked))).await
            }
            "read_invoice" => {
                let asked: ReadInvoice = arguments(tool, given)?;
                self.0
                    .read(move |books| {
                        let invoice = books.find(asked.invoice_id)?;
                        Ok(Answer::new(invoice.summary(), json!({"invoice": invoice})))
                    })
                    .await
            }
            "list_partners" => {
                let asked: ListPartners = arguments(tool, given)?;
                self.0.read(move |books| Ok(list_partners(books, &asked))).await
            }
            "read_transactions" => {
                let asked: ReadTransactions = arguments(tool, given)?;
                self.0.read(move |books| Ok(read_transactions(books, &asked))).await
            }
            _ => match proposal(tool, given)? {
                Call::CreateInvoiceDraft(invoice) => self.0.change(move |books| create(books, invoice)).await,
                _ => Err(not_here(tool)),
            },
        }
    }

    async fn act(&self, permit: Permit) -> Result<Done, Failure> {
        let order = permit.order().clone();
        match order.action.call {
            Call::PostInvoice(posting) => {
                self.0.change(move |books| post(books, &posting, &order.approval)).await.map(Done::from)
            }
            other => Err(not_here(other.tool())),
        }
    }

    async fn settled(&self, order: &Order) -> Result<Option<Answer>, Failure> {
        let approval = order.approval.clone();
        self.0
            .read(move |books| {
                let posted = books.invoices.iter().find(|i| i.approval.as_deref() == Some(&approval));
                Ok(posted.map(Booked::posted))
            })
            .await
    }
}

impl Books {
    fn find(&self, id: u64) -> Result<&Booked, Failure> {
        let found = self.invoices.iter().find(|invoice| invoice.id == id);
        found
            .ok_or_else(|| Failure::none(format!("the books have no invoice {id}; list_invoices shows them")))
    }
}

impl Booked {
    fn summary(&self) -> String {
        let Self { id, partner, total, currency, .. } = self;
        let number = self.number.as_deref().unwrap_or("draft");
        format!("invoice {id} ({number}) for {partner}: {total} {currency}")
    }

    fn posted(&self) -> Answer {
        let content = json!({"invoice_id": self.id, "number": self.number, "state": self.state});
        Answer::new(format!("{} is posted", self.summary()), content)
    }
}

fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

fn list_invoices(books: &Books, asked: &ListInvoices) -> Answer {
    let found: Vec<_> = books
        .invoices
        .iter()
        .rev()
        .filter(|i| asked.state.is_none_or(|state| i.state == state))
        .filter(|i| asked.partner.as_ref().is_none_or(|part| contains(&i.partner, part)))
        .take(limit(asked.limit))
        .collect();
    Answer::new(format!("{} invoices", found.len()), json!({"invoices": found}))
}

fn list_partners(books: &Books, asked: &ListPartners) -> Answer {
    let fits = |p: &&Partner| {
        asked.query.as_ref().is_none_or(|part| contains(&p.name, part) || contains(&p.email, part))
    };
    let found: Vec<_> = books.partners.iter().filter(fits).take(limit(asked.limit)).collect();
    Answer::new(format!("{} partners", found.len()), json!({"partners": found}))
}

fn read_transactions(books: &Books, asked: &ReadTransactions) -> Answer {
    let found: Vec<_> = books
        .transactions
        .iter()
        .rev()
        .filter(|t| asked.since.is_none_or(|since| t.date >= since))
        .take(limit(asked.limit))
        .collect();
    Answer::new(format!("{} transactions", found.len()), json!({"transactions": found}))
}

/// Tax is 19 % on everything, rounded to cents as the books would.
fn total(lines: &[Line]) -> Result<Amount, Failure> {
    let too_large = || Failure::none("the invoice's total is too large");
    let mut sum = Decimal::ZERO;
    for line in lines {
        let product = line.quantity.decimal().checked_mul(line.unit_price.decimal()).ok_or_else(too_large)?;
        sum = sum.checked_add(product).ok_or_else(too_large)?;
    }
    let taxed = sum.checked_mul(Decimal::new(119, 2)).ok_or_else(too_large)?;
    let mut cents = taxed.round_dp(2);
    cents.rescale(2);
    cents.to_string().parse().map_err(|_| too_large())
}

fn create(books: &mut Books, invoice: Invoice) -> Result<Answer, Failure> {
    let lines: Vec<_> = invoice
        .lines
        .into_iter()
        .map(|l| Line { description: l.description, quantity: l.quantity, unit_price: l.unit_price })
        .collect();
    let booked = Booked {
        id: books.invoices.iter().map(|i| i.id).max().unwrap_or_default() + 1,
        number: None,
        state: State::Draft,
        partner: invoice.partner,
        total: total(&lines)?,
        lines,
        currency: invoice.currency,
        due: invoice.due,
        reference: invoice.reference,
        approval: None,
    };
    let content = json!({
        "invoice_id": booked.id, "partner": booked.partner, "total": booked.total, "currency": booked.currency,
    });
    let answer = Answer::new(format!("created {}", booked.summary()), content);
    books.invoices.push(booked);
    Ok(answer)
}

fn post(books: &mut Books, posting: &InvoicePosting, approval: &str) -> Result<Answer, Failure> {
    let number = format!("INV/2026/{:05}", 1 + books.invoices.iter().filter(|i| i.number.is_some()).count());
    books.find(posting.invoice_id)?;
    let Some(invoice) = books.invoices.iter_mut().find(|i| i.id == posting.invoice_id) else {
        return Err(Failure::none("the invoice is gone"));
    };
    if invoice.partner != posting.partner
        || invoice.total.decimal() != posting.total.decimal()
        || invoice.currency != posting.currency
    {
        return Err(Failure::none(format!(
            "the books say otherwise: {}; draft the task again",
            invoice.summary()
        )));
    }
    if invoice.state == State::Draft {
        invoice.number = Some(number);
        invoice.state = State::Posted;
        invoice.approval = Some(approval.to_owned());
    } else if invoice.approval.as_deref() != Some(approval) {
        return Err(Failure::none(format!("{} is posted already, not by this approval", invoice.summary())));
    }
    Ok(invoice.posted())
}

/// The books of a small firm in February 2026.
fn sample() -> Books {
    serde_json::from_str(include_str!("sample.json")).unwrap_or_else(|_| Books {
        partners: Vec::new(),
        invoices: Vec::new(),
        transactions: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_books_are_there_and_add_up() {
        let books = sample();
        assert!(books.partners.len() >= 3 && books.transactions.len() >= 3);
        for invoice in &books.invoices {
            assert_eq!(total(&invoice.lines).expect("total"), invoice.total, "{}", invoice.summary());
            assert!(books.partners.iter().any(|p| p.name == invoice.partner), "{}", invoice.summary());
        }
    }
}
