//! 1, one place; 2, no work without ownership; 6, a person's words are never lost.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use tests::{Intruder, Machine, World, mail};

const ROUNDS: usize = 4;
const PER_ROUND: usize = 4;

/// What a race of two agents came to.
struct Outcome {
    ids: Vec<String>,
    cloud: BTreeMap<String, String>,
    owner: BTreeMap<String, String>,
    /// The paths at the remote's tip.
    published: Vec<String>,
    /// Both agents' records of drafts: task and agent.
    drafts: Vec<(String, String)>,
}

/// Two agents that find the same new tasks at the same moment, several times over, and then once
/// more each so that both have heard of everything. Run once, looked at twice.
fn race() -> &'static Outcome {
    static OUTCOME: OnceLock<Outcome> = OnceLock::new();
    OUTCOME.get_or_init(|| {
        let world = World::quiet();
        let (cloud, owner) = (world.cloud(), world.owner());
        cloud.ok(&["--once"]);
        let third = Intruder::new(&world);
        let mut ids = Vec::new();
        for round in 0..ROUNDS {
            let new: Vec<String> = (0..PER_ROUND).map(|n| format!("EMAIL_race_{round}_{n}")).collect();
            let files: Vec<_> = new.iter().map(|id| (format!("Needs_Action/{id}.md"), mail(id))).collect();
            let changes: Vec<_> =
                files.iter().map(|(path, text)| (path.as_str(), Some(text.as_bytes()))).collect();
            third.push(&changes);
            ids.extend(new);
            // One more that each has alone, so that there is something to integrate besides.
            for (machine, name) in [(&cloud, "cloud"), (&owner, "owner")] {
                let id = format!("EMAIL_own_{name}_{round}");
                machine.bring(&id);
                ids.push(id);
            }
            let (mut one, mut other) = (cloud.start(&["--once"]), owner.start(&["--once"]));
            one.ok();
            other.ok();
            no_doubles(&cloud, &ids);
            no_doubles(&owner, &ids);
        }
        for machine in [&cloud, &owner, &cloud] {
            machine.ok(&["--once"]);
        }
        let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
        Outcome {
            ids,
            cloud: cloud.tasks(),
            owner: owner.tasks(),
            published: world
                .git(&["ls-tree", "-r", "--name-only", "main"])
                .lines()
                .map(str::to_owned)
                .collect(),
            // Logs are synchronised: either clone has both agents' records.
            drafts: owner
                .records()
                .iter()
                .filter(|record| record["action_type"] == "draft")
                .map(|record| (text(&record["task"]), text(&record["agent_id"])))
                .collect(),
        }
    })
}

fn no_doubles(machine: &Machine, ids: &[String]) {
    let tasks = machine.tasks();
    for id in ids {
        let suffix = format!("{id}.md");
        let places: Vec<&String> = tasks.keys().filter(|path| path.ends_with(&suffix)).collect();
        assert!(places.len() <= 1, "{id} has the places {places:?}");
    }
}

#[test]
fn invariant_01_one_place() {
    let outcome = race();
    assert_eq!(outcome.cloud, outcome.owner, "both clones hold the same tasks, byte for byte");
    let expected: Vec<String> = {
        let mut paths: Vec<_> =
            outcome.ids.iter().map(|id| format!("Pending_Approval/APPROVE_{id}.md")).collect();
        paths.sort();
        paths
    };
    assert_eq!(outcome.owner.keys().cloned().collect::<Vec<_>>(), expected, "each once, and nothing else");
    let published: Vec<_> = outcome.published.iter().filter(|path| path.contains("EMAIL_")).collect();
    assert_eq!(published, expected.iter().collect::<Vec<_>>(), "and no claim is left at the remote");
}

#[test]
fn invariant_02_no_work_without_ownership() {
    let outcome = race();
    let mut drafted: Vec<&str> = outcome.drafts.iter().map(|(task, _)| task.as_str()).collect();
    drafted.sort_unstable();
    let mut expected: Vec<&str> = outcome.ids.iter().map(String::as_str).collect();
    expected.sort_unstable();
    assert_eq!(drafted, expected, "whoever lost a claim did not draft: {:?}", outcome.drafts);
}

#[test]
fn invariant_02_without_the_remote_nobody_drafts_what_both_may_take() {
    let world = World::quiet();
    let (cloud, owner) = (world.cloud(), world.owner());
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);
    std::fs::rename(world.remote(), world.path().join("away.git")).expect("the remote goes away");
    for machine in [&cloud, &owner] {
        machine.bring("EMAIL_shared");
        machine.fails(1, &["--once"]);
        assert_eq!(machine.place("EMAIL_shared"), "Needs_Action/EMAIL_shared.md");
        assert_eq!(machine.read("Needs_Action/EMAIL_shared.md"), mail("EMAIL_shared"), "untouched");
        assert!(machine.records().iter().all(|record| record["action_type"] != "draft"));
    }
    owner.bring("WHATSAPP_mine");
    cloud.bring("WHATSAPP_mine");
    owner.fails(1, &["--once"]);
    cloud.fails(1, &["--once"]);
    assert!(owner.place("WHATSAPP_mine").starts_with("Pending_Approval/"), "its one claimant needs nobody");
    assert_eq!(cloud.place("WHATSAPP_mine"), "Needs_Action/WHATSAPP_mine.md", "never the cloud's");
}

#[test]
fn invariant_06_a_pending_draft_that_both_sides_change_keeps_both_texts() {
    let world = World::quiet();
    let (cloud, owner) = (world.cloud(), world.owner());
    cloud.bring("EMAIL_both");
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);
    let pending = "Pending_Approval/APPROVE_EMAIL_both.md";
    let drafted = owner.read(pending);
    owner.write(pending, format!("{drafted}\nThe owner's own words.\n"));
    cloud.write(pending, format!("{drafted}\nThe other machine's words.\n"));
    // The other machine is first, so that the owner's edit meets it.
    cloud.ok(&["--once"]);
    let account = owner.ok(&["--once"]);
    cloud.ok(&["--once"]);
    for machine in [&owner, &cloud] {
        assert!(machine.read(pending).contains("The owner's own words."), "the owner's edit stands");
        assert!(machine.holds("The other machine's words."), "and the other's is kept");
    }
    assert_eq!(account.matches("Conflicts/").count(), 1, "it is said once: {account}");
    assert_eq!(cloud.tasks(), owner.tasks());
}

#[test]
fn invariant_06_words_written_into_a_task_that_moves_on_are_kept() {
    let world = World::quiet();
    let (cloud, owner) = (world.cloud(), world.owner());
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);
    // The same task was made on both machines, and the owner wrote more into it.
    cloud.bring("EMAIL_moved");
    owner.write(
        "Needs_Action/EMAIL_moved.md",
        format!("{}\nDo not forget the discount.\n", mail("EMAIL_moved")),
    );
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);
    cloud.ok(&["--once"]);
    for machine in [&owner, &cloud] {
        machine.place("EMAIL_moved");
        assert!(machine.holds("Do not forget the discount."));
    }
    assert_eq!(cloud.tasks(), owner.tasks());
}

#[test]
fn invariant_06_words_written_into_a_claimed_task_survive_its_release() {
    let world = World::quiet();
    let owner = world.owner();
    owner.ok(&["--once"]);
    let (new, claimed) = ("Needs_Action/EMAIL_freed.md", "In_Progress/cloud-001/EMAIL_freed.md");
    let record = "In_Progress/cloud-001/EMAIL_freed.claim.json";
    let text = mail("EMAIL_freed");
    let claim = br#"{"agent":"cloud-001","id":"EMAIL_freed","nonce":"0123456789abcdef0123456789abcdef"}"#;
    let cloud = Intruder::new(&world);
    cloud.push(&[(claimed, Some(text.as_bytes())), (record, Some(claim))]);
    owner.ok(&["--once"]);
    assert_eq!(owner.place("EMAIL_freed"), claimed);
    owner.write(claimed, format!("{text}\nMention the new address.\n"));
    cloud.push(&[(claimed, None), (record, None), (new, Some(text.as_bytes()))]);
    owner.ok(&["--once"]);
    owner.place("EMAIL_freed");
    assert!(owner.holds("Mention the new address."), "{:#?}", owner.tasks());
}

#[test]
fn invariant_06_a_handbook_and_a_note_written_at_once_on_both_machines() {
    let world = World::quiet();
    let (cloud, owner) = (world.cloud(), world.owner());
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);
    cloud.ok(&["--once"]);
    for (machine, words) in [(&cloud, "Written on the cloud."), (&owner, "Written at home.")] {
        machine.write("Company_Handbook.md", format!("# Handbook\n\n{words}\n"));
        machine.write("Accounting/2026.md", format!("# Accounts\n\n{words} Too.\n"));
    }
    cloud.ok(&["--once"]);
    owner.ok(&["--once"]);
    cloud.ok(&["--once"]);
    for machine in [&cloud, &owner] {
        assert!(
            machine.read("Company_Handbook.md").contains("Written at home."),
            "the owner's machine has it"
        );
        for words in ["Written on the cloud.\n", "Written on the cloud. Too.", "Written at home. Too."] {
            assert!(machine.holds(words), "{words}");
        }
    }
}
