//! A summary of what happened on the pages: read with a SAFE tool, written into the task, nothing
//! is posted.

use serde_json::{Value, json};
use task::{Server, StepState, Task};

use super::NAME;
use crate::message::original;
use crate::text::{has, line};
use crate::{Act, Draft, Next, Request};

const TOOL: &str = "get_social_summary";

/// Whether a task asks for a summary, and not for a post: its name or its subject says so, or it
/// begins with the word.
pub(super) fn is_asked(task: &Task) -> bool {
    const WORDS: &[&str] = &["summary", "summarise", "summarize", "zusammenfassung", "zusammenfassen"];
    let id = task.front.id.as_str().to_lowercase().replace(['_', '-'], " ");
    let subject = task.front.subject.as_deref().unwrap_or_default().to_lowercase();
    let first: String =
        original(task).to_lowercase().split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    [id, subject, first].iter().any(|place| WORDS.iter().any(|word| has(place, word)))
}

/// The figures, or the step that reads them.
pub(super) fn next(request: &Request<'_>) -> Draft {
    let steps = &request.task.front.steps;
    let read =
        steps.iter().rev().find(|step| step.tool.as_deref() == Some(TOOL) && step.state == StepState::Done);
    if let Some(step) = read {
        let lines = figures(&step.outcome());
        let reason = if lines.is_empty() {
            format!(
                "the pages answered, and their figures are too many to keep: {}",
                step.said.as_deref().unwrap_or_default()
            )
        } else {
            format!("summary of the pages, as they say: {}", lines.join("; "))
        };
        return Draft::NoAction { reason };
    }
    if !request.reach.allows(request.role, Server::Social, TOOL) {
        return Draft::NeedsPerson {
            question: "the pages cannot be read from here; is the summary to be made by hand?".into(),
            plan: Vec::new(),
        };
    }
    Draft::Next(Next {
        what: "read what the pages say".into(),
        act: Act::Call { server: Server::Social, tool: TOOL.into(), arguments: json!({ "limit": 5 }) },
        then: Vec::new(),
        drafter: NAME.into(),
    })
}

/// One line for each page; what it does not say is a dash.
fn figures(answer: &Value) -> Vec<String> {
    let number = |value: &Value| value.as_u64().map_or_else(|| "–".to_owned(), |number| number.to_string());
    let pages = answer["platforms"].as_array().map(Vec::as_slice).unwrap_or_default();
    pages
        .iter()
        .map(|page| {
            let posts = page["posts"].as_array().map(Vec::as_slice).unwrap_or_default();
            let sum = |key: &str| posts.iter().map(|post| post[key].as_u64()).sum::<Option<u64>>();
            let total = |key| sum(key).map_or_else(|| "–".to_owned(), |sum| sum.to_string());
            format!(
                "{}: {} followers ({} gained this week), {} latest posts with {} reactions and {} comments",
                line(page["platform"].as_str().unwrap_or("a page"), 40),
                number(&page["followers"]),
                number(&page["gained_this_week"]),
                posts.len(),
                total("reactions"),
                total("comments"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_the_pages_own_and_what_is_not_said_is_a_dash() {
        let answer = json!({"platforms": [
            {"platform": "linkedin", "followers": 120, "gained_this_week": 3,
             "posts": [{"reactions": 4, "comments": 1}, {"reactions": 6, "comments": 0}]},
            {"platform": "facebook", "posts": [{"reactions": 4}]},
        ]});
        assert_eq!(
            figures(&answer),
            [
                "linkedin: 120 followers (3 gained this week), 2 latest posts with 10 reactions and 1 comments",
                "facebook: – followers (– gained this week), 1 latest posts with 4 reactions and – comments",
            ]
        );
        assert!(figures(&Value::Null).is_empty());
    }
}
