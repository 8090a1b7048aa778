use super::*;
use crate::Limits;

fn vault() -> (tempfile::TempDir, Vault, AgentId) {
    let temp = tempfile::tempdir().expect("a folder");
    let vault = Vault::open(temp.path(), Limits::default()).expect("open");
    (temp, vault, "cloud-001".parse().expect("agent"))
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("time")
}

fn log(vault: &Vault, agent: &AgentId, now: &str) -> AuditRecord {
    vault.log(agent, AuditEvent::new("claim", None), at(now)).expect("log")
}

fn sound(vault: &Vault) -> Vec<u64> {
    vault.verify_logs().expect("verify").into_iter().map(|c| c.result.expect("sound")).collect()
}

#[test]
fn the_chain_goes_on_over_days_restarts_processes_and_clocks_that_go_back() {
    let (temp, vault, agent) = vault();
    log(&vault, &agent, "2026-02-23T03:15:00Z");
    log(&vault, &agent, "2026-02-24T03:15:00Z");
    // Another process of the same agent, then this one again, with the clock put back.
    let other = Vault::open(temp.path(), Limits::default()).expect("open");
    assert_eq!(log(&other, &agent, "2026-02-25T03:15:00Z").seq, 3);
    assert_eq!(log(&vault, &agent, "2026-02-23T03:15:00Z").seq, 4);
    let neighbour: AgentId = "local-001".parse().expect("agent");
    assert_eq!(log(&vault, &neighbour, "2026-02-25T03:15:00Z").seq, 1);
    assert_eq!(sound(&vault), [1, 2, 4, 1]);
    assert_eq!(vault.recent_records(3).expect("records").len(), 3);
}

#[test]
fn many_writers_share_one_chain() {
    let (temp, vault, agent) = vault();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let vault = Vault::open(temp.path(), Limits::default()).expect("open");
                for _ in 0..10 {
                    log(&vault, &agent, "2026-02-23T03:15:00Z");
                }
            });
        }
    });
    assert_eq!(sound(&vault), [40]);
}

#[test]
fn a_line_torn_by_a_crash_is_cut_off_kept_and_said() {
    let (temp, vault, agent) = vault();
    log(&vault, &agent, "2026-02-23T03:15:00Z");
    let path = temp.path().join("Logs/2026-02-23_cloud-001.jsonl");
    let mut text = std::fs::read_to_string(&path).expect("read");
    text.push_str("{\"timestamp\":\"20");
    std::fs::write(&path, text).expect("tear");
    let record = log(&vault, &agent, "2026-02-23T03:16:00Z");
    assert_eq!(record.seq, 3);
    assert_eq!(sound(&vault), [3]);
    let records = vault.recent_records(10).expect("records");
    assert_eq!(records[1].action_type, "log_repaired");
    let note = records[1].params["note"].as_str().expect("note").to_owned();
    let kept = note.rsplit(' ').next().expect("path");
    assert_eq!(std::fs::read_to_string(temp.path().join(kept)).expect("kept"), "{\"timestamp\":\"20");
}

#[test]
fn a_file_that_holds_only_a_torn_line_goes_on_from_the_day_before() {
    let (temp, vault, agent) = vault();
    log(&vault, &agent, "2026-02-23T03:15:00Z");
    std::fs::write(temp.path().join("Logs/2026-02-24_cloud-001.jsonl"), "{\"x").expect("tear");
    log(&vault, &agent, "2026-02-24T03:16:00Z");
    assert_eq!(sound(&vault), [1, 3]);
}

#[test]
fn verification_names_the_first_bad_record_and_the_log_goes_on() {
    let (temp, vault, agent) = vault();
    for day in ["23", "24"] {
        for _ in 0..3 {
            log(&vault, &agent, &format!("2026-02-{day}T03:15:00Z"));
        }
    }
    let path = temp.path().join("Logs/2026-02-23_cloud-001.jsonl");
    let changed = std::fs::read_to_string(&path).expect("read").replacen("\"claim\"", "\"other\"", 2);
    let changed: Vec<&str> = changed.lines().collect();
    std::fs::write(&path, format!("{}\n{}\n{}\n", changed[0], changed[1], changed[2])).expect("write");
    let checks = vault.verify_logs().expect("verify");
    assert_eq!(checks[0].result.as_ref().expect_err("bad").line, 1);
    assert_eq!(checks[1].result, Ok(6));
    assert_eq!(log(&vault, &agent, "2026-02-24T03:15:00Z").seq, 7);
}

#[test]
fn a_log_that_is_a_symlink_is_not_followed() {
    let (temp, vault, agent) = vault();
    let outside = temp.path().join("outside");
    std::os::unix::fs::symlink(&outside, temp.path().join("Logs/2026-02-23_cloud-001.jsonl")).expect("link");
    assert!(vault.log(&agent, AuditEvent::new("claim", None), at("2026-02-23T03:15:00Z")).is_err());
    assert!(!outside.exists());
}

#[test]
fn a_long_reason_does_not_break_the_chain() {
    let (_temp, vault, agent) = vault();
    log(&vault, &agent, "2026-02-23T03:15:00Z");
    // A reason may quote what a stranger wrote; as JSON this one has five times its length.
    let reason = "\u{1b}".repeat(1 << 20);
    let event = AuditEvent::new("set_aside", None).with("reason", reason.as_str());
    let event = event.with("list", vec![reason; 3]);
    vault.log(&agent, event, at("2026-02-23T03:15:00Z")).expect("log");
    assert_eq!(log(&vault, &agent, "2026-02-23T03:15:00Z").seq, 3);
    assert_eq!(sound(&vault), [3]);
}
