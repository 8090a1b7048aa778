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
                body.draft = action.call.text().map(str::to_owned);
                front.action = Some(action);
                front.question = None;
            }
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
