//! The audit logs against the history that carried them.

use chrono::TimeDelta;
use sync::{LogHistory, Side};
use task::{AgentId, AuditEvent, AuditRecord, BadRecord, ChainHead, Clock as _};

use crate::world::{Machine, World};

impl Machine {
    fn log(&self, n: u64) {
        self.clock.advance(TimeDelta::minutes(1));
        let agent: AgentId = self.agent.parse().expect("agent");
        self.vault.log(&agent, AuditEvent::new("claim", None).with("n", n), self.clock.now()).expect("log");
    }

    fn first_bad(&self) -> Option<(String, BadRecord)> {
        let history = LogHistory::open(self.vault.root(), "main").expect("history").expect("git");
        let checks = self.vault.verify_logs_against(None, history).expect("verify");
        checks.into_iter().find_map(|check| Some((check.path.display().to_string(), check.result.err()?)))
    }

    fn first_undone(&self) -> Option<(String, BadRecord)> {
        let history = LogHistory::open(self.vault.root(), "main").expect("history").expect("git");
        let checks = self.vault.verify_logs_against(None, history).expect("verify");
        checks.into_iter().find_map(|check| Some((check.path.display().to_string(), check.undone?)))
    }
}

const CLOUDS: &str = "Logs/2026-02-23_cloud-001.jsonl";

#[tokio::test]
async fn an_honest_history_holds_over_lost_connections_and_merged_commits() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    for round in 0..3 {
        cloud.log(round);
        cloud.cycle().await;
        // The remote is out of reach: what is logged is committed here, and merged later.
        std::fs::rename(world.remote(), world.temp.path().join("away")).expect("away");
        local.log(round);
        local.sync.cycle().await.expect_err("no remote");
        local.log(round);
        local.sync.cycle().await.expect_err("no remote");
        std::fs::rename(world.temp.path().join("away"), world.remote()).expect("back");
        local.cycle().await;
        cloud.cycle().await;
    }
    assert_eq!((cloud.first_bad(), local.first_bad()), (None, None));
    assert_ne!(local.git(&["log", "--merges", "--oneline"]), "", "the history has merged commits");
}

#[tokio::test]
async fn a_log_that_the_other_side_wrote_anew_is_found_by_its_history() {
    let world = World::new();
    let (cloud, local) = world.pair().await;
    (0..4).for_each(|n| cloud.log(n));
    cloud.cycle().await;
    local.cycle().await;
    assert_eq!(local.first_bad(), None);
    // Record 3 is left out, and every hash after it fits.
    world.meddle(|clone| {
        let text = std::fs::read_to_string(clone.join(CLOUDS)).expect("log");
        let mut head = ChainHead::default();
        let mut anew = String::new();
        for line in text.lines().enumerate().filter(|(n, _)| *n != 2).map(|(_, line)| line) {
            let record = AuditRecord::parse(line).expect("record");
            let event = AuditEvent::new(record.action_type, None).with("n", record.params["n"].clone());
            let record = AuditRecord::seal(event, record.agent_id, record.timestamp, &head).expect("record");
            head = record.head();
            anew.push_str(&record.to_line().expect("line"));
        }
        std::fs::write(clone.join(CLOUDS), anew).expect("write");
    });
    local.cycle().await;
    // It was not taken over, so nothing is wrong with the file; but it was pushed.
    assert_eq!(local.first_bad(), None);
    let (path, bad) = local.first_undone().expect("found");
    assert_eq!((path.as_str(), bad.line, bad.seq), (CLOUDS, 3, 3), "{bad}");
    assert!(bad.reason.contains("has another, and the earlier"), "{bad}");
}

#[tokio::test]
async fn a_log_that_was_cut_and_grew_again_is_found_by_its_history() {
    let world = World::new();
    let cloud = world.machine("cloud-001", Side::Other);
    (0..3).for_each(|n| cloud.log(n));
    cloud.cycle().await;
    let whole = cloud.text(CLOUDS).expect("log");
    cloud.write(CLOUDS, whole.split_inclusive('\n').next().expect("line"));
    cloud.cycle().await;
    cloud.write(CLOUDS, &whole);
    cloud.cycle().await;
    assert_eq!(cloud.first_bad(), None);
    let (_, bad) = cloud.first_undone().expect("found");
    assert_eq!((bad.line, bad.seq), (2, 2), "{bad}");
    assert!(bad.reason.contains("lacks it"), "{bad}");
}

#[test]
fn a_vault_without_git_has_no_history() {
    let temp = tempfile::tempdir().expect("a folder");
    assert!(LogHistory::open(temp.path(), "main").expect("open").is_none());
}
