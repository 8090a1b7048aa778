//! The owner's real books.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use signature::Permit;
use task::{Call, Invoice, InvoicePosting, Order};

use super::wire::{Method, Wire};
use super::{ListInvoices, ListPartners, ReadInvoice, ReadTransactions, State};
use crate::backend::{Backend, Done, Unset, arguments, limit, not_here, proposal};
use crate::exact::Exact;
use crate::http::Trouble;
use crate::outcome::{Answer, Failure};
use crate::setup::Setup;

const MOVE: &str = "account.move";

const MOVE_FIELDS: &[&str] = &[
    "name",
    "state",
    "move_type",
    "partner_id",
    "invoice_date",
    "invoice_date_due",
    "amount_total",
    "amount_residual",
    "payment_state",
    "currency_id",
    "ref",
];

/// `mcp-odoo` with a real Odoo.
pub(crate) struct Live {
    wire: Option<Wire>,
}

/// What Odoo gives for a field: the value, or `false` for none.
#[derive(Deserialize)]
#[serde(untagged)]
enum OrFalse<T> {
    Is(T),
    Not(#[expect(dead_code, reason = "false is all it says")] bool),
}

impl<T> OrFalse<T> {
    fn get(&self) -> Option<&T> {
        match self {
            OrFalse::Is(value) => Some(value),
            OrFalse::Not(_) => None,
        }
    }
}

/// A record's id and name.
type Named = OrFalse<(u64, String)>;

#[derive(Deserialize)]
struct Move {
    id: u64,
    name: OrFalse<String>,
    state: String,
    move_type: String,
    partner_id: Named,
    invoice_date: OrFalse<String>,
    invoice_date_due: OrFalse<String>,
    amount_total: Exact,
    amount_residual: Exact,
    payment_state: OrFalse<String>,
    currency_id: Named,
    /// The customer's reference, or the name of the task that made it.
    #[serde(default)]
    r#ref: Option<OrFalse<String>>,
}

impl Move {
    fn number(&self) -> Option<&str> {
        // Drafts are called `/` by some versions.
        self.name.get().map(String::as_str).filter(|name| *name != "/")
    }

    fn partner(&self) -> &str {
        self.partner_id.get().map_or("nobody", |(_, name)| name)
    }

    fn currency(&self) -> &str {
        self.currency_id.get().map_or("no currency", |(_, name)| name)
    }

    fn total(&self) -> String {
        money(self.amount_total)
    }

    /// The state in the words of this server's tools; Odoo's own for the rest.
    fn state(&self) -> &str {
        let paid = self.payment_state.get().is_some_and(|state| PAID.contains(&state.as_str()));
        if self.state == "posted" && paid { "paid" } else { &self.state }
    }

    fn is_posted(&self) -> bool {
        self.state == "posted"
    }

    fn summary(&self) -> String {
        let number = self.number().unwrap_or(&self.state);
        format!("invoice {} ({number}) for {}: {} {}", self.id, self.partner(), self.total(), self.currency())
    }

    fn content(&self) -> Value {
        json!({
            "id": self.id, "number": self.number(), "state": self.state(), "partner": self.partner(),
            "date": self.invoice_date.get(), "due": self.invoice_date_due.get(), "total": self.total(),
            "open": money(self.amount_residual), "currency": self.currency(),
            "reference": self.r#ref.as_ref().and_then(OrFalse::get),
        })
    }

    fn posted(&self) -> Answer {
        let content = json!({"invoice_id": self.id, "number": self.number(), "state": self.state()});
        Answer::new(format!("{} is posted", self.summary()), content)
    }

    /// What speaks against this being the invoice that the owner signed.
    fn differs(&self, posting: &InvoicePosting) -> Option<String> {
        let same = self.move_type == "out_invoice"
            && self.partner() == posting.partner
            && self.amount_total.plain() == posting.total.decimal().normalize()
            && self.currency() == posting.currency.to_string();
        (!same).then(|| format!("the books say otherwise: {}", self.summary()))
    }
}

const PAID: &[&str] = &["paid", "in_payment"];

/// With at least two decimals, as money is written.
fn money(amount: Exact) -> String {
    let mut plain = amount.plain();
    if plain.scale() < 2 {
        plain.rescale(2);
    }
    plain.to_string()
}

impl Live {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self { wire: setup.config.odoo.as_ref().map(|odoo| Wire::new(odoo, setup)) }
    }

    fn wire(&self) -> Result<&Wire, Failure> {
        self.wire.as_ref().ok_or_else(|| Unset("odoo", "ODOO_MOCK=true (modes.odoo_mock)").failure())
    }

    async fn moves(&self, domain: Vec<Value>, limit: usize) -> Result<Vec<Move>, Failure> {
        let wire = self.wire()?;
        let method = Method::new(MOVE, "search_read", ("domain", &domain))
            .and_then(|m| m.with("fields", &MOVE_FIELDS)?.with("limit", &limit)?.with("order", &"id desc"));
        wire.call(method.map_err(Trouble::reading)?).await.map_err(Trouble::reading)
    }

    /// One invoice; `None` when the books have none of this id.
    async fn invoice(&self, id: u64) -> Result<Option<Move>, Failure> {
        let method = Method::new(MOVE, "read", ("ids", &[id])).and_then(|m| m.with("fields", &MOVE_FIELDS));
        let found: Vec<Move> =
            self.wire()?.call(method.map_err(Trouble::reading)?).await.map_err(Trouble::reading)?;
        Ok(found.into_iter().find(|found| found.id == id))
    }

    async fn list_invoices(&self, asked: ListInvoices) -> Result<Answer, Failure> {
        let mut domain = vec![json!(["move_type", "=", "out_invoice"])];
        match asked.state {
            None => {}
            Some(State::Draft) => domain.push(json!(["state", "=", "draft"])),
            Some(State::Posted) => {
                domain.push(json!(["state", "=", "posted"]));
                domain.push(json!(["payment_state", "not in", PAID]));
            }
            Some(State::Paid) => domain.push(json!(["payment_state", "in", PAID])),
        }
        if let Some(partner) = asked.partner {
            domain.push(json!(["partner_id.name", "ilike", partner]));
        }
        let found = self.moves(domain, limit(asked.limit)).await?;
        let listed: Vec<_> = found.iter().map(Move::content).collect();
        Ok(Answer::new(format!("{} invoices", listed.len()), json!({"invoices": listed})))
    }

    async fn read_invoice(&self, asked: ReadInvoice) -> Result<Answer, Failure> {
        #[derive(Deserialize)]
        struct Line {
            name: OrFalse<String>,
            quantity: Exact,
            price_unit: Exact,
        }
        let id = asked.invoice_id;
        let invoice = self.invoice(id).await?.ok_or_else(|| absent(id))?;
        let domain = json!([["move_id", "=", id], ["display_type", "=", "product"]]);
        let method = Method::new("account.move.line", "search_read", ("domain", &domain))
            .and_then(|m| m.with("fields", &["name", "quantity", "price_unit"])?.with("order", &"id"));
        let lines: Vec<Line> =
            self.wire()?.call(method.map_err(Trouble::reading)?).await.map_err(Trouble::reading)?;
        let lines: Vec<_> = lines
            .iter()
            .map(|line| {
                json!({
                    "description": line.name.get(), "quantity": line.quantity.plain().to_string(),
                    "unit_price": money(line.price_unit),
                })
            })
            .collect();
        let mut content = invoice.content();
        content["lines"] = Value::Array(lines);
        Ok(Answer::new(invoice.summary(), json!({"invoice": content})))
    }

    async fn list_partners(&self, asked: ListPartners) -> Result<Answer, Failure> {
        #[derive(Deserialize)]
        struct Partner {
            id: u64,
            name: OrFalse<String>,
            email: OrFalse<String>,
            country_id: Named,
        }
        let domain = match asked.query {
            Some(part) => json!(["|", ["name", "ilike", part], ["email", "ilike", part]]),
            None => json!([]),
        };
        let method = Method::new("res.partner", "search_read", ("domain", &domain)).and_then(|m| {
            m.with("fields", &["name", "email", "country_id"])?
                .with("limit", &limit(asked.limit))?
                .with("order", &"name, id")
        });
        let found: Vec<Partner> =
            self.wire()?.call(method.map_err(Trouble::reading)?).await.map_err(Trouble::reading)?;
        let listed: Vec<_> = found
            .iter()
            .map(|p| {
                let country = p.country_id.get().map(|(_, name)| name);
                json!({"id": p.id, "name": p.name.get(), "email": p.email.get(), "country": country})
            })
            .collect();
        Ok(Answer::new(format!("{} partners", listed.len()), json!({"partners": listed})))
    }

    /// What moved on the bank and cash accounts.
    async fn read_transactions(&self, asked: ReadTransactions) -> Result<Answer, Failure> {
        #[derive(Deserialize)]
        struct Item {
            id: u64,
            date: OrFalse<String>,
            name: OrFalse<String>,
            partner_id: Named,
            balance: Exact,
            move_id: Named,
            company_currency_id: Named,
        }
        let mut domain = vec![
            json!(["account_id.account_type", "=", "asset_cash"]),
            json!(["parent_state", "=", "posted"]),
        ];
        if let Some(since) = asked.since {
            domain.push(json!(["date", ">=", since]));
        }
        let fields = ["date", "name", "partner_id", "balance", "move_id", "company_currency_id"];
        let method = Method::new("account.move.line", "search_read", ("domain", &domain)).and_then(|m| {
            m.with("fields", &fields)?
                .with("limit", &limit(asked.limit))?
                .with("order", &"date desc, id desc")
        });
        let found: Vec<Item> =
            self.wire()?.call(method.map_err(Trouble::reading)?).await.map_err(Trouble::reading)?;
        let name = |named: &Named| named.get().map(|(_, name)| name.clone());
        let listed: Vec<_> = found
            .iter()
            .map(|item| {
                json!({
                    "id": item.id, "date": item.date.get(), "partner": name(&item.partner_id),
                    "amount": money(item.balance), "currency": name(&item.company_currency_id),
                    "reference": item.name.get(), "entry": name(&item.move_id),
                })
            })
            .collect();
        Ok(Answer::new(format!("{} transactions", listed.len()), json!({"transactions": listed})))
    }

    /// The one record of this exact name.
    async fn named(&self, model: &'static str, name: &str, what: &str) -> Result<u64, Failure> {
        #[derive(Deserialize)]
        struct Found {
            id: u64,
        }
        let domain = json!([["name", "=", name]]);
        let method = Method::new(model, "search_read", ("domain", &domain))
            .and_then(|m| m.with("fields", &["name"])?.with("limit", &2));
        let found: Vec<Found> =
            self.wire()?.call(method.map_err(Trouble::reading)?).await.map_err(Trouble::reading)?;
        let name: String = name.chars().take(100).collect();
        match found.as_slice() {
            [one] => Ok(one.id),
            [] => Err(Failure::none(format!("the books have no {what} {name:?}; add it in Odoo first"))),
            _ => Err(Failure::none(format!(
                "the books have several {what}s {name:?}; give them different names in Odoo first"
            ))),
        }
    }

    async fn create(&self, invoice: Invoice) -> Result<Answer, Failure> {
        use serde::Serialize;
        #[derive(Serialize)]
        struct Line {
            name: String,
            quantity: Exact,
            price_unit: Exact,
        }
        #[derive(Serialize)]
        struct New {
            move_type: &'static str,
            partner_id: u64,
            currency_id: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            invoice_date_due: Option<chrono::NaiveDate>,
            #[serde(skip_serializing_if = "Option::is_none")]
            r#ref: Option<String>,
            /// Odoo's command 0: make one and link it.
            invoice_line_ids: Vec<(u8, u8, Line)>,
        }
        let lines = invoice.lines.into_iter().map(|line| {
            let (quantity, price_unit) = (Exact(line.quantity.decimal()), Exact(line.unit_price.decimal()));
            (0, 0, Line { name: line.description, quantity, price_unit })
        });
        let new = New {
            move_type: "out_invoice",
            partner_id: self.named("res.partner", &invoice.partner, "customer").await?,
            currency_id: self.named("res.currency", &invoice.currency.to_string(), "currency").await?,
            invoice_date_due: invoice.due,
            r#ref: invoice.reference,
            invoice_line_ids: lines.collect(),
        };
        let method = Method::new(MOVE, "create", ("vals_list", &[new])).map_err(Trouble::reading)?;
        let look = "look among the drafts in Odoo";
        let made: Vec<u64> = self.wire()?.call(method).await.map_err(|trouble| trouble.acting(look))?;
        let id =
            *made.first().ok_or_else(|| Failure::unknown(format!("Odoo named no new invoice; {look}")))?;
        // It is there; that it cannot be read back is no reason to make another.
        let Ok(Some(made)) = self.invoice(id).await else {
            return Ok(Answer::new(format!("created invoice {id}"), json!({"invoice_id": id})));
        };
        let content = json!({
            "invoice_id": id, "partner": made.partner(), "total": made.total(), "currency": made.currency(),
        });
        Ok(Answer::new(format!("created {}", made.summary()), content))
    }

    /// Posts, if the books still say what the owner signed. The books' state is the key: what is
    /// posted already is not posted again.
    async fn post(&self, posting: &InvoicePosting) -> Result<Answer, Failure> {
        let id = posting.invoice_id;
        let before = self.invoice(id).await?.ok_or_else(|| absent(id))?;
        if let Some(why) = before.differs(posting) {
            return Err(Failure::none(format!("{why}; nothing was posted; draft the task again")));
        }
        if before.state != "draft" {
            let (summary, state) = (before.summary(), before.state());
            return Err(Failure::none(format!("{summary} is {state} already, not by this approval")));
        }
        let method = Method::new(MOVE, "action_post", ("ids", &[id])).map_err(Trouble::reading)?;
        // It answers false, or what its screen would show next; neither says that it is posted.
        let called: Result<Value, Trouble> = self.wire()?.call(method).await;
        let look = format!("look at invoice {id} in Odoo");
        let refused = match called {
            Err(trouble) if trouble.may => return Err(trouble.acting(&look)),
            other => other.err(),
        };
        match (self.invoice(id).await, refused) {
            (Ok(Some(after)), None) if after.is_posted() => Ok(after.posted()),
            (Ok(Some(after)), Some(trouble)) if after.is_posted() => Err(Failure::unknown(format!(
                "{}; but {} is posted: by somebody else at the same moment, or by an earlier try",
                trouble.message,
                after.summary()
            ))),
            (Ok(Some(after)), None) => Err(Failure::none(format!(
                "Odoo took the call and did not post {}; it may want something filled in: {look}",
                after.summary()
            ))),
            (Ok(Some(_)), Some(trouble)) => Err(trouble.acting(&look)),
            (Ok(None) | Err(_), refused) => Err(Failure::unknown(format!(
                "{}, and invoice {id} could not be read afterwards; {look}",
                refused.map_or_else(|| "Odoo took the call".into(), |trouble| trouble.message)
            ))),
        }
    }
}

fn absent(id: u64) -> Failure {
    Failure::none(format!("the books have no invoice {id}; list_invoices shows them"))
}

#[async_trait]
impl Backend for Live {
    async fn answer(&self, tool: &str, given: Value, _: Option<&str>) -> Result<Answer, Failure> {
        match tool {
            "list_invoices" => self.list_invoices(arguments(tool, given)?).await,
            "read_invoice" => self.read_invoice(arguments(tool, given)?).await,
            "list_partners" => self.list_partners(arguments(tool, given)?).await,
            "read_transactions" => self.read_transactions(arguments(tool, given)?).await,
            _ => match proposal(tool, given)? {
                Call::CreateInvoiceDraft(invoice) => self.create(invoice).await,
                _ => Err(not_here(tool)),
            },
        }
    }

    async fn act(&self, permit: Permit) -> Result<Done, Failure> {
        match &permit.order().action.call {
            Call::PostInvoice(posting) => self.post(posting).await.map(Done::from),
            other => Err(not_here(other.tool())),
        }
    }

    async fn settled(&self, order: &Order) -> Result<Option<Answer>, Failure> {
        let Call::PostInvoice(posting) = &order.action.call else { return Ok(None) };
        let found = self.invoice(posting.invoice_id).await?;
        // Odoo lets nobody change a posted invoice: one that differs is not the one that was signed.
        Ok(found
            .filter(|found| found.is_posted() && found.differs(posting).is_none())
            .map(|found| found.posted()))
    }
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::*;

    fn exact(text: &str) -> Exact {
        Exact(text.parse::<Decimal>().expect("number"))
    }

    #[test]
    fn money_is_written_with_its_cents() {
        for (number, written) in
            [("300.0", "300.00"), ("312.38", "312.38"), ("0.125", "0.125"), ("-5", "-5.00")]
        {
            assert_eq!(money(exact(number)), written);
        }
    }
}
