//! A task of several steps, with the real programs and sample books: it is made step by step, waits
//! for the owner in the middle, goes on where it stopped, and can be stopped.

use std::os::unix::fs::symlink;

use serde_json::Value;
use tests::{Machine, World, programs};

const ID: &str = "ODOO_northwind_march";

fn note() -> String {
    format!(
        "---\nid: {ID}\ntype: odoo\ncreated: 2026-03-31T09:00:00Z\npartner: Northwind\ndescription: Workshop\nquantity: '2'\nprice: '600.00 EUR'\n---\nPlease invoice the March workshop.\n"
    )
}

/// The invoices that this task has made in the books.
fn made(machine: &Machine) -> Vec<Value> {
    let invoices = machine.mock("odoo")["invoices"].as_array().cloned().unwrap_or_default();
    invoices.into_iter().filter(|invoice| invoice["reference"] == ID).collect()
}

fn steps(machine: &Machine) -> usize {
    machine.records().iter().filter(|r| r["task"] == ID && r["action_type"] == "step").count()
}

fn states(machine: &Machine) -> Vec<String> {
    let file = machine.read(&machine.place(ID));
    let (_, rest) = file.split_once("## Plan\n\n").expect("a plan");
    let (plan, _) = rest.split_once("\n\n").unwrap_or((rest, ""));
    plan.lines().map(str::to_owned).collect()
}

#[test]
fn an_invoice_goes_step_by_step_through_two_signatures_and_ends_in_done() {
    let world = World::quiet();
    let machine = world.gold();
    machine.write(&format!("Needs_Action/{ID}.md"), note());
    machine.ok(&["--once"]);
    assert_eq!(machine.place(ID), format!("Pending_Approval/APPROVE_{ID}.md"));
    assert_eq!(machine.waiting()[0]["tool"], "post_invoice");
    assert_eq!((made(&machine).len(), made(&machine)[0]["state"].as_str()), (1, Some("draft")));
    let plan = states(&machine);
    assert_eq!(plan.iter().filter(|line| line.starts_with("- [x]")).count(), 3, "{plan:#?}");
    assert!(plan[3].contains("(waits for you)") && plan[6] == "- [ ] Stop here", "{plan:#?}");

    machine.approve(ID);
    machine.ok(&["--once"]);
    assert_eq!(machine.place(ID), format!("Needs_Action/{ID}.md"), "it goes on");
    assert_eq!(made(&machine)[0]["state"], "posted");
    machine.ok(&["--once"]);
    assert_eq!(machine.waiting()[0]["tool"], "send_email");
    machine.approve(ID);
    machine.ok(&["--once"]);
    assert!(machine.place(ID).starts_with("Done/"), "{}", machine.place(ID));
    let sent = machine.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["to"][0], "accounts@northwind.example");
    assert!(sent[0]["text"].as_str().expect("a text").contains("INV/2026/"), "{}", sent[0]["text"]);
    assert_eq!((made(&machine).len(), steps(&machine)), (1, 4));
    assert!(states(&machine)[..6].iter().all(|line| line.starts_with("- [x]")), "{:#?}", states(&machine));
    let record = machine.read(&machine.place(ID));
    assert_eq!(record.matches("BEGIN SSH SIGNATURE").count(), 2, "both orders are in the record");
    machine.ok(&["log", "verify"]);
    // Nothing is left that would go on.
    machine.ok(&["--once"]);
    assert_eq!((machine.sent().len(), made(&machine).len()), (1, 1));
}

#[test]
fn cut_off_before_or_after_any_step_it_goes_on_and_drafts_one_invoice() {
    for point in ["step.begin", "step.end"] {
        for n in 1..=3 {
            let world = World::quiet();
            let mut machine = world.gold();
            machine.write(&format!("Needs_Action/{ID}.md"), note());
            machine.environment.insert("AI_EMPLOYEE_FAULT".into(), format!("{point}:{n}:kill"));
            assert!(!machine.run(&["--once"]).status.success(), "{point} {n}: it was to be killed");
            machine.environment.remove("AI_EMPLOYEE_FAULT");
            machine.ok(&["--once"]);
            assert_eq!(machine.waiting()[0]["tool"], "post_invoice", "{point} {n}");
            assert_eq!(made(&machine).len(), 1, "{point} {n}: one draft in the books");
            machine.approve(ID);
            machine.environment.insert("AI_EMPLOYEE_FAULT".into(), "vault.rename:2:kill".into());
            let _ = machine.run(&["--once"]);
            machine.environment.remove("AI_EMPLOYEE_FAULT");
            machine.ok(&["--once"]);
            machine.ok(&["--once"]);
            assert_eq!(machine.waiting()[0]["tool"], "send_email", "{point} {n}");
            assert_eq!((made(&machine).len(), made(&machine)[0]["state"].as_str()), (1, Some("posted")));
        }
    }
}

#[test]
fn a_person_who_ticks_stop_stops_it_and_retry_goes_on() {
    let world = World::quiet();
    let machine = world.gold();
    machine.write(&format!("Needs_Action/{ID}.md"), note());
    machine.ok(&["--once"]);
    let place = machine.place(ID);
    machine.write(&place, machine.read(&place).replace("- [ ] Stop here", "- [x] Stop here"));
    machine.approve(ID);
    machine.ok(&["--once"]);
    machine.ok(&["--once"]);
    let waiting = &machine.waiting()[0];
    assert!(waiting["tool"].is_null(), "{waiting}");
    let text = machine.read(&machine.place(ID));
    assert!(text.contains("stopped in its Plan after 4 steps"), "{text}");
    machine.ok(&["--once"]);
    assert_eq!(machine.place(ID), format!("Pending_Approval/APPROVE_{ID}.md"), "it stays stopped");
    machine.ok(&["retry", ID]);
    machine.ok(&["--once"]);
    assert_eq!(machine.waiting()[0]["tool"], "send_email");
}

#[test]
fn a_customer_that_the_books_do_not_know_is_asked_for_and_the_answer_is_taken_up() {
    let world = World::quiet();
    let machine = world.gold();
    machine.write(&format!("Needs_Action/{ID}.md"), note().replace("Northwind", "Nobody & Sons"));
    machine.ok(&["--once"]);
    let place = machine.place(ID);
    assert!(machine.read(&place).contains("know no customer"), "{}", machine.read(&place));
    machine.write(&place, machine.read(&place).replace("Nobody & Sons", "Contoso"));
    machine.ok(&["retry", ID]);
    machine.ok(&["--once"]);
    assert_eq!(machine.waiting()[0]["tool"], "post_invoice");
    assert_eq!(made(&machine)[0]["partner"], "Contoso Ltd");
}

#[test]
fn while_the_books_are_out_of_reach_mail_goes_on_and_the_task_goes_on_later() {
    let world = World::quiet();
    let machine = world.gold();
    let folder = world.path().join("programs");
    std::fs::create_dir_all(&folder).expect("a folder");
    symlink(programs().join("mcp-email"), folder.join("mcp-email")).expect("a link");
    symlink("/bin/false", folder.join("mcp-odoo")).expect("a link");
    let settings = format!("mcp: {{ directory: {folder:?} }}\nclaims: {{ retry_seconds: 0 }}\nowner: {{");
    machine.reconfigure("owner: {", &settings);
    machine.write(&format!("Needs_Action/{ID}.md"), note());
    machine.bring("EMAIL_1");
    let said = machine.ok(&["--once"]);
    assert!(said.contains("step 1") && said.contains("tried again"), "{said}");
    assert_eq!(machine.place("EMAIL_1"), "Pending_Approval/APPROVE_EMAIL_1.md");
    assert_eq!(machine.place(ID), format!("Needs_Action/{ID}.md"));
    std::fs::remove_file(folder.join("mcp-odoo")).expect("removed");
    symlink(programs().join("mcp-odoo"), folder.join("mcp-odoo")).expect("a link");
    machine.ok(&["--once"]);
    assert_eq!(machine.place(ID), format!("Pending_Approval/APPROVE_{ID}.md"));
    assert_eq!(made(&machine).len(), 1);
}

#[test]
fn set_aside_after_a_signed_step_it_is_tried_again_from_there_and_posts_nothing_twice() {
    let world = World::quiet();
    let machine = world.gold();
    let folder = world.path().join("programs");
    std::fs::create_dir_all(&folder).expect("a folder");
    let books = |program: std::path::PathBuf| {
        // It may not be there yet.
        let _ = std::fs::remove_file(folder.join("mcp-odoo"));
        symlink(program, folder.join("mcp-odoo")).expect("a link");
    };
    let settings = format!("mcp: {{ directory: {folder:?} }}\nclaims: {{ max_attempts: 1 }}\nowner: {{");
    machine.reconfigure("owner: {", &settings);
    books(programs().join("mcp-odoo"));
    machine.write(&format!("Needs_Action/{ID}.md"), note());
    machine.ok(&["--once"]);
    machine.approve(ID);
    machine.ok(&["--once"]);
    books("/bin/false".into());
    machine.ok(&["--once"]);
    assert_eq!(machine.place(ID), format!("Errors/{ID}.md"));
    machine.ok(&["retry", ID]);
    assert_eq!(machine.place(ID), format!("Needs_Action/{ID}.md"), "the posting is not asked for again");
    books(programs().join("mcp-odoo"));
    machine.ok(&["--once"]);
    assert_eq!(machine.waiting()[0]["tool"], "send_email");
    assert_eq!((made(&machine).len(), made(&machine)[0]["state"].as_str()), (1, Some("posted")));
}

#[test]
fn an_audit_goes_step_by_step_over_a_crash_and_books_that_are_away_and_is_written_once() {
    let world = World::quiet();
    let mut machine = world.gold();
    let folder = world.path().join("programs");
    std::fs::create_dir_all(&folder).expect("a folder");
    symlink(programs().join("mcp-social"), folder.join("mcp-social")).expect("a link");
    symlink("/bin/false", folder.join("mcp-odoo")).expect("a link");
    let settings = format!("mcp: {{ directory: {folder:?} }}\nclaims: {{ retry_seconds: 0 }}\nowner: {{");
    machine.reconfigure("owner: {", &settings);
    let audit = "schedules: { entries: { weekly-audit: { cron: '0 23 * * SUN', duty: audit } } }";
    machine.reconfigure("schedules: { entries: {} }", audit);
    machine.ok(&["schedule", "run", "weekly-audit"]);
    let tasks = machine.tasks();
    let path = tasks.keys().find(|path| path.contains("AUDIT_")).expect("the audit");
    let id = path.rsplit_once('/').expect("a folder").1.replace(".md", "");
    let steps = |machine: &Machine| {
        let made = machine.records();
        let made = made.iter().filter(|r| r["task"] == id.as_str() && r["action_type"] == "step");
        made.map(|r| r["params"]["step"].as_u64().expect("a number")).collect::<Vec<_>>()
    };
    // Killed when it is about to write down what the third source, the books, said.
    machine.environment.insert("AI_EMPLOYEE_FAULT".into(), "step.end:3:kill".into());
    assert!(!machine.run(&["--once"]).status.success(), "it was to be killed");
    machine.environment.remove("AI_EMPLOYEE_FAULT");
    assert_eq!(steps(&machine), [1, 2, 3]);
    let file = machine.read(&machine.place(&id));
    assert!(file.contains("- [x] look into the journal") && !file.contains("- [x] read the books"), "{file}");

    // The books are away: the pages are read all the same, and nothing that was read is read again.
    machine.reconfigure("retry_seconds: 0", "retry_seconds: 600");
    machine.ok(&["--once"]);
    assert_eq!(steps(&machine), [1, 2, 3, 3, 4]);
    let file = machine.read(&format!("Needs_Action/{id}.md"));
    assert!(file.contains("- [x] read the pages"), "{file}");
    assert!(file.contains("- [ ] read the books (did not work; it is tried again)"), "{file}");

    std::fs::remove_file(folder.join("mcp-odoo")).expect("removed");
    symlink(programs().join("mcp-odoo"), folder.join("mcp-odoo")).expect("a link");
    machine.ok(&["retry", &id]);
    machine.ok(&["--once"]);
    assert!(machine.place(&id).starts_with("Done/"), "{}", machine.place(&id));
    assert_eq!(steps(&machine), [1, 2, 3, 3, 4, 3]);
    let pages: Vec<_> = std::fs::read_dir(machine.vault().join("Briefings")).expect("a folder").collect();
    assert_eq!(pages.len(), 2, "one page of each form");
    let record = machine.read(&machine.place(&id));
    let (_, rest) = record.split_once("Briefings/").expect("what was written");
    let briefing = machine.read(&format!("Briefings/{}", rest.split_once(':').expect("a path").0));
    assert!(!briefing.contains("was not called"), "the books were had in the end: {briefing}");
    machine.ok(&["log", "verify"]);
}

#[test]
fn the_cloud_makes_the_harmless_steps_and_the_owners_machine_the_signed_ones() {
    let world = World::quiet();
    let (cloud, owner) = (world.cloud(), world.owner());
    cloud.write(&format!("Needs_Action/{ID}.md"), note());
    cloud.ok(&["--once"]);
    assert_eq!(made(&cloud).len(), 1);
    owner.ok(&["--once"]);
    assert_eq!(owner.waiting()[0]["tool"], "post_invoice");
    assert_eq!(owner.tasks(), cloud.tasks());
}
