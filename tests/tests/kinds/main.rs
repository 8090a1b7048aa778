//! Each kind of work, from a task through its draft and the owner's signed order to its effect on the
//! sample services, with the real programs.

mod handbook;
mod money;
mod words;

use serde_json::Value;
use tests::{Machine, World};

/// A machine that does everything, to which nothing happens but what a test drops.
fn owner(world: &World) -> Machine {
    let machine = world.owner();
    machine.reconfigure("approval: { ", "approval: { payee_hold_hours: 0, ");
    machine
}

/// Drops a task with its front matter and text, and has it drafted.
fn drafted(machine: &Machine, id: &str, front: &str, text: &str) -> Value {
    let kind = id.split('_').next().expect("a prefix").to_lowercase();
    let task = format!("---\nid: {id}\ntype: {kind}\ncreated: 2026-02-23T03:15:00Z\n{front}\n---\n{text}\n");
    machine.write(&format!("Needs_Action/{id}.md"), task);
    machine.ok(&["--once"]);
    match machine.place(id).starts_with("Pending_Approval/") {
        true => serde_json::from_str(&machine.ok(&["show", id, "--json"])).expect("JSON"),
        false => Value::String(machine.place(id)),
    }
}

/// Approves it, has it carried out, and expects it to be done, once.
fn carried_out(machine: &Machine, id: &str) {
    machine.approve(id);
    machine.ok(&["--once"]);
    assert!(
        machine.place(id).starts_with("Done/"),
        "{}: {}",
        machine.place(id),
        machine.read(&machine.place(id))
    );
    machine.ok(&["--once"]);
}

/// What a draft asks of the owner.
fn question(shown: &Value) -> &str {
    shown["question"].as_str().unwrap_or_else(|| panic!("no question in {shown:#}"))
}

fn draft(shown: &Value) -> &Value {
    assert!(shown["action"].is_object(), "no proposal in {shown:#}");
    &shown["action"]
}
