//! Invoices and payments.

use tests::World;

use crate::{carried_out, draft, drafted, owner, question};

#[test]
fn an_invoice_is_drafted_in_the_books_then_posted_and_mailed_each_on_an_order_of_its_own() {
    let world = World::quiet();
    let owner = owner(&world);
    let shown = drafted(
        &owner,
        "ODOO_1",
        "",
        "Customer: Northwind Logistics GmbH\nDescription: Design\nPrice: 1.000,00 €\nReference: PO-7",
    );
    // The draft is the agent's own step; what is signed first is the posting.
    assert_eq!(draft(&shown)["tool"], "post_invoice");
    assert_eq!(draft(&shown)["account"], "books", "not the mailbox");
    let invoice = |state: &str| {
        let books = owner.mock("odoo");
        let all = books["invoices"].as_array().expect("invoices");
        all.iter()
            .filter(|i| i["reference"] == "PO-7" && i["state"] == state && i["total"] == "1190.00")
            .count()
    };
    assert_eq!((invoice("draft"), invoice("posted")), (1, 0));
    owner.approve("ODOO_1");
    owner.ok(&["--once"]);
    owner.ok(&["--once"]);
    assert_eq!((invoice("draft"), invoice("posted"), owner.mails_sent()), (0, 1, 0));
    carried_out(&owner, "ODOO_1");
    assert_eq!((invoice("posted"), owner.mails_sent()), (1, 1));

    let front = "partner: Café Central\ninvoice_id: 3\ntotal: '312.38'\ncurrency: EUR";
    let shown = drafted(&owner, "ODOO_2", front, "Post it.");
    assert_eq!(draft(&shown)["tool"], "post_invoice");
    assert_eq!(draft(&shown)["arguments"]["invoice_id"], 3);
    let shown = drafted(&owner, "ODOO_3", &front.replace("312.38", "999.00"), "Post it.");
    assert!(question(&shown).contains("the books say"), "{shown:#}");
}

const INVOICE: &str = "Dear Jane,\n\nplease find our invoice RE-2026/17 of 24.02.2026 below.\n\nEmpfänger: Muster GmbH\n\
                       IBAN: DE89 3704 0044 0532 0130 00\nBetrag: 1.250,00 €\n\nRegards";

#[test]
fn an_invoice_is_paid_as_it_says_after_it_was_typed_again_and_once() {
    let world = World::quiet();
    let owner = owner(&world);
    let shown = drafted(&owner, "PAYMENT_1", "account: main", INVOICE);
    let arguments = &draft(&shown)["arguments"];
    assert_eq!(arguments["payee"], "Muster GmbH");
    assert_eq!(arguments["iban"], "DE89370400440532013000");
    assert_eq!((&arguments["amount"], &arguments["currency"]), (&"1250.00".into(), &"EUR".into()));
    assert_eq!(arguments["reference"], "RE-2026/17");
    let page = owner.ok(&["show", "PAYMENT_1"]);
    assert!(page.contains("not to be trusted"), "{page}");
    // A payee that was never paid is introduced first; the second signature is the order.
    for _ in 0..2 {
        let digest = owner.digest("PAYMENT_1");
        owner.ok(&[
            "approve",
            "PAYMENT_1",
            "--digest",
            &digest,
            "--amount",
            "1250.00",
            "--payee-end",
            "3000",
            "--passphrase-file",
            &owner.passphrase(),
        ]);
        if !owner.place("PAYMENT_1").starts_with("Pending_Approval/") {
            break;
        }
    }
    owner.ok(&["--once"]);
    owner.ok(&["--once"]);
    assert!(owner.place("PAYMENT_1").starts_with("Done/"), "{}", owner.place("PAYMENT_1"));
    let payments = owner.mock("payment")["payments"].as_array().cloned().unwrap_or_default();
    assert_eq!(
        payments.iter().filter(|payment| payment["reference"] == "RE-2026/17").count(),
        1,
        "{payments:?}"
    );
}

#[test]
fn an_invoice_that_can_be_read_in_two_ways_is_a_question_and_nothing_is_proposed() {
    let world = World::quiet();
    let owner = owner(&world);
    for (n, (from, to, expected)) in [
        ("1.250,00 €", "1.250 €", "two ways"),
        ("1.250,00 €", "1.000,00 € + 250,00 €", "sum"),
        ("DE89 3704", "GB82 WEST 1234 5698 7654 32 or DE89 3704", "several accounts"),
        ("0130 00", "0130 01", "is not valid"),
        (" €", "", "currency is missing"),
        ("RE-2026/17", "RE-2026/17 and RE-2026/18", "reference is said twice"),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(INVOICE.contains(from));
        let shown = drafted(&owner, &format!("PAYMENT_{n}"), "account: main", &INVOICE.replacen(from, to, 1));
        assert!(question(&shown).contains(expected), "{shown:#}");
        assert!(shown["action"].is_null(), "{shown:#}");
    }
    let shown = drafted(&owner, "PAYMENT_account", "subject: pay", INVOICE);
    assert!(question(&shown).contains("on whose account"), "{shown:#}");
}
