//! Secrets never enter the vault's history: what holds one stays where it is, the rest goes on.

use sync::{Report, Side};

use crate::world::{SECRET, World, location};

fn refused<'a>(report: &'a Report, path: &str) -> &'a str {
    let found = report.refused.iter().find(|refusal| refusal.path == path && !refusal.incoming);
    let reason = &found.unwrap_or_else(|| panic!("{path} was not held back: {:?}", report.refused)).reason;
    assert!(!reason.contains(SECRET) && !reason.contains("7Kq2"), "{reason}");
    reason
}

#[tokio::test]
async fn a_file_with_a_secret_stays_here_and_the_rest_goes() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    cloud.write("Needs_Action/EMAIL_1.md", &format!("one\n\nthe password is {SECRET}, keep it\n"));
    cloud.write("Needs_Action/EMAIL_2.md", "fine");
    cloud.write(&format!("Inbox/{SECRET}.md").replace('/', "_").replacen('_', "/", 1), "fine");
    cloud.write("Logs/2026-02-23_cloud-001.jsonl", &format!("{{\"note\":\"{SECRET}\"}}\n"));
    let report = cloud.cycle().await;
    assert_eq!(
        refused(&report, "Needs_Action/EMAIL_1.md"),
        "line 3, column 17: the secret of mail account work (plain); it stays on this machine until that is taken out"
    );
    refused(&report, "Logs/2026-02-23_cloud-001.jsonl");
    let withheld: Vec<_> = cloud.sync.status().withheld.into_iter().map(|(path, _)| path).collect();
    assert_eq!(withheld, ["Logs/2026-02-23_cloud-001.jsonl", "Needs_Action/EMAIL_1.md"]);
    local.cycle().await;
    assert_eq!(local.text("Needs_Action/EMAIL_2.md").as_deref(), Some("fine"));
    assert_eq!(local.text("Needs_Action/EMAIL_1.md"), None);
    assert!(!world.holds(SECRET.as_bytes()));
    // Said once, and committed nothing on the way.
    let commits = world.commits();
    assert_eq!(cloud.cycle().await.refused, []);
    assert_eq!(world.commits(), commits);
    // Taken out, it goes.
    cloud.write("Needs_Action/EMAIL_1.md", "the password is on paper\n");
    cloud.cycle().await;
    local.cycle().await;
    assert_eq!(local.text("Needs_Action/EMAIL_1.md").as_deref(), Some("the password is on paper\n"));
    assert_eq!(cloud.sync.status().withheld.len(), 1);
}

#[tokio::test]
async fn a_name_with_a_secret_is_not_even_shown() {
    let world = World::new();
    let (cloud, _local) = world.pair().await;
    let token = format!("gh{}_{}", "p", "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5");
    cloud.write(&format!("Inbox/{token}.md"), "fine");
    let report = cloud.cycle().await;
    assert_eq!(refused(&report, "a file in Inbox"), "its name has a GitHub token in it");
    assert!(!format!("{report:?} {:?}", cloud.sync.status()).contains(&token));
    assert!(!world.holds(token.as_bytes()));
}

#[tokio::test]
async fn of_a_file_that_gets_a_secret_later_the_old_version_stays_at_the_remote() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    local.write("Inbox/note.md", "old");
    local.write("Needs_Action/EMAIL_1.md", "old");
    local.cycle().await;
    local.write("Inbox/note.md", &format!("new {SECRET}"));
    local.write("Dashboard.md", &format!("| the subject of a mail: {SECRET} |"));
    // Edited and moved on: the task must not vanish at the remote.
    local.write("Needs_Action/EMAIL_1.md", &format!("new {SECRET}"));
    local.rename("Needs_Action/EMAIL_1.md", "Pending_Approval/APPROVE_EMAIL_1.md");
    let report = local.cycle().await;
    refused(&report, "Inbox/note.md");
    refused(&report, "Dashboard.md");
    refused(&report, "Pending_Approval/APPROVE_EMAIL_1.md");
    cloud.cycle().await;
    assert_eq!(cloud.text("Inbox/note.md").as_deref(), Some("old"));
    assert_eq!(cloud.text("Needs_Action/EMAIL_1.md").as_deref(), Some("old"));
    assert!(!world.holds(SECRET.as_bytes()));
    // What the other side does with it meanwhile does not take it from the owner.
    cloud.rename("Needs_Action/EMAIL_1.md", "In_Progress/cloud-001/EMAIL_1.md");
    cloud.cycle().await;
    local.cycle().await;
    assert!(local.text("Pending_Approval/APPROVE_EMAIL_1.md").is_some_and(|text| text.contains(SECRET)));
    assert_eq!(local.text("In_Progress/cloud-001/EMAIL_1.md"), None);
    local.write("Pending_Approval/APPROVE_EMAIL_1.md", "new, without it");
    local.cycle().await;
    cloud.cycle().await;
    assert_eq!(cloud.text("Pending_Approval/APPROVE_EMAIL_1.md").as_deref(), Some("new, without it"));
    assert_eq!(cloud.text("Needs_Action/EMAIL_1.md"), None);
    assert_eq!(cloud.text("In_Progress/cloud-001/EMAIL_1.md"), None);
    assert_eq!(local.files().into_iter().filter(|(path, _)| path.ends_with("EMAIL_1.md")).count(), 1);
}

#[tokio::test]
async fn on_the_other_machine_a_held_task_gives_way_and_its_words_are_kept() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    cloud.write("Needs_Action/EMAIL_1.md", "a mail");
    cloud.cycle().await;
    local.cycle().await;
    let taken = cloud.claims().take(vec![location("Needs_Action/EMAIL_1.md")]).await;
    assert_eq!(taken.owned.len(), 1);
    // The draft quotes a secret, so that it never arrives.
    cloud.write("In_Progress/cloud-001/EMAIL_1.md", &format!("a draft with {SECRET}"));
    cloud.rename("In_Progress/cloud-001/EMAIL_1.md", "Pending_Approval/APPROVE_EMAIL_1.md");
    std::fs::remove_file(cloud.path("In_Progress/cloud-001/EMAIL_1.claim.json")).expect("remove");
    refused(&cloud.cycle().await, "Pending_Approval/APPROVE_EMAIL_1.md");
    local.cycle().await;
    assert_eq!(local.text("In_Progress/cloud-001/EMAIL_1.md").as_deref(), Some("a mail"));
    // The other side takes the stale claim back.
    std::fs::remove_file(local.path("In_Progress/cloud-001/EMAIL_1.claim.json")).expect("remove");
    local.rename("In_Progress/cloud-001/EMAIL_1.md", "Needs_Action/EMAIL_1.md");
    local.cycle().await;
    cloud.cycle().await;
    assert_eq!(cloud.text("Needs_Action/EMAIL_1.md").as_deref(), Some("a mail"));
    assert_eq!(cloud.text("Pending_Approval/APPROVE_EMAIL_1.md"), None);
    assert_eq!(cloud.kept(), [format!("a draft with {SECRET}")]);
    cloud.cycle().await;
    assert!(!world.holds(SECRET.as_bytes()));
}

#[tokio::test]
async fn a_task_born_with_a_secret_cannot_be_claimed() {
    let world = World::new();
    let (cloud, _local) = world.pair().await;
    cloud.write("Needs_Action/EMAIL_1.md", SECRET);
    cloud.write("Needs_Action/EMAIL_2.md", "fine");
    let wanted = vec![location("Needs_Action/EMAIL_1.md"), location("Needs_Action/EMAIL_2.md")];
    let taken = cloud.claims().take(wanted).await;
    assert_eq!(taken.owned.iter().map(|claim| claim.id().as_str()).collect::<Vec<_>>(), ["EMAIL_2"]);
    assert_eq!(taken.lost.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["EMAIL_1"]);
    assert_eq!(cloud.text("Needs_Action/EMAIL_1.md").as_deref(), Some(SECRET));
    cloud.cycle().await;
    assert!(!world.holds(SECRET.as_bytes()));
    assert!(!world.git(&["ls-tree", "-r", "--name-only", "main"]).contains("EMAIL_1"));
}

#[tokio::test]
async fn a_commit_by_hand_with_a_secret_is_not_pushed_and_its_other_changes_are() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    local.write("Inbox/note.md", "old");
    local.cycle().await;
    local.write("Inbox/note.md", &format!("new {SECRET}"));
    local.write("Inbox/other.md", "fine");
    local.write("Company_Handbook.md", "be kind");
    local.write("outside/notes.txt", SECRET);
    local.git(&["add", "--all", "--force"]);
    local.git(&["commit", "--quiet", "-m", "by hand"]);
    // Taken out again in the file, but it is in the history.
    local.write("Inbox/fleeting.md", SECRET);
    local.git(&["add", "--all"]);
    local.git(&["commit", "--quiet", "-m", "a slip"]);
    local.write("Inbox/fleeting.md", "fine");
    local.git(&["commit", "--quiet", "-a", "-m", "mended"]);
    let report = local.cycle().await;
    refused(&report, "Inbox/note.md");
    refused(&report, "outside/notes.txt");
    assert!(report.refused.iter().any(|refusal| refusal.path.starts_with("commit ")), "{report:?}");
    assert!(!world.holds(SECRET.as_bytes()));
    let at_remote = |path: &str| world.git(&["show", &format!("main:{path}")]);
    assert_eq!(at_remote("Inbox/note.md"), "old");
    assert_eq!(at_remote("Inbox/other.md"), "fine");
    assert_eq!(at_remote("Inbox/fleeting.md"), "fine");
    assert_eq!(at_remote("Company_Handbook.md"), "be kind");
    assert_eq!(local.text("Inbox/note.md"), Some(format!("new {SECRET}")));
    assert_eq!(local.text("outside/notes.txt").as_deref(), Some(SECRET));
    let commits = world.commits();
    assert_eq!(local.cycle().await.refused, []);
    assert_eq!(world.commits(), commits);
    cloud.cycle().await;
    assert_eq!(cloud.text("Inbox/note.md").as_deref(), Some("old"));
}

#[tokio::test]
async fn a_commit_message_by_hand_with_a_secret_is_not_pushed() {
    let world = World::new();
    let (_cloud, local) = world.pair().await;
    local.write("Inbox/note.md", "fine");
    local.git(&["add", "--all"]);
    local.git(&["commit", "--quiet", "-m", &format!("the new password is {SECRET}")]);
    let report = local.cycle().await;
    let said = report.refused.iter().find(|refusal| refusal.path.starts_with("commit ")).expect("said");
    assert!(said.reason.contains("message") && !said.reason.contains(SECRET), "{said:?}");
    assert!(!world.holds(SECRET.as_bytes()));
    assert_eq!(world.git(&["show", "main:Inbox/note.md"]), "fine");
}

#[tokio::test]
async fn commits_made_while_the_remote_is_away_hold_no_secret_either() {
    let world = World::new();
    let (_cloud, local) = world.pair().await;
    let away = world.temp.path().join("away.git");
    std::fs::rename(world.remote(), &away).expect("away");
    local.write("Inbox/note.md", SECRET);
    local.write("Inbox/other.md", "fine");
    local.sync.cycle().await.expect_err("away");
    local.write("Inbox/third.md", "fine");
    local.git(&["add", "Inbox/note.md"]);
    local.git(&["commit", "--quiet", "-m", "by hand"]);
    local.sync.cycle().await.expect_err("away");
    assert!(!local.git(&["log", "-p", "main"]).contains(SECRET));
    std::fs::rename(&away, world.remote()).expect("back");
    local.cycle().await;
    assert_eq!(world.git(&["show", "main:Inbox/other.md"]), "fine");
    assert_eq!(world.git(&["show", "main:Inbox/third.md"]), "fine");
    assert!(!world.holds(SECRET.as_bytes()));
}

#[tokio::test]
async fn what_the_remote_has_already_goes_on_travelling() {
    let world = World::new();
    let (_cloud, local) = world.pair().await;
    world.meddle(|root| {
        std::fs::create_dir_all(root.join("Needs_Action")).expect("folder");
        std::fs::write(root.join("Needs_Action/EMAIL_1.md"), SECRET).expect("write");
    });
    local.cycle().await;
    local.rename("Needs_Action/EMAIL_1.md", "Pending_Approval/APPROVE_EMAIL_1.md");
    assert_eq!(local.cycle().await.refused, []);
    assert_eq!(world.git(&["show", "main:Pending_Approval/APPROVE_EMAIL_1.md"]), SECRET);
    local.write("Pending_Approval/APPROVE_EMAIL_1.md", &format!("{SECRET}, once more"));
    refused(&local.cycle().await, "Pending_Approval/APPROVE_EMAIL_1.md");
}

#[tokio::test]
async fn a_first_push_of_an_old_clone_holds_no_secret() {
    let world = World::new();
    let local = world.machine("local-001", Side::Owner);
    local.write("Inbox/note.md", SECRET);
    local.write("Inbox/other.md", "fine");
    local.git(&["add", "--all"]);
    local.git(&["commit", "--quiet", "-m", "by hand"]);
    local.cycle().await;
    assert_eq!(world.git(&["ls-tree", "-r", "--name-only", "main"]), ".gitignore\nInbox/other.md");
    assert!(!world.holds(SECRET.as_bytes()));
}
