//! The handbook's rules, on the owner's machine with the real programs.

use tests::{Machine, World};

use crate::{draft, drafted, owner, question};

const RULES: &str = "---\nsignature: |\n  Kind regards from the shop\n  Jane\nlanguages: [en]\nvips: ['@big.example']\n\
                     blocked: ['@spam.example']\nnever: [free of charge]\n\
                     payees: [{ name: Known Ltd, iban: GB82 WEST 1234 5698 7654 32 }]\n---\n# Handbook\n\nBe brief.\n";

fn accept(machine: &Machine, handbook: &str) {
    machine.write("Company_Handbook.md", handbook);
    let digest = task_digest(handbook);
    machine.ok(&["handbook", "accept", "--digest", &digest]);
}

/// As `handbook status` prints it.
fn task_digest(handbook: &str) -> String {
    task::Digest::of(handbook).to_string()
}

#[test]
fn accepted_rules_decide_what_is_drafted() {
    let world = World::quiet();
    let owner = owner(&world);
    accept(&owner, RULES);
    let status = owner.ok(&["handbook", "status"]);
    assert!(
        status.contains("blocked   @spam.example") && status.contains("never     free of charge"),
        "{status}"
    );

    let place =
        drafted(&owner, "EMAIL_spam", "from: \"Bob <bob@mail.spam.example>\"\nsubject: x", "Can we meet?");
    let place = place.as_str().expect("done");
    assert!(place.starts_with("Done/") && owner.read(place).contains("blocked by the handbook"), "{place}");

    let shown = drafted(
        &owner,
        "EMAIL_vip",
        "from: eve@big.example\nfrom_name: Eve\nsubject: Termin",
        "Können Sie mir bitte sagen, wann wir uns treffen können? Ich habe am Dienstag Zeit.",
    );
    let body = draft(&shown)["arguments"]["body"].as_str().expect("a body").to_owned();
    assert!(body.starts_with("Dear Eve,"), "in the allowed language: {body}");
    assert!(body.ends_with("Kind regards from the shop\nJane") && !body.contains("Best regards"), "{body}");
    assert!(owner.read("Pending_Approval/APPROVE_EMAIL_vip.md").contains("priority: high"));

    // The word stands in what would be quoted back: the answer does without.
    let shown = drafted(
        &owner,
        "EMAIL_free",
        "from: joe@example.com\nsubject: x",
        "What is your price, or is it free of charge?",
    );
    let body = draft(&shown)["arguments"]["body"].as_str().expect("a body");
    assert!(!body.contains("free of charge"), "{body}");
    let shown = drafted(&owner, "SOCIAL_free", "platform: linkedin", "Our check-up is free of charge!");
    assert!(question(&shown).contains("which the handbook never says"), "{shown:#}");

    let invoice = "Payee: Muster GmbH\nIBAN: DE89 3704 0044 0532 0130 00\nAmount: 5,00 EUR\nReference: x";
    let shown = drafted(&owner, "PAYMENT_1", "account: main", invoice);
    assert!(question(&shown).contains("not among the payees"), "{shown:#}");
    let shown = drafted(&owner, "PAYMENT_2", "account: main", &invoice.replace("Muster GmbH", "Known Ltd"));
    assert!(question(&shown).contains("another account"), "{shown:#}");
}

#[test]
fn a_handbook_that_contradicts_itself_or_the_configuration_is_not_accepted_and_says_why() {
    let world = World::quiet();
    let owner = owner(&world);
    let check = |rules: &str, expected: &str| {
        let handbook = format!("---\n{rules}\n---\n# Handbook\n");
        owner.write("Company_Handbook.md", &handbook);
        let said = owner.fails(1, &["handbook", "accept", "--digest", &task_digest(&handbook)]);
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains("Kind regards"));
    };
    check("vips: [a@b.example]\nblocked: ['@b.example']", "it cannot be both");
    check("signature: Best guarantee\nnever: [guarantee]", "never to be used");
    check("working_hours: { days: [mon], from: '17:00', to: '09:00' }", "before they begin");
    check("payees: [{ name: A, iban: DE89370400440532013001 }]", "not valid");
    check("vips: 5", "do not fit");
}

#[test]
fn a_sample_mail_shows_what_the_rules_would_do_and_leaves_nothing_behind() {
    let world = World::quiet();
    let owner = owner(&world);
    owner.write("Company_Handbook.md", RULES);
    let before = owner.tasks();
    let sample = |from: &str, text: &str| {
        let path = world.path().join("sample.eml");
        let mail = format!(
            "From: {from}\r\nTo: jane@example.com\r\nSubject: Question\r\nMessage-ID: <1@x.example>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
        );
        std::fs::write(&path, mail).expect("write");
        owner.ok(&["handbook", "test", &path.display().to_string()])
    };
    let said = sample("Bob <bob@spam.example>", "Can we meet?");
    assert!(
        said.contains("blocked   bob@spam.example, by @spam.example")
            && said.contains("closed without an answer"),
        "{said}"
    );
    let said = sample("Eve <eve@big.example>", "Can we meet on Tuesday?");
    assert!(
        said.contains("vip       yes")
            && said.contains("Kind regards from the shop")
            && said.contains("Dear Eve"),
        "{said}"
    );
    assert_eq!(owner.tasks(), before);
    let said = owner.fails(1, &["handbook", "test", "/nowhere.eml"]);
    assert!(said.contains("/nowhere.eml"), "{said}");
}
