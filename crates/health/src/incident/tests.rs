use super::*;
use crate::Subject;
use vault::{Folder, Limits};

struct Scene {
    temp: tempfile::TempDir,
    vault: Vault,
    agent: AgentId,
}

impl Scene {
    fn new() -> Self {
        let temp = tempfile::tempdir().expect("a folder");
        let vault = Vault::open(temp.path().join("vault"), Limits::default()).expect("open");
        Self { temp, vault, agent: "local-001".parse().expect("agent") }
    }

    /// One check at a minute, by a process that has just started.
    fn check(&self, minute: i64, alarms: &[Alarm]) -> Changes {
        let mut incidents = Incidents::open(self.temp.path().join("incidents.json")).expect("open");
        let now = "2026-02-23T03:00:00Z".parse::<DateTime<Utc>>().expect("time");
        let changes = incidents.update(&self.vault, &self.agent, alarms, now + TimeDelta::minutes(minute));
        assert!(changes.failed.is_empty(), "{:?}", changes.failed);
        changes
    }

    fn waiting(&self) -> Vec<String> {
        let tasks = self.vault.list(&Folder::NeedsAction).expect("list").tasks;
        tasks.into_iter().map(|entry| entry.location.id.to_string()).collect()
    }

    fn body(&self, id: &str) -> String {
        let location = Location::new(Stage::NeedsAction, id.parse().expect("id"));
        self.vault.read(&location).expect("read").task.body
    }
}

fn disk() -> Alarm {
    Alarm {
        subject: Subject::Disk("local-001".parse().expect("agent")),
        title: "the disk is almost full".into(),
        detail: "12 MB are free".into(),
        remedy: "make room",
    }
}

const ID: &str = "ERROR_HEALTH_disk-local-001_20260223";

#[test]
fn an_incident_makes_one_task_however_often_it_is_looked_at() {
    let scene = Scene::new();
    assert_eq!(scene.check(0, &[disk()]).opened.len(), 1);
    for minute in 1..50 {
        assert!(scene.check(minute, &[disk()]).opened.is_empty());
    }
    assert_eq!(scene.waiting(), [ID]);
    // Nor does it come back because the owner has put the task away.
    std::fs::remove_file(scene.vault.path_of(&format!("Needs_Action/{ID}.md"))).expect("remove");
    assert!(scene.check(50, &[disk()]).opened.is_empty());
    assert!(scene.waiting().is_empty());
}

#[test]
fn recovery_is_noted_in_the_same_task_and_in_the_log() {
    let scene = Scene::new();
    scene.check(0, &[disk()]);
    assert_eq!(scene.check(5, &[]).recovered.len(), 1);
    assert!(scene.check(6, &[]).recovered.is_empty());
    assert!(
        scene.body(ID).ends_with("raised by local-001: 12 MB are free\n- 2026-02-23 03:05 UTC recovered\n"),
        "{}",
        scene.body(ID)
    );
    let actions: Vec<String> =
        scene.vault.recent_records(10).expect("records").into_iter().map(|r| r.action_type).collect();
    assert_eq!(actions, ["health_alarm", "health_recovered"]);
}

#[test]
fn a_relapse_is_the_same_incident_and_a_later_one_is_not() {
    let scene = Scene::new();
    scene.check(0, &[disk()]);
    scene.check(5, &[]);
    assert_eq!(scene.check(10, &[disk()]).opened.len(), 1);
    assert_eq!(scene.waiting(), [ID]);
    assert!(scene.body(ID).ends_with("- 2026-02-23 03:10 UTC came back: 12 MB are free\n"));
    scene.check(15, &[]);
    scene.check(200, &[disk()]);
    assert_eq!(scene.waiting(), [format!("{ID}-2"), ID.to_owned()]);
}

#[test]
fn a_crash_between_state_and_task_loses_nothing() {
    let scene = Scene::new();
    let state = format!(
        r#"{{"disk-local-001":{{"task":"{ID}","since":"2026-02-23T03:00:00Z","made":false,"recovered":null}}}}"#
    );
    std::fs::write(scene.temp.path().join("incidents.json"), state).expect("write");
    assert_eq!(scene.check(1, &[disk()]).opened.len(), 1);
    assert_eq!(scene.waiting(), [ID]);
    assert!(scene.check(2, &[disk()]).opened.is_empty());
}

#[test]
fn what_cannot_be_written_is_tried_again() {
    let scene = Scene::new();
    let mut incidents = Incidents::open(scene.temp.path().join("nowhere/incidents.json")).expect("open");
    let now = "2026-02-23T03:00:00Z".parse().expect("time");
    for _ in 0..2 {
        let changes = incidents.update(&scene.vault, &scene.agent, &[disk()], now);
        assert_eq!((changes.failed.len(), changes.opened.len()), (1, 0));
    }
    std::fs::create_dir(scene.temp.path().join("nowhere")).expect("folder");
    assert_eq!(incidents.update(&scene.vault, &scene.agent, &[disk()], now).opened.len(), 1);
    assert_eq!(scene.waiting(), [ID]);
}
