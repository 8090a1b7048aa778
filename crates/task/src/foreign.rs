//! What another machine's new version of a text may not do, whoever carries it. Pure.

use crate::{AgentId, Task, TaskId};

/// Whether a new version of a task takes back that the owner must see it. A version that cannot
/// be read takes it back too.
pub fn lifts_approval(id: &TaskId, before: &[u8], after: &[u8]) -> bool {
    let requires = |bytes: &[u8]| Task::parse(bytes, id).ok().map(|task| task.front.requires_approval);
    requires(before) == Some(true) && requires(after) != Some(true)
}

/// Whether a new version of an agent's log only adds whole records to it, all of that agent's.
pub fn log_goes_on(agent: &AgentId, before: &[u8], after: &[u8]) -> Result<(), &'static str> {
    let added = match after.strip_prefix(before) {
        Some(added) => added,
        None if before.starts_with(after) => return Err("it cuts a log short"),
        None => return Err("it rewrites a log"),
    };
    if !added.is_empty() && !added.ends_with(b"\n") {
        return Err("it adds half a record to a log");
    }
    let others = |line: &[u8]| {
        let record: Option<serde_json::Value> = serde_json::from_slice(line).ok();
        let whose = record.as_ref().and_then(|record| record.get("agent_id")?.as_str());
        whose.is_some_and(|whose| whose != agent.as_str())
    };
    match added.split(|byte| *byte == b'\n').any(others) {
        true => Err("it puts another agent's records into a log"),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn approval_is_never_taken_back() {
        let check = |before: &str, after: &str, lifts: bool| {
            let id = "EMAIL_1".parse().expect("id");
            let text = |front: &str| {
                format!("---\nid: EMAIL_1\ntype: email\ncreated: 2026-02-23T03:15:00Z\n{front}---\nbody\n")
            };
            let got = lifts_approval(&id, text(before).as_bytes(), text(after).as_bytes());
            assert_eq!(got, lifts, "{before:?} -> {after:?}");
        };
        check("requires_approval: true\n", "requires_approval: true\nsubject: x\n", false);
        check("requires_approval: true\n", "requires_approval: false\n", true);
        check("requires_approval: true\n", "", true);
        check("requires_approval: true\n", "requires_approval: [\n", true);
        check("requires_approval: false\n", "requires_approval: true\n", false);
        check("", "", false);
        check("no: [\n", "requires_approval: false\n", false);
    }

    #[test]
    fn logs_only_grow_by_whole_records_of_their_agent() {
        let agent: AgentId = "cloud-001".parse().expect("agent");
        let check = |before: &str, after: &str, expected: Result<(), &str>| {
            assert_eq!(log_goes_on(&agent, before.as_bytes(), after.as_bytes()), expected, "{after:?}");
        };
        check("", "{\"agent_id\":\"cloud-001\"}\n", Ok(()));
        check("1\n", "1\n2\n", Ok(()));
        check("1\n", "1\n", Ok(()));
        check("1\n2\n", "1\n", Err("it cuts a log short"));
        check("1\n2\n", "", Err("it cuts a log short"));
        check("1\n2\n", "1\n3\n4\n", Err("it rewrites a log"));
        check("1\n", "1\n2", Err("it adds half a record to a log"));
        check("", "{\"agent_id\":\"local-001\"}\n", Err("it puts another agent's records into a log"));
    }
}
