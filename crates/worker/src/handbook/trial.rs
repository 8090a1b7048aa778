//! `handbook test`: what the rules and the templates make of a sample mail.

use std::fmt::Write as _;
use std::path::Path;

use daemon::{Failure, OrFailure as _, Setup};
use drafter::{Draft, Request};
use futures::executor::block_on;
use policy::{House, HouseRules};
use task::{Clock as _, SystemClock, Task, TaskId};
use watchers::{Arrival, parse_mail};

/// Drafts the sample with the template drafter and says what each rule did.
pub(super) fn run(setup: &Setup, handbook: &str, sample: &Path) -> Result<String, Failure> {
    let task = task(setup, sample)?;
    let rules = HouseRules::read(handbook).or_failed("cannot try the handbook")?;
    let house = rules.house(&setup.config.limits);
    let drafter = drafter::template(&setup.config.drafter).or_usage("cannot set up the drafter")?;
    let accounts = crate::compose::accounts(setup);
    let request = Request {
        task: &task,
        handbook: HouseRules::words(handbook),
        house: &house,
        owner_name: &setup.config.owner.name,
        accounts: &accounts,
        role: setup.role,
        // Nothing is called for a try.
        reach: drafter::Reach::NONE,
        now: SystemClock.now(),
    };
    let draft = block_on(drafter.draft(&request)).or_failed("cannot draft the sample")?;
    let mut text = String::new();
    let writers = drafter::writers(&task).join(", ");
    let _ = writeln!(text, "from      {}", if writers.is_empty() { "nobody" } else { &writers });
    let _ = writeln!(text, "subject   {}", task.front.subject.as_deref().unwrap_or("(none)"));
    match drafter::blocked(&house, &task) {
        Some((rule, who)) => {
            let _ = writeln!(text, "blocked   {who}, by {rule}");
        }
        None => text.push_str("blocked   no\n"),
    }
    let vip = drafter::writers(&task).iter().any(|who| house.is_vip(who));
    let _ = writeln!(text, "vip       {}", if vip { "yes: high priority" } else { "no" });
    if setup.config.drafter.kind != config::DrafterKind::Template {
        text.push_str("drafter   the template stands in here; no model is asked\n");
    }
    match draft {
        Draft::NoAction { reason } => {
            let _ = writeln!(text, "outcome   closed without an answer: {reason}");
        }
        Draft::Next(next) => {
            let _ = writeln!(text, "outcome   a first step: {}", next.what);
            steps(&mut text, &next.then);
        }
        Draft::NeedsPerson { question, plan } => {
            let _ = writeln!(text, "outcome   a question to you: {question}");
            steps(&mut text, &plan);
        }
        Draft::Proposal { plan, action, drafter } => {
            let _ = writeln!(
                text,
                "outcome   {} on behalf of {}, by {drafter}; it waits for you",
                action.call.tool(),
                action.account
            );
            steps(&mut text, &plan);
            if let Some(words) = action.call.text() {
                let _ = writeln!(text, "\n{words}");
            }
        }
    }
    Ok(text)
}

fn steps(text: &mut String, plan: &[String]) {
    for step in plan {
        let _ = writeln!(text, "          - {step}");
    }
}

/// A mail as a mail program keeps it, or a task as it stands in the vault.
fn task(setup: &Setup, sample: &Path) -> Result<Task, Failure> {
    let cannot = format!("cannot read the sample {}", sample.display());
    let bytes = std::fs::read(sample).or_failed(cannot.clone())?;
    if bytes.starts_with(b"---") {
        let stem = sample.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let id = stem.trim_start_matches("APPROVE_").parse::<TaskId>().or_failed(cannot.clone())?;
        return Task::parse(&bytes, &id).or_failed(cannot);
    }
    let account = crate::compose::accounts(setup).mail.unwrap_or_default();
    let arrival = Arrival { account: &account, authserv_id: None, received: None, now: SystemClock.now() };
    Ok(parse_mail(&bytes, &arrival))
}

/// Each rule for drafting that is set, with its name.
pub(super) fn rules(house: &House) -> Vec<(&'static str, String)> {
    let list = |all: Vec<String>| all.join(", ");
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    [
        ("tone", house.tone.as_deref().map(one_line).unwrap_or_default()),
        ("signature", house.signature.as_deref().map(one_line).unwrap_or_default()),
        ("languages", list(house.languages.clone())),
        ("hours", house.working_hours.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("vips", list(house.vips.iter().map(ToString::to_string).collect())),
        ("blocked", list(house.blocked.iter().map(ToString::to_string).collect())),
        ("payees", list(house.payees.iter().map(|payee| format!("{} {}", payee.name, payee.iban)).collect())),
        ("never", list(house.never.clone())),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .collect()
}
