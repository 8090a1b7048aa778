use super::*;
use task::{AuditEvent, AuditOutcome, FrontMatter, Task};
use vault::Limits;

struct Scene {
    temp: tempfile::TempDir,
    vault: Vault,
    agent: AgentId,
    health: Health,
    reporter: Reporter,
}

impl Scene {
    fn new() -> Self {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path(), Limits::default()).expect("open");
        let agent = "local-001".parse().expect("agent");
        Self { temp, vault, agent, health: Health::default(), reporter: Reporter::new() }
    }

    fn refresh(&mut self, now: &str) -> bool {
        let now = now.parse().expect("time");
        let sign = AgentSign::remote("cloud-001".parse().expect("agent"), "gmail=1771842000.ok", now);
        let given = Given { now, agent: &self.agent, health: &self.health, signs: &[sign], warnings: &[] };
        self.reporter.refresh(&self.vault, &given).expect("refresh")
    }

    fn put(&self, path: &str, subject: &str) {
        let location = Location::parse(path).expect("location");
        let mut front = FrontMatter::new(location.id.clone(), "2026-02-23T03:15:00Z".parse().expect("time"));
        front.subject = Some(subject.to_owned());
        self.vault.create(&location, &Task::new(front, "")).expect("create");
    }

    fn page(&self) -> String {
        self.vault.read_page(DASHBOARD).expect("read").expect("a page")
    }
}

#[test]
fn an_idle_pair_leaves_the_dashboard_alone() {
    let mut scene = Scene::new();
    assert!(scene.refresh("2026-02-23T10:30:00Z"));
    let before = scene.page();
    assert!(!scene.refresh("2026-02-23T10:30:30Z"));
    // A restart, and another day of the week.
    scene.reporter = Reporter::new();
    assert!(!scene.refresh("2026-02-23T10:50:00Z"));
    assert_eq!(scene.page(), before);
    // The watermark stands still for too long: that is more than a time.
    assert!(scene.refresh("2026-02-24T10:50:00Z"));
    assert!(scene.page().contains("**behind**"));
}

#[test]
fn what_is_in_the_vault_is_on_the_page() {
    let mut scene = Scene::new();
    scene.put("Pending_Approval/APPROVE_EMAIL_1.md", "To decide");
    scene.put("Needs_Action/EXECUTE_EMAIL_2.md", "Signed");
    scene.put("Needs_Action/EMAIL_3.md", "New");
    scene.put("Needs_Action/ERROR_HEALTH_disk_20260223.md", "Disk");
    scene.put("In_Progress/cloud-001/EMAIL_4.md", "Being drafted");
    scene.put("Done/2026/02/EMAIL_5.md", "Offer");
    std::fs::write(scene.temp.path().join("Inbox/bad.bin"), "x").expect("write");
    scene.vault.quarantine("Inbox/bad.bin".as_ref(), "it is no [[text]]").expect("quarantine");
    std::fs::write(scene.temp.path().join("Errors/EMAIL_6.md"), "no front matter").expect("write");
    scene.vault.keep_conflict("EMAIL_7.md", b"x").expect("keep");
    let event = AuditEvent::new("execute", Some("EMAIL_5".parse().expect("id"))).result(AuditOutcome::Ok);
    let now = "2026-02-23T10:00:00Z".parse().expect("time");
    scene.vault.log(&scene.agent, event, now).expect("log");
    scene.vault.stop("by the owner").expect("stop");

    assert!(scene.refresh("2026-02-23T10:30:00Z"));
    let page = scene.page();
    for part in [
        "[!danger] Stopped",
        "by the owner",
        "| [[APPROVE_EMAIL_1\\|EMAIL_1]] | To decide |",
        "1 to decide · 2 set aside · 2 in work · 1 new",
        "[[ERROR_HEALTH_disk_20260223]] Disk",
        "approved, to be carried out: [[EXECUTE_EMAIL_2|EMAIL_2]] Signed",
        "- cloud-001: [[EMAIL_4]] Being drafted",
        "it is no \\[\\[text\\]\\]",
        "[[EMAIL_6]]",
        "first line must be ---",
        "✅ [[EMAIL_5]] Offer — carried out",
        "`Conflicts/EMAIL_7_",
        "| gmail | cloud-001 | 🟢 complete |",
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
    assert!(!scene.refresh("2026-02-23T10:31:00Z"));
    scene.put("Pending_Approval/APPROVE_EMAIL_8.md", "Another");
    assert!(scene.refresh("2026-02-23T10:31:00Z"));
}

#[test]
fn an_approval_that_never_comes_is_a_reminder_and_more_errors_than_fit_are_counted() {
    let mut scene = Scene::new();
    let location = Location::parse("Pending_Approval/APPROVE_EMAIL_1.md").expect("location");
    let mut front = FrontMatter::new(location.id.clone(), "2026-02-20T03:15:00Z".parse().expect("time"));
    front.drafted_at = Some("2026-02-21T10:00:00Z".parse().expect("time"));
    scene.vault.create(&location, &Task::new(front, "")).expect("create");
    for n in 0..250 {
        scene.put(&format!("Errors/ERROR_{n:03}.md"), "A real task");
    }
    assert!(scene.refresh("2026-02-23T09:59:00Z"));
    assert!(!scene.page().contains('⏳'));
    assert!(scene.refresh("2026-02-23T10:01:00Z"), "it has become late");
    let page = scene.page();
    assert!(page.contains("EMAIL_1]] ⏳ |") && page.contains("more than 48 h for your decision"), "{page}");
    assert!(page.contains("… and 220 more"), "{page}");
    assert!(page.contains("next: `local-agent retry ERROR_"), "{page}");
}
