use git2::ObjectType;

use super::*;

fn state(paths: &[&str]) -> State {
    let entry = |text: &&str| {
        let (path, content) = text.split_once('=').unwrap_or((text, "base"));
        let blob = Oid::hash_object(ObjectType::Blob, content.as_bytes()).expect("hash");
        (path.to_owned(), (Place::parse(path).expect("place"), blob))
    };
    paths.iter().map(entry).collect()
}

/// `me` is cloud-001 on the other side and local-001 on the owner's.
fn check(side: Side, base: &[&str], local: &[&str], remote: &[&str], expected: Winner) {
    let me = if side == Side::Owner { "local-001" } else { "cloud-001" }.parse().expect("agent");
    let id = "EMAIL_1".parse().expect("id");
    let winner = settle(&id, &me, side, &state(base), &state(local), &state(remote));
    assert_eq!(winner, expected, "{side:?}: {base:?} -> {local:?} | {remote:?}");
}

/// The same two versions, seen from both machines: `cloud` is what cloud-001 has.
fn both(base: &[&str], cloud: &[&str], owner: &[&str], cloud_wins: bool) {
    let (l, r) = (Winner::Local, Winner::Remote);
    check(Side::Other, base, cloud, owner, if cloud_wins { l } else { r });
    check(Side::Owner, base, owner, cloud, if cloud_wins { r } else { l });
}

const NEW: &str = "Needs_Action/EMAIL_1.md";
const PENDING: &str = "Pending_Approval/APPROVE_EMAIL_1.md";
const DONE: &str = "Done/2026/02/EMAIL_1.md";

#[test]
fn done_wins_then_the_owner_then_the_later_stage() {
    both(&[NEW], &[DONE], &[PENDING], true);
    both(&[NEW], &[PENDING], &[DONE], false);
    both(&[PENDING], &["Errors/EMAIL_1.md"], &["Needs_Action/EXECUTE_EMAIL_1.md=signed"], false);
    both(&[PENDING], &["Pending_Approval/APPROVE_EMAIL_1.md=redrafted"], &["Rejected/EMAIL_1.md"], false);
    // The owner edited the task while the other side went on with it.
    both(&[NEW], &[PENDING], &["Needs_Action/EMAIL_1.md=edited"], false);
    both(&[NEW], &["Needs_Action/EMAIL_1.md=a"], &["Needs_Action/EMAIL_1.md=b"], false);
    // The owner edited it in work, and its agent was done: no claim comes back by that. Found by a
    // schedule: its agent knew nothing of it and was alive, so that nobody ever went on.
    let (in_work, edited) = ("In_Progress/cloud-001/EMAIL_1.md", "In_Progress/cloud-001/EMAIL_1.md=edited");
    both(&[in_work], &[PENDING], &[edited], true);
    both(&[in_work], &[NEW], &[edited], true);
    both(&[in_work], &["In_Progress/cloud-001/EMAIL_1.md=b"], &[edited], false);
    // A tip with the claim was taken in by half, and its agent went on. Found by a schedule, too.
    for base in [&[][..], &[NEW]] {
        both(base, &[PENDING], &[in_work], true);
        check(Side::Owner, base, &[in_work], &["Needs_Action/EMAIL_1.md=b"], Winner::Remote);
    }
    // Both only moved it.
    both(&["Errors/EMAIL_1.md"], &[PENDING], &[NEW], true);
}

#[test]
fn an_order_is_the_owners_machines_alone() {
    let order = "Needs_Action/EXECUTE_EMAIL_1.md";
    both(&[order], &[DONE], &["In_Progress/local-001/EXECUTE_EMAIL_1.md"], false);
    both(&["In_Progress/local-001/EXECUTE_EMAIL_1.md"], &[NEW], &["Errors/EMAIL_1.md"], false);
}

#[test]
fn words_win_against_a_deletion() {
    check(Side::Other, &[NEW], &[], &[PENDING], Winner::Remote);
    check(Side::Other, &[NEW], &[PENDING], &[], Winner::Local);
}

#[test]
fn a_claim_that_the_remote_has_not_accepted_loses_against_anything() {
    let mine = "In_Progress/cloud-001/EMAIL_1.md";
    for remote in [
        "In_Progress/local-001/EMAIL_1.md",
        "In_Progress/another/EMAIL_1.md",
        "Needs_Action/EMAIL_1.md=edited",
        PENDING,
        DONE,
    ] {
        check(Side::Other, &[NEW], &[mine], &[remote], Winner::Remote);
    }
    // Born here, and born there too.
    check(Side::Other, &[], &[mine], &["Needs_Action/EMAIL_1.md=other"], Winner::Remote);
    // On the owner's machine just the same.
    check(
        Side::Owner,
        &[NEW],
        &["In_Progress/local-001/EMAIL_1.md"],
        &["In_Progress/cloud-001/EMAIL_1.md"],
        Winner::Remote,
    );
}

#[test]
fn what_was_done_on_a_claim_that_was_taken_back_does_not_count() {
    let mine = "In_Progress/cloud-001/EMAIL_1.md";
    for (local, remote) in [
        (PENDING, NEW),
        (DONE, NEW),
        (PENDING, "In_Progress/local-001/EMAIL_1.md"),
        (DONE, "Pending_Approval/APPROVE_EMAIL_1.md=theirs"),
    ] {
        check(Side::Other, &[mine], &[local], &[remote], Winner::Remote);
    }
    // Taking back loses against an owner that moved on.
    check(Side::Other, &["In_Progress/x/EMAIL_1.md"], &[NEW], &[PENDING], Winner::Remote);
}

#[test]
fn a_doubled_task_becomes_one_and_foreign_claims_go() {
    let doubled = state(&[NEW, "Pending_Approval/APPROVE_EMAIL_1.md=drafted"]);
    assert_eq!(normalised(&doubled).keys().collect::<Vec<_>>(), [PENDING]);
    let claims = state(&[
        "In_Progress/cloud-001/EMAIL_1.md",
        "In_Progress/cloud-001/EMAIL_1.claim.json",
        "In_Progress/other/EMAIL_1.claim.json",
    ]);
    assert_eq!(
        normalised(&claims).keys().collect::<Vec<_>>(),
        ["In_Progress/cloud-001/EMAIL_1.claim.json", "In_Progress/cloud-001/EMAIL_1.md"]
    );
}

#[test]
fn other_files_are_their_owners_and_edits_beat_deletions() {
    let blob = |text: &str| Some(Oid::hash_object(ObjectType::Blob, text.as_bytes()).expect("hash"));
    let (a, b, c) = (blob("a"), blob("b"), blob("c"));
    let check = |path: &str, side, base, local, remote, expected| {
        let me = if side == Side::Owner { "local-001" } else { "cloud-001" }.parse().expect("agent");
        let place = Place::parse(path).expect("place");
        assert_eq!(settle_path(&place, &me, side, base, local, remote), expected, "{path} {side:?}");
    };
    use Side::{Other, Owner};
    let (local, remote) = (Some(Winner::Local), Some(Winner::Remote));
    check("Inbox/n.md", Other, a, b, a, local);
    check("Inbox/n.md", Other, a, a, b, remote);
    check("Inbox/n.md", Other, a, b, b, None);
    check("Inbox/n.md", Other, a, b, c, remote);
    check("Inbox/n.md", Owner, a, b, c, local);
    check("Inbox/n.md", Other, a, b, None, local);
    check("Inbox/n.md", Owner, a, None, b, remote);
    check("Dashboard.md", Owner, a, b, c, local);
    check("Dashboard.md", Other, a, b, a, remote);
    check("Dashboard.md", Other, None, b, None, local);
    check("Logs/2026-02-23_cloud-001.jsonl", Other, a, b, c, local);
    check("Logs/2026-02-23_cloud-001.jsonl", Owner, a, b, c, remote);
    check("Logs/2026-02-23_cloud-001.jsonl", Owner, a, b, a, remote);
}
