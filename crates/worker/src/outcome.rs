//! A draft, written into its task.

use chrono::{DateTime, SubsecRound, Utc};
use drafter::Draft;
use policy::Decision;
use task::{AgentId, Body, Role, Stage, Task};

/// Writes `draft` into `task` and says where the task goes next. An action that the role may not
/// even propose becomes a question to the owner.
pub(crate) fn apply(task: &mut Task, draft: Draft, agent: &AgentId, role: Role, now: DateTime<Utc>) -> Stage {
    let mut body = Body::parse(&task.body);
    let front = &mut task.front;
    front.drafted_by = Some(agent.clone());
    front.drafted_at = Some(now.trunc_subsecs(0));
    let stage = match draft {
        Draft::NoAction { reason } if front.requires_approval => {
            front.question = Some(format!("nothing seems to be needed ({reason}); reject it to close it"));
            Stage::PendingApproval
        }
        Draft::NoAction { reason } => {
            front.reason = Some(reason);
            Stage::done(now)
        }
        Draft::NeedsPerson { question, plan } => {
            front.question = Some(question);
            body.plan = plan;
            Stage::PendingApproval
        }
        Draft::Proposal { plan, action, drafter } => {
            let (server, tool) = (action.call.server(), action.call.tool());
            front.drafter = Some(drafter);
            body.plan = plan;
            if policy::decide(role, server, tool) == Decision::Refuse {
                front.question = Some(format!(
                    "the draft proposed {tool}, which this machine may not propose; what is to be done?"
                ));
            } else {
                let old = front.action.as_ref().and_then(|old| old.call.text());
                let drafted = action.call.text().map(str::to_owned);
                replace_draft(&mut body, drafted, old);
                front.action = Some(action);
                front.question = None;
            }
            Stage::PendingApproval
        }
        // Steps are made before anything is concluded; one that was not is left to the owner.
        Draft::Next(next) => {
            front.question = Some(format!("what is to be done about this: {}?", next.what));
            Stage::PendingApproval
        }
    };
    if stage == Stage::PendingApproval {
        task.require_approval();
    }
    task.body = body.to_markdown();
    task.enter(&stage);
    stage
}

/// Puts the new draft in place of what stands there; what no drafter wrote is a person's, and is
/// kept under Notes.
fn replace_draft(body: &mut Body, drafted: Option<String>, old: Option<&str>) {
    let plain = |text: &str| text.replace("\r\n", "\n").trim_end_matches('\n').to_owned();
    let before = std::mem::replace(&mut body.draft, drafted);
    let known = [body.draft.as_deref(), old].map(|text| text.map(plain));
    let Some(words) = before.filter(|words| !known.contains(&Some(plain(words)))) else { return };
    let mut notes = body.notes.take().map(|notes| notes + "\n\n").unwrap_or_default();
    notes.push_str("Draft that stood here before:\n");
    words.lines().for_each(|line| notes.push_str(&format!("\n> {}", task::inert(line))));
    body.notes = Some(notes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use task::FrontMatter;

    #[test]
    fn words_that_a_person_wrote_as_a_draft_survive_the_next_draft() {
        let now: DateTime<Utc> = "2026-02-23T03:15:00Z".parse().expect("time");
        let action = |text: &str| {
            let arguments = serde_json::json!({"to": ["a@example.com"], "subject": "Re", "body": text});
            let call = task::Call::decode("send_email", arguments).expect("call");
            task::Action { account: "owner@example.com".into(), call }
        };
        let body = |draft: &str| Body { draft: Some(draft.into()), ..Body::of_original("hello") };
        let drafted = |before: &str| {
            let front = FrontMatter::new("EMAIL_1".parse().expect("id"), now);
            let mut task = Task::new(front, body(before).to_markdown());
            task.front.action = Some(action("drafted before"));
            let draft =
                Draft::Proposal { plan: vec![], action: action("drafted now"), drafter: "template".into() };
            apply(&mut task, draft, &"local-001".parse().expect("agent"), Role::Local, now);
            let body = Body::parse(&task.body);
            assert_eq!(body.draft.as_deref(), Some("drafted now"));
            body.notes
        };
        assert!(drafted("my own words").expect("notes").contains("my own words"));
        assert_eq!(drafted("drafted before\n"), None);
        assert_eq!(drafted("drafted now"), None);
    }
}
