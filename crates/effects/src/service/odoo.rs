//! Books that speak Odoo's two interfaces, as an Odoo 19 was seen to.

use serde_json::{Value, json};

use super::{Answer, Book, Request};

const DATABASE: &str = "books";

const USER: u64 = 2;

/// Books with invoices of one customer. Posting is the effect.
pub struct Odoo {
    key: String,
    invoices: Vec<Value>,
    lines: Vec<Value>,
    posted: usize,
}

/// What became of a method.
enum Called {
    Result(Value),
    /// `odoo.exceptions.UserError`.
    UserError(String),
    /// The model or method does not exist.
    NotFound(String),
}

impl Odoo {
    /// The database's name.
    pub const DATABASE: &str = DATABASE;

    /// The one customer.
    pub const CUSTOMER: &str = "Contract Fixture Ltd";

    /// Books that take this key.
    pub fn new(key: &str) -> Self {
        Self { key: key.to_owned(), invoices: Vec::new(), lines: Vec::new(), posted: 0 }
    }

    /// Adds a draft of 300.00 USD, and gives the arguments of its posting.
    pub fn draft(&mut self) -> Value {
        let id = self.create(&json!({"partner_id": 9, "currency_id": 1, "invoice_line_ids": [
            [0, 0, {"name": "Consulting", "quantity": 2, "price_unit": 150.0}],
        ]}));
        json!({"invoice_id": id, "partner": Self::CUSTOMER, "total": "300.00", "currency": "USD"})
    }

    /// An invoice's state.
    pub fn state(&self, id: u64) -> Option<&str> {
        self.find(id)?["state"].as_str()
    }

    /// Everything about an invoice.
    pub fn find(&self, id: u64) -> Option<&Value> {
        self.invoices.iter().find(|invoice| invoice["id"] == id)
    }

    #[expect(clippy::float_arithmetic, reason = "Odoo's amounts are floats")]
    fn create(&mut self, values: &Value) -> u64 {
        let id = self.invoices.len() as u64 + 1;
        let mut total = 0.0;
        for line in values["invoice_line_ids"].as_array().into_iter().flatten() {
            let line = &line[2];
            let number = |key: &str| line[key].as_f64().unwrap_or_default();
            total += number("quantity") * number("price_unit");
            self.lines.push(json!({
                "id": self.lines.len() + 1, "move_id": [id, "/"], "name": line["name"],
                "quantity": line["quantity"], "price_unit": line["price_unit"],
            }));
        }
        self.invoices.push(json!({
            "id": id, "name": false, "state": "draft", "move_type": "out_invoice", "partner_id": [9, Self::CUSTOMER],
            "invoice_date": false, "invoice_date_due": values.get("invoice_date_due").unwrap_or(&json!(false)),
            "amount_total": total, "amount_residual": total, "payment_state": "not_paid", "currency_id": [1, "USD"],
        }));
        id
    }

    fn call(&mut self, model: &str, method: &str, arguments: &Value) -> Called {
        let ids: Vec<u64> =
            arguments["ids"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        let among = |records: &[Value], key: &str, wanted: &Value| -> Vec<Value> {
            records
                .iter()
                .filter(|record| record[key] == *wanted || record[key][0] == *wanted)
                .cloned()
                .collect()
        };
        let wanted = |key: &str| {
            let domain = arguments["domain"].as_array().into_iter().flatten();
            { domain }.find(|term| term[0] == key && term[1] == "=").map(|term| term[2].clone())
        };
        match (model, method) {
            ("account.move", "read") => {
                Called::Result(ids.iter().filter_map(|id| self.find(*id).cloned()).collect())
            }
            ("account.move", "search_read") => {
                let found = match wanted("state") {
                    Some(state) => among(&self.invoices, "state", &state),
                    None => self.invoices.clone(),
                };
                Called::Result(found.into_iter().rev().collect())
            }
            ("account.move", "create") => {
                let new: Vec<u64> = match &arguments["vals_list"] {
                    Value::Array(list) => list.clone().iter().map(|values| self.create(values)).collect(),
                    _ => return Called::UserError("missing a required argument: 'vals_list'".into()),
                };
                Called::Result(json!(new))
            }
            ("account.move", "action_post") => {
                for id in ids {
                    let posted = self.posted + 1;
                    let Some(invoice) = self.invoices.iter_mut().find(|invoice| invoice["id"] == id) else {
                        return Called::UserError(format!(
                            "Record does not exist or has been deleted ({id})."
                        ));
                    };
                    if invoice["state"] != "draft" {
                        let name = invoice["name"].as_str().unwrap_or_default();
                        return Called::UserError(format!("The entry {name} (id {id}) must be in draft."));
                    }
                    invoice["state"] = "posted".into();
                    invoice["name"] = format!("INV/2026/{posted:05}").into();
                    self.posted = posted;
                }
                Called::Result(json!(false))
            }
            ("account.move.line", "search_read") => match wanted("move_id") {
                Some(id) => Called::Result(among(&self.lines, "move_id", &id).into()),
                None => Called::Result(json!([{
                    "id": 11, "date": "2026-11-23", "name": "BNK1/2026/00001", "partner_id": [9, Self::CUSTOMER],
                    "balance": -12.5, "move_id": [7, "BNK1/2026/00001"], "company_currency_id": [1, "USD"],
                }])),
            },
            ("res.partner", "search_read") => {
                let all = [
                    json!({"id": 9, "name": Self::CUSTOMER, "email": "ap@fixture.example", "country_id": false}),
                ];
                match wanted("name") {
                    Some(name) => Called::Result(among(&all, "name", &name).into()),
                    None => Called::Result(json!(all)),
                }
            }
            ("res.currency", "search_read") => {
                let all = [json!({"id": 1, "name": "USD"})];
                Called::Result(among(&all, "name", &wanted("name").unwrap_or_default()).into())
            }
            ("account.move" | "res.partner" | "account.move.line" | "res.currency", method) => {
                Called::NotFound(format!("The method '{model}.{method}' does not exist"))
            }
            _ => Called::NotFound(format!("the model '{model}' does not exist")),
        }
    }

    fn json2(&mut self, request: &Request) -> Answer {
        // Odoo's own spelling; the scheme's letters may be of either case.
        let key = request.header("authorization").and_then(|value| value.split_once(' '));
        if !key.is_some_and(|(scheme, key)| scheme.eq_ignore_ascii_case("bearer") && key == self.key) {
            return exception(401, "werkzeug.exceptions.Unauthorized", "Invalid apikey");
        }
        if request.header("x-odoo-database") != Some(DATABASE) {
            return Answer::new(404, json!("<!DOCTYPE html>\n<title>404 Not Found</title>"));
        }
        let path: Vec<_> = request.path.split('/').skip(3).collect();
        let [model, method] = path.as_slice() else {
            return exception(404, "werkzeug.exceptions.NotFound", "404 Not Found");
        };
        match self.call(model, method, &request.json()) {
            Called::Result(result) => Answer::new(200, result),
            Called::UserError(said) => exception(422, "odoo.exceptions.UserError", &said),
            Called::NotFound(said) => exception(404, "werkzeug.exceptions.NotFound", &said),
        }
    }

    fn jsonrpc(&mut self, request: &Request) -> Answer {
        let params = &request.json()["params"];
        let args = &params["args"];
        let result = |value: Value| Answer::new(200, json!({"jsonrpc": "2.0", "id": 1, "result": value}));
        let error = |name: &str, said: &str| {
            let data = json!({"name": name, "message": said, "arguments": [said], "context": {}});
            Answer::new(
                200,
                json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 0, "message": "Odoo Server Error", "data": data}}),
            )
        };
        if params["method"] == "login" {
            let known = args[0] == DATABASE && args[2] == self.key.as_str();
            return result(if known { json!(USER) } else { json!(false) });
        }
        if args[0] != DATABASE || args[1] != USER || args[2] != self.key.as_str() {
            return error("odoo.exceptions.AccessDenied", "Access Denied");
        }
        let (model, method) = (args[3].as_str().unwrap_or_default(), args[4].as_str().unwrap_or_default());
        let mut named = args[6].clone();
        let first = match method {
            "create" => "vals_list",
            "search_read" => "domain",
            _ => "ids",
        };
        named[first] = args[5][0].clone();
        match self.call(model, method, &named) {
            Called::Result(value) => result(value),
            Called::UserError(said) => error("odoo.exceptions.UserError", &said),
            Called::NotFound(said) => error("builtins.KeyError", &said),
        }
    }
}

fn exception(status: u16, name: &str, said: &str) -> Answer {
    Answer::new(status, json!({"name": name, "message": said, "arguments": [said], "context": {}}))
}

impl Book for Odoo {
    fn acts(&self, request: &Request) -> bool {
        request.path.ends_with("/action_post") || request.body.contains("\"action_post\"")
    }

    fn serve(&mut self, request: &Request) -> Answer {
        if request.path == "/jsonrpc" { self.jsonrpc(request) } else { self.json2(request) }
    }

    fn refusal(&self) -> Answer {
        exception(422, "odoo.exceptions.UserError", "You cannot post an entry in a locked period.")
    }

    fn effects(&self) -> usize {
        self.posted
    }
}
