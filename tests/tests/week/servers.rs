//! The five tool servers in this process, with the week's clock. Their books are one world's: the
//! cloud's servers and the owner's read and write the same ones.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use daemon::Setup;
use drafter::Reach;
use mcp_client::{Call, CallError, Reply, ToolCaller};
use mcp_servers::{Effect, Service};
use policy::Class;
use serde_json::{Value, json};
use task::{Clock, FixedClock, Role, Server};
use worker::Toolbox;

/// The servers of one machine.
pub(crate) struct Servers(Vec<Service>);

impl Servers {
    pub(crate) fn new(setup: &Setup, world: &Path, max_class: Class, clock: &Arc<FixedClock>) -> Self {
        let setup = mcp_servers::Setup {
            data: world.to_owned(),
            config: setup.config.clone(),
            mock: true,
            agent: setup.agent.clone(),
            role: setup.role,
            max_class,
            clock: Arc::clone(clock) as Arc<dyn Clock>,
            secrets: Arc::new(|_, of| Err(format!("{of} has no secret here"))),
        };
        Self(Server::ALL.into_iter().map(|server| Service::new(server, &setup)).collect())
    }

    /// What an agent may call while it drafts.
    pub(crate) fn toolbox(setup: &Setup, world: &Path, clock: &Arc<FixedClock>) -> Toolbox {
        let servers = match setup.role {
            Role::Cloud => vec![Server::Email, Server::Odoo, Server::Social],
            _ => Server::ALL.to_vec(),
        };
        let reach = Reach { servers: servers.into_iter().collect(), most: Class::Draft };
        Toolbox { caller: Arc::new(Self::new(setup, world, Class::Draft, clock)), reach }
    }
}

#[async_trait]
impl ToolCaller for Servers {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        let Call { server, tool, arguments, meta, .. } = call;
        let at = Server::ALL.iter().position(|known| *known == server).expect("a server");
        let acts = policy::class(server, &tool) == Class::Dangerous;
        self.0[at]
            .call(&tool, arguments, meta)
            .await
            .map(|answer| Reply { text: answer.text, content: Value::Object(answer.content) })
            .map_err(|failure| match failure.effect {
                Effect::Unreached => CallError::NotStarted { server, reason: failure.message },
                Effect::Unknown if acts => CallError::Unknown { server, tool, message: failure.message },
                _ => CallError::Refused { server, tool, message: failure.message },
            })
    }
}

fn change(world: &Path, change: impl FnOnce(&mut Value)) {
    let path = world.join("mock/odoo.json");
    let mut books: Value = serde_json::from_slice(&std::fs::read(&path).expect("books")).expect("JSON");
    change(&mut books);
    std::fs::write(path, books.to_string()).expect("books");
}

/// Opens the firm's books: three customers, what they owe and what they paid.
pub(crate) fn open_books(world: &Path) {
    let invoice = |id: u32, state: &str, partner: &str, total: &str, currency: &str, due: &str| {
        json!({"id": id, "number": format!("INV/2026/{id:05}"), "state": state, "partner": partner, "lines": [],
               "total": total, "currency": currency, "due": due, "reference": null})
    };
    let moved = |id: u32, date: &str, amount: &str, currency: &str| {
        json!({"id": id, "date": date, "partner": "Contoso Ltd", "amount": amount, "currency": currency,
               "reference": "x"})
    };
    let partner =
        |id: u32, name: &str, email: &str| json!({"id": id, "name": name, "email": email, "country": "DE"});
    let books = json!({
        "partners": [
            partner(7, "Northwind Logistics GmbH", "accounts@northwind.example"),
            partner(8, "Contoso Ltd", "ap@contoso.example"),
            partner(9, "Fabrikam AG", "books@fabrikam.example"),
        ],
        "invoices": [
            invoice(1, "paid", "Contoso Ltd", "856.80", "EUR", "2026-11-01"),
            invoice(2, "posted", "Fabrikam AG", "3070.80", "EUR", "2026-11-20"),
            invoice(3, "posted", "Contoso Ltd", "99.99", "USD", "2026-11-29"),
            invoice(4, "posted", "Contoso Ltd", "10.01", "EUR", "2026-11-30"),
        ],
        "transactions": [
            moved(1, "2026-11-22", "5000.00", "EUR"),
            moved(2, "2026-11-23", "856.80", "EUR"),
            moved(3, "2026-11-24", "-46.41", "EUR"),
            moved(4, "2026-11-29", "12.00", "USD"),
            moved(5, "2026-11-30", "7777.00", "EUR"),
        ],
    });
    std::fs::create_dir_all(world.join("mock")).expect("a folder");
    std::fs::write(world.join("mock/odoo.json"), books.to_string()).expect("books");
}

/// A customer pays the first invoice that was posted in the week.
pub(crate) fn a_customer_pays(world: &Path, day: &str) {
    change(world, |books| {
        let invoices = books["invoices"].as_array_mut().expect("invoices");
        let posted = |invoice: &&mut Value| invoice["state"] == "posted" && invoice["approval"].is_string();
        let invoice = invoices.iter_mut().find(posted).expect("one was posted by Thursday");
        invoice["state"] = "paid".into();
        let paid = json!({"id": 6, "date": day, "partner": invoice["partner"], "amount": invoice["total"],
                          "currency": invoice["currency"], "reference": invoice["number"]});
        books["transactions"].as_array_mut().expect("transactions").push(paid);
    });
}
