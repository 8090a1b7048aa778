//! Invoices: their state in the books is the key, on both of Odoo's interfaces.

use effects::{Fault, Odoo};
use serde_json::{Value, json};

use crate::world::{End, KEY, World, check_end};

fn books(api: &str) -> World<Odoo> {
    World::new(Odoo::new(KEY), |url, secret| {
        let database = Odoo::DATABASE;
        format!(
            "modes: {{ dry_run: false, odoo_mock: false }}\n\
             odoo: {{ url: {url:?}, database: {database}, api: {api}, user: admin, secret: {secret}, timeout_seconds: 2 }}\n"
        )
    })
}

fn posting(arguments: &Value) -> Value {
    json!({"server": "odoo", "tool": "post_invoice", "account": "books", "arguments": arguments})
}

fn posted_once(api: &str, faults: &[Option<Fault>]) {
    let world = books(api);
    let mut posted = 0;
    for (n, fault) in faults.iter().enumerate() {
        let arguments = world.service.with(Odoo::draft);
        let id = format!("ODOO_{n}");
        let file = world.carry_out(&id, "odoo", &posting(&arguments), *fault);
        let made = usize::from(*fault != Some(Fault::Refuse));
        check_end(&format!("{api} {fault:?}"), &file, if made == 1 { End::Done } else { End::Failed });
        posted += made;
        assert_eq!(world.service.effects(), posted, "{api} {fault:?}: {}", file.1);
    }
}

#[test]
fn invariant_05_an_invoice_is_posted_once_whatever_goes_wrong() {
    let faults: Vec<_> = [None].into_iter().chain(Fault::ALL.map(Some)).collect();
    posted_once("json2", &faults);
}

#[test]
fn invariant_05_an_invoice_is_posted_once_over_the_older_interface() {
    posted_once(
        "jsonrpc",
        &[None, Some(Fault::Refuse), Some(Fault::LoseRequest), Some(Fault::LoseReply), Some(Fault::Fail)],
    );
}

#[test]
fn an_invoice_that_is_not_as_signed_is_not_posted() {
    let world = books("json2");
    let check = |id: &str, key: &str, value: Value, said: &str, end: End| {
        let mut arguments = world.service.with(Odoo::draft);
        arguments[key] = value;
        let file = world.carry_out(id, "odoo", &posting(&arguments), None);
        check_end(id, &file, end);
        assert!(file.1.contains(said), "{}", file.1);
        assert_eq!(world.service.effects(), 0, "{id}");
    };
    check("ODOO_1", "total", json!("300.01"), "the books say otherwise", End::Returned);
    check("ODOO_2", "partner", json!("Contract Fixture"), "the books say otherwise", End::Returned);
    check("ODOO_3", "currency", json!("EUR"), "the books say otherwise", End::Returned);
    check("ODOO_4", "invoice_id", json!(99_999), "no invoice 99999", End::Failed);
}

#[test]
fn what_was_posted_by_somebody_else_is_not_taken_for_ours() {
    let world = books("json2");
    let arguments = world.service.with(Odoo::draft);
    world.carry_out("ODOO_1", "odoo", &posting(&arguments), None);
    assert_eq!(world.service.effects(), 1);
    let file = world.carry_out("ODOO_2", "odoo", &posting(&arguments), None);
    check_end("posted before", &file, End::Returned);
    assert!(file.1.contains("the invoice is posted by now"), "{}", file.1);
    assert_eq!(world.service.effects(), 1);
}
