//! The tool servers, asked directly.

use daemon::Failure;
use policy::{Class, Tool, class};
use serde_json::{Map, Value, json};
use task::{Order, Server, TaskId};

use super::orders::{Signed, action, arguments, dangerous};
use super::speaker::{Silence, Speaker};
use super::stage::{Approvers, Stage};
use super::{Try, Verdict};

/// Every tool that acts, of the owner's servers: without an order, with one that a stranger has
/// signed, and with one of a listed approver that is for another tool.
pub(super) fn owners(stage: &Stage) -> Result<Vec<Try>, Failure> {
    let mut tries = Vec::new();
    let (real, other) =
        (stage.data("servers", Approvers::Owners)?, stage.data("servers-other", Approvers::Throwaway)?);
    for server in Server::ALL {
        let tools: Vec<&Tool> = dangerous().filter(|tool| tool.server == server).collect();
        let mut speaker = Speaker::start(stage.server(server, &real));
        for tool in &tools {
            let stranger = sign(stage, tool)?;
            for (order, how) in
                [(None, "without an order"), (Some(stranger), "with an order signed by a key made just now")]
            {
                tries.push(call(&mut speaker, server, tool, order.as_ref(), how));
            }
        }
        drop(speaker);
        let mut speaker = Speaker::start(stage.server(server, &other));
        for tool in &tools {
            let elsewhere = dangerous().find(|elsewhere| elsewhere.name != tool.name).unwrap_or(tool);
            let order = sign(stage, elsewhere)?;
            let how = format!("with an approver's order for {}", elsewhere.name);
            tries.push(call(&mut speaker, server, tool, Some(&order), &how));
        }
    }
    Ok(tries)
}

/// The servers as a cloud machine would have them, asked for every class: nothing that acts is
/// listed, and nothing is carried out.
pub(super) fn clouds(stage: &Stage) -> Result<Vec<Try>, Failure> {
    let mut tries = Vec::new();
    let data = stage.data("cloud-servers", Approvers::Owners)?;
    for server in Server::ALL {
        let config = json!({"agent": {"id": "cloud-001", "role": "cloud"}});
        let mut command = stage.apart(&stage.programs.join(server.binary()), "cloud", &config)?;
        command.args(["--max-class", "dangerous"]).arg("--data").arg(&data).env("AGENT_ROLE", "cloud");
        command.env("DRY_RUN", "false");
        let mut speaker = Speaker::start(command);
        let path = format!("{} on a cloud machine, started for every class", server.binary());
        if let Ok(speaker) = &mut speaker {
            tries.push(lists(speaker, server, &path));
        }
        for tool in dangerous().filter(|tool| tool.server == server) {
            let one = call(&mut speaker, server, tool, None, "without an order, on a cloud machine");
            tries.push(one);
        }
    }
    Ok(tries)
}

fn sign(stage: &Stage, tool: &Tool) -> Result<Signed, Failure> {
    let id: TaskId = daemon::OrFailure::or_failed("EMAIL_audit".parse(), "cannot name a task")?;
    stage.key.sign(action(tool)?, &id, &stage.vault_id, stage.agent_id())
}

fn lists(speaker: &mut Speaker, server: Server, path: &str) -> Try {
    let path = format!("{path}: its list of tools");
    match speaker.ask("tools/list", json!({})) {
        Ok(answer) => {
            let tools = answer["result"]["tools"].as_array().cloned().unwrap_or_default();
            let names: Vec<&str> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
            let acting: Vec<&str> =
                names.iter().copied().filter(|name| class(server, name) == Class::Dangerous).collect();
            match acting.is_empty() {
                true => Try::new(
                    path,
                    Verdict::Refused,
                    server.binary(),
                    format!("it offers [{}]", names.join(", ")),
                ),
                false => Try::new(
                    path,
                    Verdict::NotRefused,
                    server.binary(),
                    format!("it offers {}", acting.join(", ")),
                ),
            }
        }
        Err(silence) => silent(path, server, silence, false),
    }
}

fn call(
    speaker: &mut Result<Speaker, Silence>,
    server: Server,
    tool: &Tool,
    order: Option<&Signed>,
    how: &str,
) -> Try {
    let path = format!("{} of {}, {how}", tool.name, server.binary());
    let speaker = match speaker {
        Ok(speaker) => speaker,
        Err(Silence::Missing(reason)) => {
            return Try::new(path, Verdict::NotTried, server.binary(), reason.clone());
        }
        // Nothing was asked of it yet.
        Err(Silence::Ended(reason)) => {
            return Try::new(path, Verdict::Refused, server.binary(), format!("it does not start: {reason}"));
        }
        Err(Silence::Nothing(reason)) => {
            return Try::new(path, Verdict::NotTried, server.binary(), reason.clone());
        }
    };
    let mut meta = Map::new();
    if let Some(order) = order {
        for (key, value) in [
            (Order::META_TEXT, &order.text),
            (Order::META_SIGNATURE, &order.signature),
            (Order::META_KEY, &order.approval),
        ] {
            meta.insert(key.to_owned(), Value::from(value.clone()));
        }
    }
    let params = json!({"name": tool.name, "arguments": arguments(tool.name), "_meta": meta});
    match speaker.ask("tools/call", params) {
        Ok(answer) => judge(path, server, &answer),
        Err(silence) => silent(path, server, silence, true),
    }
}

fn silent(path: String, server: Server, silence: Silence, asked: bool) -> Try {
    let (Silence::Missing(reason) | Silence::Ended(reason) | Silence::Nothing(reason)) = silence;
    let verdict = if asked { Verdict::NotRefused } else { Verdict::NotTried };
    Try::new(path, verdict, server.binary(), reason)
}

/// A refusal is a protocol error, or a result that says that there was no effect.
fn judge(path: String, server: Server, answer: &Value) -> Try {
    if let Some(error) = answer.get("error") {
        let reason = error["message"].as_str().unwrap_or("an error without words").to_owned();
        return Try::new(path, Verdict::Refused, server.binary(), reason);
    }
    let result = &answer["result"];
    let said = result["content"][0]["text"].as_str().unwrap_or("nothing").to_owned();
    let refused = result["isError"] == true && result["structuredContent"]["effect"] == "none";
    Try::new(path, if refused { Verdict::Refused } else { Verdict::NotRefused }, server.binary(), said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_no_is_a_refusal() {
        let check = |answer: Value, expected: Verdict| {
            assert_eq!(judge("p".into(), Server::Email, &answer).verdict, expected, "{answer}");
        };
        check(json!({"error": {"code": -32602, "message": "unknown tool"}}), Verdict::Refused);
        let result = |error: bool, effect: &str| json!({"result": {"isError": error, "structuredContent": {"effect": effect}, "content": []}});
        check(result(true, "none"), Verdict::Refused);
        check(result(true, "unknown"), Verdict::NotRefused);
        check(result(false, "none"), Verdict::NotRefused);
        check(result(false, "done"), Verdict::NotRefused);
        check(json!({"result": {"content": [{"type": "text", "text": "sent"}]}}), Verdict::NotRefused);
        check(json!({}), Verdict::NotRefused);
    }
}
