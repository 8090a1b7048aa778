//! What synchronisation did not let through, as alarms: files that stay here because of a secret,
//! and what another machine tried and may not.

use task::AgentId;

use crate::{Alarm, Subject};

/// So many files have an alarm of their own; the others share one.
const EACH: usize = 5;

/// Alarms about files that are not sent: path, and where in it which kind of secret is.
pub fn withheld(agent: &AgentId, files: &[(String, String)]) -> Vec<Alarm> {
    alarms(files, |file, title_of| Alarm {
        subject: Subject::Withheld(agent.clone(), file.to_owned()),
        title: format!("{title_of} on {agent} is not sent: it holds a secret"),
        detail: String::new(),
        remedy: "take the secret out of the file, then it is sent; change the secret if anybody else may have seen it",
    })
}

/// Alarms about changes that another machine made and may not: path and reason.
pub fn foreign(agent: &AgentId, changes: &[(String, String)]) -> Vec<Alarm> {
    alarms(changes, |path, title_of| Alarm {
        subject: Subject::Foreign(agent.clone(), path.to_owned()),
        title: format!("another machine changed {title_of} and may not; {agent} did not take it"),
        detail: String::new(),
        remedy: "look at what it wrote, in Conflicts; if you do not know why it did that, take the machine off the \
                 network, change its key and passwords, and set it up anew",
    })
}

fn alarms(items: &[(String, String)], alarm: impl Fn(&str, &str) -> Alarm) -> Vec<Alarm> {
    let shown = |path: &str| path.chars().take(120).collect::<String>();
    let mut alarms: Vec<Alarm> = items
        .iter()
        .take(EACH)
        .map(|(path, reason)| Alarm {
            detail: format!("{}: {reason}", shown(path)),
            ..alarm(path, &shown(path))
        })
        .collect();
    if items.len() > EACH {
        let more: Vec<String> = items.iter().skip(EACH).take(20).map(|(path, _)| shown(path)).collect();
        let count = items.len() - EACH;
        let detail = format!("{count} besides those that have an incident of their own: {}", more.join(", "));
        alarms.push(Alarm { detail, ..alarm("others", &format!("{count} more")) });
    }
    alarms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_an_incident_up_to_a_number() {
        let agent: AgentId = "local-001".parse().expect("agent");
        let files = |n: usize| -> Vec<(String, String)> {
            (0..n).map(|n| (format!("Inbox/note-{n}.md"), "line 3: a private key".to_owned())).collect()
        };
        assert_eq!(withheld(&agent, &[]), []);
        let alarms = withheld(&agent, &files(2));
        assert_eq!(alarms[1].subject.to_string(), "withheld-local-001-note-1-md");
        assert_eq!(alarms[1].title, "Inbox/note-1.md on local-001 is not sent: it holds a secret");
        assert_eq!(alarms[1].detail, "Inbox/note-1.md: line 3: a private key");
        let alarms = foreign(&agent, &files(1000));
        assert_eq!(alarms.len(), 6);
        assert_eq!(alarms[5].subject.to_string(), "foreign-local-001-others");
        assert!(alarms[5].title.contains("995 more"), "{}", alarms[5].title);
    }
}
