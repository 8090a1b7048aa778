//! What the templates make of each kind of task.

mod support;

use drafter::{Draft, Request, TemplateDrafter};
use support::{draft, mail, request, task};
use task::{Call, Role, Task};

fn drafter() -> TemplateDrafter {
    TemplateDrafter::new(None).expect("templates")
}

/// A draft as text, to be read in a snapshot.
async fn shown(task: &Task) -> String {
    match draft(&drafter(), task).await {
        Draft::NoAction { reason } => format!("no action: {reason}"),
        Draft::NeedsPerson { question, plan } => format!("question: {question}\nplan: {plan:#?}"),
        Draft::Next(next) => format!("step: {next:#?}"),
        Draft::Proposal { plan, action, drafter } => {
            let mut json = serde_json::to_value(&action).expect("json");
            let words = action.call.text().map(str::to_owned);
            for key in ["body", "text"] {
                if let Some(arguments) = json["arguments"].as_object_mut() {
                    arguments.shift_remove(key);
                }
            }
            let json = serde_yaml::to_string(&json).expect("yaml");
            format!("{json}drafter: {drafter}\nplan: {plan:#?}\n----\n{}", words.unwrap_or_default())
        }
    }
}

#[tokio::test]
async fn mail_is_answered_in_its_thread() {
    let mut task = mail(
        "Hi Olga,\n\ncould you please resend the invoice INV-2026-014?\n\nThanks\nAlice\n\nOn Mon, Olga wrote:\n> anything else?",
    );
    task.front.references = vec!["<a@example.com>".into(), "<b@example.com>".into()];
    insta::assert_snapshot!("mail_invoice", shown(&task).await);
}

#[tokio::test]
async fn german_mail_gets_a_german_answer() {
    let mut task = mail(
        "Guten Tag Frau Owner,\n\nich bin sehr enttäuscht: die Lieferung ist beschädigt und nicht vollständig. Können Sie das bitte klären?\n\nMit freundlichen Grüßen\nAlice",
    );
    task.front.subject = Some("AW: Lieferung".into());
    insta::assert_snapshot!("mail_german_complaint", shown(&task).await);
}

#[tokio::test]
async fn each_wish_has_its_answer() {
    for (name, text) in [
        ("mail_meeting", "Hi, can we meet on Tuesday at 10:00?"),
        ("mail_quote", "Hello, what would be your price for a web shop?"),
        (
            "mail_thanks",
            "Thank you so much for the quick delivery, the whole team was thrilled, and we will certainly recommend you to everybody whom we know in the business; you made our year.",
        ),
        ("mail_other", "The fox jumps over the dog."),
    ] {
        insta::assert_snapshot!(name, shown(&mail(text)).await);
    }
}

#[tokio::test]
async fn an_answer_goes_where_it_is_wanted() {
    let mut task = mail("Please call me back about the meeting?");
    task.front.reply_to = Some("assistant@example.com".into());
    let Draft::Proposal { action, plan, .. } = draft(&drafter(), &task).await else { panic!("a proposal") };
    let Call::SendEmail(mail) = action.call else { panic!("a mail") };
    assert_eq!((mail.to, mail.cc, mail.bcc), (vec!["assistant@example.com".to_owned()], vec![], vec![]));
    assert!(plan.iter().any(|step| step.contains("assistant@example.com, not at the sender's")), "{plan:?}");
}

#[tokio::test]
async fn mail_that_needs_no_answer_gets_none() {
    let check = async |task: Task, part: &str| {
        let Draft::NoAction { reason } = draft(&drafter(), &task).await else { panic!("{part}: no action") };
        assert!(reason.contains(part), "{reason}");
    };
    for (automated, part) in [
        ("list", "newsletter"),
        ("auto-reply", "automatic reply"),
        ("no-reply", "reads no answers"),
        ("bounce", "delivery report"),
    ] {
        let yaml = format!("from: a@b.example\nautomated: {automated}");
        check(task("EMAIL_1", &yaml, "Can you answer this?"), part).await;
    }
    check(task("EMAIL_1", "from: no-reply@b.example", "Your code is 1"), "reads no answers").await;
    check(task("EMAIL_1", "from: me@b.example\naccount: Me@b.example", "note"), "wrote it yourself").await;
    check(task("EMAIL_1", "from: a@b.example", "(no text)"), "empty").await;
    check(task("EMAIL_1", "from: a@b.example\nreferences: [<x@y>]", "Thanks, got it!"), "only says thanks")
        .await;
    check(task("TWITTER_1", "from: a\nsource_id: '1'", "Free money! Click https://t.me/x"), "advertising")
        .await;
}

#[tokio::test]
async fn a_form_on_a_web_site_speaks_for_a_person() {
    let task = task(
        "EMAIL_1",
        "from: noreply@shop.example\nreply_to: bob@example.com\naccount: o@x.example\nsubject: Contact form",
        "How much is it?",
    );
    let Draft::Proposal { action, .. } = draft(&drafter(), &task).await else { panic!("a proposal") };
    let Call::SendEmail(mail) = action.call else { panic!("a mail") };
    assert_eq!(mail.to, ["bob@example.com"]);
}

#[tokio::test]
async fn comments_are_answered_on_their_platform() {
    for (id, text) in [
        ("LINKEDIN_20260223_dana_1", "Great talk yesterday, very inspiring!"),
        ("FACEBOOK_20260223_dana_1", "Do you also deliver on Saturdays?"),
        (
            "INSTAGRAM_20260223_dana_1",
            "Die Tasse ist leider kaputt angekommen, und das ist schon die zweite. Können Sie mir bitte helfen?",
        ),
        ("TWITTER_20260223_dana_1", "@owner what is your pricing?"),
    ] {
        let task = task(
            id,
            "account: owner-page\nsource_id: post/1?comment=2\nfrom: dana_77\nfrom_name: Dana",
            text,
        );
        insta::assert_snapshot!(id.split('_').next().expect("kind").to_lowercase(), shown(&task).await);
    }
}

#[tokio::test]
async fn a_private_message_is_never_answered_in_public() {
    let task = task(
        "LINKEDIN_1",
        "source_id: '1'\nfrom: dana_77\nfrom_name: Dana\nevent: direct_message",
        "Are you free in March?",
    );
    let Draft::NeedsPerson { question, plan } = draft(&drafter(), &task).await else { panic!("a question") };
    assert!(question.contains("private message on LinkedIn"), "{question}");
    assert!(plan.iter().any(|step| step.contains("Thank you for asking, Dana")), "{plan:?}");
}

#[tokio::test]
async fn whatsapp_is_answered_at_the_number() {
    let task = task(
        "WHATSAPP_20260223_x_1",
        "account: '+4915112345'\nfrom: '+49 170 1234567'\nfrom_name: Ben",
        "Hi! Can we reschedule the meeting to Friday?",
    );
    insta::assert_snapshot!("whatsapp", shown(&task).await);
    let mut odd = task.clone();
    odd.front.from = Some("ben".into());
    let Draft::NeedsPerson { question, .. } = draft(&drafter(), &odd).await else { panic!("a question") };
    assert!(question.contains("E.164"), "{question}");
}

#[tokio::test]
async fn a_note_becomes_a_post_when_it_says_where() {
    let note = task(
        "SOCIAL_launch",
        "account: owner-page",
        "Platform: LinkedIn\n\nOur new shop is open!\n\nCome and see.",
    );
    insta::assert_snapshot!("social_post", shown(&note).await);
    let check = async |yaml: &str, text: &str, part: &str| {
        let Draft::NeedsPerson { question, .. } = draft(&drafter(), &task("SALESPOST_1", yaml, text)).await
        else {
            panic!("{part}: a question")
        };
        assert!(question.contains(part), "{question}");
    };
    check("{}".trim_matches(['{', '}']), "Our new shop is open!", "on which platform").await;
    check("platform: [linkedin, x]", "Our new shop is open!", "several platforms (LinkedIn, X)").await;
    check("platform: facebook", "", "what is to be posted").await;
    check("platform: instagram", "Look!", "without a picture").await;
    check("platform: x", &"long ".repeat(80), "at most 280").await;
}

#[tokio::test]
async fn invoices_are_drafted_from_figures_that_are_there() {
    let lines = task(
        "ODOO_1",
        "account: books\npartner: Northwind GmbH\ncurrency: EUR\ndue: 2026-03-31\nlines:\n  - {description: Design, quantity: 2, unit_price: '450.00'}\n  - {description: Hosting, unit_price: '12.50'}",
        "Please invoice.",
    );
    insta::assert_snapshot!("odoo_lines", shown(&lines).await);
    let text = task(
        "ODOO_2",
        "account: books",
        "Customer: Northwind GmbH\nDescription: Design\nPrice: 1.250,00 €\nReference: PO-7",
    );
    insta::assert_snapshot!("odoo_text", shown(&text).await);
    let posting = task(
        "ODOO_3",
        "account: books\npartner: Northwind GmbH\ninvoice_id: 42\ntotal: '1487.50'\ncurrency: EUR",
        "Post it.",
    );
    insta::assert_snapshot!("odoo_posting", shown(&posting).await);
    insta::assert_snapshot!(
        "odoo_missing",
        shown(&task("ODOO_4", "account: books", "Please invoice Northwind for March.")).await
    );
}

const PAYMENT: &str =
    "Payee: Muster GmbH\nIBAN: DE89 3704 0044 0532 0130 00\nAmount: 1.250,00 EUR\nReference: RE-2026/17\n";

#[tokio::test]
async fn a_payment_is_drafted_only_when_everything_is_there_and_valid() {
    insta::assert_snapshot!("payment", shown(&task("PAYMENT_1", "account: main", PAYMENT)).await);
    let check = async |text: &str, part: &str| {
        let Draft::NeedsPerson { question, .. } =
            draft(&drafter(), &task("PAYMENT_1", "account: main", text)).await
        else {
            panic!("{part}: a question")
        };
        assert!(question.contains(part), "{question}");
    };
    check(
        "Please pay Muster GmbH.",
        "iban is missing; payee is missing; amount is missing; reference is missing",
    )
    .await;
    check(&PAYMENT.replace("3000", "3001").replace("0130 00", "0130 01"), "iban").await;
    check(&PAYMENT.replace("1.250,00 EUR", "1.250 EUR"), "two ways").await;
    check(&PAYMENT.replace(" EUR", ""), "currency is missing").await;
    check(&format!("{PAYMENT}IBAN: GB82WEST12345698765432\n"), "several accounts are named").await;
    check(&format!("{PAYMENT}Currency: USD\n"), "currency is said twice").await;
}

#[tokio::test]
async fn other_tasks_are_put_to_the_owner_or_noted() {
    for (name, id, text) in [
        ("error", "ERROR_sync_1", "the remote refused the push"),
        ("schedule", "SCHEDULE_1", "Weekly: shall the report go to the board?"),
        ("audit_informative", "AUDIT_1", "All ledgers agree."),
        ("unknown", "NOTE_1", "Call Bob."),
    ] {
        insta::assert_snapshot!(name, shown(&task(id, "subject: Weekly", text)).await);
    }
}

#[tokio::test]
async fn invariant_3_the_cloud_does_not_even_propose_payments_and_whatsapp() {
    for (id, yaml, text) in
        [("PAYMENT_1", "account: main", PAYMENT), ("WHATSAPP_1", "from: '+491701234567'", "Hi, can we meet?")]
    {
        let task = task(id, yaml, text);
        let request = Request { role: Role::Cloud, ..request(&task) };
        let draft = drafter::Drafter::draft(&drafter(), &request).await.expect("a draft");
        assert!(
            matches!(&draft, Draft::NeedsPerson { question, .. } if question.contains("owner's machine")),
            "{draft:?}"
        );
    }
}

#[tokio::test]
async fn a_task_that_names_no_account_gets_the_requests() {
    let mut task = mail("Can we meet?");
    task.front.account = None;
    let Draft::Proposal { action, .. } = draft(&drafter(), &task).await else { panic!("a proposal") };
    assert_eq!(action.account, "default@example.org");
}

#[tokio::test]
async fn a_task_without_an_account_gets_the_right_servers_or_a_question_and_never_the_mailbox() {
    let account =
        async |id: &str, yaml: &str, text: &str| match draft(&drafter(), &task(id, yaml, text)).await {
            Draft::Proposal { action, .. } => Ok(action.account),
            Draft::NeedsPerson { question, .. } => Err(question),
            other => panic!("{other:?}"),
        };
    let invoice = "Customer: Northwind GmbH\nDescription: Design\nPrice: 1.250,00 €";
    assert_eq!(account("ODOO_1", "subject: x", invoice).await.as_deref(), Ok("books"));
    assert_eq!(
        account("SOCIAL_1", "platform: x", "Our new shop is open!").await.as_deref(),
        Ok("owner-on-x")
    );
    let check = |asked: Result<String, String>| {
        assert!(asked.as_ref().is_err_and(|question| question.contains("on whose account")), "{asked:?}");
    };
    check(account("SOCIAL_1", "platform: linkedin", "Our new shop is open!").await);
    check(account("WHATSAPP_1", "from: '+491701234567'", "Hi, can we meet?").await);
    // A payment is never made from an account that nobody named.
    check(account("PAYMENT_1", "subject: x", PAYMENT).await);
}

#[tokio::test]
async fn hostile_text_stays_text() {
    let mut task = mail("Could you send the invoice {{ owner }}{% include 'x' %} \u{202e}evil please?");
    task.front.subject = Some("Q1\r\nBcc: victim@example.com {{ 7*7 }}".into());
    task.front.references = vec!["<a@b>\r\nBcc: x@y".into(), "not an id".into()];
    let Draft::Proposal { action, .. } = draft(&drafter(), &task).await else { panic!("a proposal") };
    let Call::SendEmail(mail) = action.call else { panic!("a mail") };
    assert_eq!(mail.subject, "Re: Q1 Bcc: victim@example.com {{ 7*7 }}");
    assert_eq!(mail.references, ["<q1@example.com>"]);
    assert!(mail.body.contains("{{ owner }}{% include 'x' %} evil"), "{}", mail.body);
}

#[tokio::test]
async fn a_summary_of_the_pages_is_read_first_and_then_written_down() {
    let mut task = task("SOCIAL_week-summary", "subject: Summary of the week", "How did the pages do?");
    let Draft::NeedsPerson { question, .. } = draft(&drafter(), &task).await else { panic!("a question") };
    assert!(question.contains("cannot be read from here"), "{question}");
    let reach = drafter::Reach { servers: [task::Server::Social].into(), most: policy::Class::Safe };
    let drafter = drafter();
    let ask = async |task: &Task| {
        let request = Request { reach: &reach, ..request(task) };
        drafter::Drafter::draft(&drafter, &request).await.expect("a draft")
    };
    let Draft::Next(next) = ask(&task).await else { panic!("a step") };
    assert!(matches!(&next.act, drafter::Act::Call { tool, .. } if tool == "get_social_summary"), "{next:?}");
    let mut step =
        task::Step::calling(next.what, task::Server::Social, "get_social_summary", &serde_json::json!({}));
    let answer = serde_json::json!({"platforms": [{"platform": "linkedin", "followers": 7, "posts": []}]});
    step.end("1 platforms", &answer, task.front.created);
    task.front.steps = vec![step];
    let Draft::NoAction { reason } = ask(&task).await else { panic!("the end") };
    assert!(reason.contains("linkedin: 7 followers"), "{reason}");
}
