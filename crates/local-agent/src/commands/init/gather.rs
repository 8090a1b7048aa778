//! The questions, in the order in which they are asked.

use std::path::PathBuf;

use daemon::{Env, Failure, OrFailure as _};
use onboarding::{Answers, Means, Question, Questions, Server, guess_servers};
use secrecy::{ExposeSecret as _, SecretString};
use task::AgentId;

use crate::cli::Said;

const MAIL: &str = "\
Which mail account shall it watch and answer from? Its address, or none. Many providers want an
app password: the one of your account settings, not the one that you type every day.";

const REMOTE: &str = "\
Both machines share the vault through a private Git repository that is empty at first: GitHub,
GitLab, or a bare repository on a server of yours. Its address as git takes it, such as
git@git.example.com:jane/vault.git. For one machine alone, without a cloud machine: alone.";

const MODE: &str = "\
How real shall it be?
  sample    sample events and sample accounts, to look around; nothing leaves
  rehearse  real mail is read and drafts are made, and nothing is ever sent
  live      what you approve and sign is sent";

/// Asks for what is missing. `keep` is called after each answer, so that it need not be given
/// again when the rest is interrupted.
pub(super) fn ask(
    questions: &mut Questions<'_>,
    answers: &mut Answers,
    home: Option<PathBuf>,
    keep: impl Fn(&Answers) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if answers.owner.is_none() {
        answers.owner = questions.get(
            &Question {
                explain: "Your name, as drafts are signed.",
                prompt: "Your name",
                default: None,
                flag: "--owner NAME",
            },
            name,
        )?;
        keep(answers)?;
    }
    if answers.vault.is_none() {
        let default = home.as_ref().map(|home| home.join("vault").display().to_string());
        answers.vault = questions.get(
            &Question {
                explain: "The vault is a folder of Markdown files, one per task; it opens in Obsidian.",
                prompt: "Folder of the vault",
                default: default.as_deref(),
                flag: "--vault DIR",
            },
            |text| folder(text, home.as_deref()),
        )?;
        keep(answers)?;
    }
    if answers.alone.is_none() && answers.remote.is_none() {
        let remote = questions.get(
            &Question { explain: REMOTE, prompt: "Remote", default: None, flag: "--remote URL (or --alone)" },
            |text| match text.trim() {
                "alone" => Ok(None),
                text => onboarding::trial::remote(text).map(Some),
            },
        )?;
        if let Some(remote) = remote {
            answers.alone = Some(remote.is_none());
            answers.remote = remote;
        }
        keep(answers)?;
    }
    if answers.id.is_none() {
        answers.id = questions.get(
            &Question {
                explain: "Each machine has a name; orders name the one that carries them out.",
                prompt: "This machine's name",
                default: Some("local-001"),
                flag: "--id ID",
            },
            agent,
        )?;
    }
    if answers.cloud_id.is_none() && answers.alone != Some(true) {
        answers.cloud_id = questions.get(
            &Question {
                explain: "The cloud machine's name.",
                prompt: "Its name",
                default: Some("cloud-001"),
                flag: "--cloud-id ID",
            },
            agent,
        )?;
    }
    keep(answers)?;
    mail(questions, answers, &keep)?;
    if answers.means.is_none() {
        let default = questions.has_person().then_some("rehearse");
        answers.means = questions.get(
            &Question { explain: MODE, prompt: "Mode", default, flag: "--mode sample|rehearse|live" },
            |text| text.parse::<Means>(),
        )?;
        keep(answers)?;
    }
    Ok(())
}

fn mail(
    questions: &mut Questions<'_>,
    answers: &mut Answers,
    keep: &impl Fn(&Answers) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if answers.mail.is_none() {
        let address = questions.get(
            &Question {
                explain: MAIL,
                prompt: "Address",
                default: None,
                flag: "--mail-address ADDRESS (or --no-mail)",
            },
            |text| match text.trim() {
                "none" => Ok(None),
                text => crate::cli::address(text).map(Some),
            },
        )?;
        if let Some(address) = address {
            answers.mail = Some(address.is_some());
            answers.mail_address = address;
        }
        keep(answers)?;
    }
    let (Some(true), Some(address)) = (answers.mail, answers.mail_address.clone()) else { return Ok(()) };
    answers.mail_name.get_or_insert_with(|| "work".into());
    let guess = guess_servers(&address);
    let (imap, smtp) = guess.as_ref().map(|(i, s)| (Some(i.as_str()), Some(s.as_str()))).unwrap_or_default();
    if answers.imap.is_none() {
        answers.imap = questions.get(
            &Question {
                explain: "Where mail is read: an IMAP server, with TLS (port 993) or STARTTLS (port 143).",
                prompt: "IMAP server",
                default: imap,
                flag: "--imap HOST[:PORT]",
            },
            |text| text.parse::<Server>(),
        )?;
    }
    if answers.smtp.is_none() {
        answers.smtp = questions.get(
            &Question {
                explain: "Where mail is sent: an SMTP server, with TLS (port 465) or STARTTLS (port 587). It is used \
                          by this machine alone.",
                prompt: "SMTP server",
                default: smtp,
                flag: "--smtp HOST[:PORT]",
            },
            |text| text.parse::<Server>(),
        )?;
    }
    keep(answers)
}

/// The passwords that are missing for an account: from files, from `.env` where they are already,
/// else asked for. As name and value, to be written into `.env`.
pub(super) fn passwords(
    questions: &mut Questions<'_>,
    account: &config::MailAccount,
    env: &Env,
    said: &Said,
) -> Result<Vec<(String, SecretString)>, Failure> {
    let mut found: Vec<(String, SecretString)> = Vec::new();
    let parts = [
        ("reading", account.imap.as_ref().map(|imap| &imap.secret), said.mail_password_file.as_ref()),
        (
            "sending",
            account.smtp.as_ref().map(|smtp| &smtp.secret),
            said.smtp_password_file.as_ref().or(said.mail_password_file.as_ref()),
        ),
    ];
    for (what, secret, file) in parts {
        // One in a file of its own is the owner's business.
        let Some(name) = secret.and_then(|secret| secret.env.clone()) else { continue };
        if found.iter().any(|(known, _)| *known == name) {
            continue;
        }
        if let Some(file) = file {
            found.push((name, secret_file(file)?));
            continue;
        }
        if env.get(&name).is_some() {
            continue;
        }
        let read = found.first().map(|(_, value)| value.clone());
        let explain = format!(
            "The password of {} for {what}. It is kept in .env beside the configuration (mode 0600), as {name}{}.",
            account.address,
            if read.is_some() { "; Enter when it is the same" } else { "" }
        );
        let question = Question {
            explain: &explain,
            prompt: "Password",
            default: None,
            flag: "--mail-password-file FILE",
        };
        let Some(typed) = questions.secret(&question)? else { break };
        match (typed.expose_secret().is_empty(), read) {
            (true, Some(same)) => found.push((name, same)),
            (true, None) => {
                return Err(
                    Failure::usage("the password is empty").hint("run it again: what was answered is kept")
                );
            }
            (false, _) => found.push((name, typed)),
        }
    }
    Ok(found)
}

/// A secret alone in a file.
fn secret_file(path: &std::path::Path) -> Result<SecretString, Failure> {
    let text = std::fs::read_to_string(path).or_usage(format!("cannot read {}", path.display()))?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err("a name has at least one letter".into());
    }
    Ok(text.to_owned())
}

fn agent(text: &str) -> Result<AgentId, String> {
    text.trim().parse::<AgentId>().map_err(|error| error.to_string())
}

fn folder(text: &str, home: Option<&std::path::Path>) -> Result<PathBuf, String> {
    let text = text.trim();
    let path = match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(text),
    };
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(format!("{text:?} is no absolute path, such as /home/jane/vault"))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;

    use onboarding::Ask;

    use super::*;

    struct Typing(VecDeque<&'static str>);

    impl Ask for Typing {
        fn say(&mut self, _: &str) -> Result<(), Failure> {
            Ok(())
        }
        fn line(&mut self, _: &str) -> Result<Option<String>, Failure> {
            Ok(self.0.pop_front().map(str::to_owned))
        }
        fn secret(&mut self, _: &str) -> Result<SecretString, Failure> {
            Ok(SecretString::from(self.0.pop_front().unwrap_or_default()))
        }
    }

    #[test]
    fn a_set_up_that_is_interrupted_goes_on_with_the_next_question() {
        let kept = RefCell::new(Answers::default());
        let keep = |answers: &Answers| {
            *kept.borrow_mut() = answers.clone();
            Ok(())
        };
        let home = || Some(PathBuf::from("/home/jane"));
        let mut first = Typing(["Jane Doe", "", "git@git.example.com:jane/vault.git"].into());
        let mut answers = Answers::default();
        ask(&mut Questions::new(Some(&mut first)), &mut answers, home(), keep)
            .expect_err("it was interrupted");
        let mut answers = kept.borrow().clone();
        assert_eq!(answers.vault, Some("/home/jane/vault".into()));
        let mut second = Typing(["", "", "jane@example.com", "", "smtp.example.com:587", "live"].into());
        ask(&mut Questions::new(Some(&mut second)), &mut answers, home(), keep).expect("complete");
        assert_eq!(answers.owner.as_deref(), Some("Jane Doe"));
        assert_eq!(answers.remote.as_deref(), Some("git@git.example.com:jane/vault.git"));
        assert_eq!(answers.id.as_ref().map(AgentId::as_str), Some("local-001"));
        let account = answers.account(None).expect("an account");
        assert_eq!(account.imap.expect("imap").host, "imap.example.com");
        assert_eq!(answers.means, Some(Means::Live));
        assert!(second.0.is_empty(), "{:?}", second.0);
    }

    #[test]
    fn without_a_terminal_all_that_is_missing_is_named_at_once() {
        let mut questions = Questions::new(None);
        ask(&mut questions, &mut Answers::default(), None, |_| Ok(())).expect("collected");
        let said = questions.finish("local-agent init").expect_err("missing").to_string();
        for flag in [
            "--owner",
            "--vault",
            "--remote URL (or --alone)",
            "--mail-address ADDRESS (or --no-mail)",
            "--mode",
        ] {
            assert!(said.contains(flag), "{flag}: {said}");
        }
    }
}
