//! Invoices and payments. Figures are taken as they stand in the task; what is missing, unfit or
//! said twice is asked of the owner and never guessed.

use serde_json::{Value, json};
use task::{Amount, Currency, counted};

use super::{decode, propose};
use crate::fields::{Fields, Lack, money};
use crate::payment::{self, Payable};
use crate::{Draft, Request};

const CURRENCY: &[&str] = &["currency", "währung"];
const PARTNER: &[&str] = &["partner", "customer", "kunde"];
const REFERENCE: &[&str] = &["reference", "purpose", "verwendungszweck", "memo"];

/// Collects values and what is wrong with them.
struct Form {
    fields: Fields,
    lacks: Vec<String>,
}

impl Form {
    fn of(request: &Request<'_>) -> Self {
        Self { fields: Fields::of(request.task), lacks: Vec::new() }
    }

    fn lack(&mut self, names: &[&str], lack: &Lack) {
        self.lacks.push(format!("{} {lack}", names[0]));
    }

    fn text(&mut self, names: &[&str]) -> Option<String> {
        self.fields.text(names).map_err(|lack| self.lack(names, &lack)).ok()
    }

    /// A value that may be missing but not wrong.
    fn optional(&mut self, names: &[&str]) -> Option<String> {
        match self.fields.text(names) {
            Ok(text) => Some(text),
            Err(Lack::Missing) => None,
            Err(lack) => {
                self.lack(names, &lack);
                None
            }
        }
    }

    /// An amount, whose currency stands beside it or under its own name.
    fn money(&mut self, names: &[&str]) -> Option<(Amount, Currency)> {
        let (amount, beside) = match self.fields.text(names).and_then(|text| money(&text)) {
            Ok(found) => found,
            Err(lack) => {
                self.lack(names, &lack);
                return None;
            }
        };
        let own = self.optional(CURRENCY);
        match (own.map(|code| code.parse::<Currency>()), beside) {
            (Some(Ok(own)), Some(beside)) if own != beside => {
                self.lacks.push(format!("currency is said twice, as {own} and as {beside}"));
                None
            }
            (Some(Ok(currency)), _) | (None, Some(currency)) => Some((amount, currency)),
            (Some(Err(error)), _) => {
                self.lacks.push(format!("currency: {error}"));
                None
            }
            (None, None) => {
                self.lack(CURRENCY, &Lack::Missing);
                None
            }
        }
    }

    fn question(self, what: &str) -> Draft {
        Draft::NeedsPerson {
            question: format!(
                "{what} cannot be drafted: {}; please add it to the task",
                self.lacks.join("; ")
            ),
            plan: vec!["read what the task says".into()],
        }
    }
}

pub(super) fn payment(request: &Request<'_>) -> Draft {
    match payment::read(request.task) {
        Ok(Payable { call, plan }) => propose(request, Ok(call), plan),
        Err(asks) => Draft::NeedsPerson {
            question: format!("the payment cannot be drafted: {}", asks.join("; ")),
            plan: vec!["read what the task says; nothing of it is guessed".into()],
        },
    }
}

pub(super) fn invoice(request: &Request<'_>) -> Draft {
    let mut form = Form::of(request);
    let partner = form.text(PARTNER);
    if let Ok(id) = form.fields.text(&["invoice_id"]) {
        return posting(request, form, partner, &id);
    }
    let lines = form.fields.list(&["lines", "items", "positionen"]).map(<[_]>::to_vec);
    let (lines, currency) = match lines {
        Some(list) => {
            let currency = form.text(CURRENCY);
            (invoice_lines(&mut form, &list), currency)
        }
        None => {
            let description = form.text(&["description", "beschreibung", "leistung"]);
            let quantity = form.optional(&["quantity", "menge"]).unwrap_or_else(|| "1".into());
            let price = form.money(&["unit_price", "price", "preis", "amount", "betrag"]);
            match (description, price) {
                (Some(description), Some((price, currency))) => (
                    vec![json!({ "description": description, "quantity": quantity, "unit_price": price })],
                    Some(currency.to_string()),
                ),
                _ => (Vec::new(), None),
            }
        }
    };
    let due = form.optional(&["due", "due_date", "fällig"]);
    let reference = form.optional(REFERENCE);
    let (Some(partner), Some(currency), true) = (partner, currency, form.lacks.is_empty()) else {
        return form.question("the invoice");
    };
    let count = lines.len();
    let mut arguments = json!({ "partner": partner, "lines": lines, "currency": currency });
    for (key, value) in [("due", due), ("reference", reference)] {
        if let Some(value) = value {
            arguments[key] = json!(value);
        }
    }
    match decode("create_invoice_draft", arguments) {
        Ok(call) => {
            let plan = vec![
                "read customer and lines from the task".into(),
                format!(
                    "draft an invoice of {} in {currency} for {partner}; it is not posted",
                    counted(count, "line")
                ),
            ];
            propose(request, Ok(call), plan)
        }
        Err(reason) => {
            form.lacks.push(reason);
            form.question("the invoice")
        }
    }
}

fn invoice_lines(form: &mut Form, list: &[serde_yaml::Value]) -> Vec<Value> {
    let mut lines = Vec::new();
    for (at, entry) in list.iter().enumerate() {
        let mut text = |key: &str, default: Option<&str>| match entry.get(key) {
            Some(serde_yaml::Value::String(text)) => text.clone(),
            Some(serde_yaml::Value::Number(number)) if !number.is_f64() => number.to_string(),
            Some(_) => {
                form.lacks.push(format!("{key} of line {} is no text; write it in quotes", at + 1));
                String::new()
            }
            None => default.map(str::to_owned).unwrap_or_else(|| {
                form.lacks.push(format!("{key} of line {} is missing", at + 1));
                String::new()
            }),
        };
        lines.push(json!({
            "description": text("description", None),
            "quantity": text("quantity", Some("1")),
            "unit_price": text("unit_price", None),
        }));
    }
    lines
}

/// An invoice that is in the books already and is to be posted.
fn posting(request: &Request<'_>, mut form: Form, partner: Option<String>, id: &str) -> Draft {
    let total = form.money(&["total", "amount", "betrag"]);
    let id = id.parse::<u64>().map_err(|_| form.lacks.push(format!("invoice_id {id:?} is no number"))).ok();
    let (Some(partner), Some((total, currency)), Some(id), true) =
        (partner, total, id, form.lacks.is_empty())
    else {
        return form.question("posting the invoice");
    };
    let arguments = json!({ "invoice_id": id, "partner": partner, "total": total, "currency": currency });
    let plan = vec![
        format!("read invoice {id} of {partner} from the task"),
        format!("post it with a total of {total} {currency}; the books refuse it when theirs differs"),
    ];
    propose(request, decode("post_invoice", arguments), plan)
}
