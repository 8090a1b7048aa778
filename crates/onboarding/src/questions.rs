//! Asking for what is missing.

use std::io::IsTerminal as _;

use daemon::{Failure, OrFailure as _};
use secrecy::SecretString;

/// Who answers. Tests put a list of answers here.
pub trait Ask {
    /// Shows an explanation.
    fn say(&mut self, text: &str) -> Result<(), Failure>;
    /// Reads one line; `None` at the end of the input.
    fn line(&mut self, prompt: &str) -> Result<Option<String>, Failure>;
    /// Reads one line without showing it.
    fn secret(&mut self, prompt: &str) -> Result<SecretString, Failure>;
}

/// A person in a terminal.
pub struct Terminal;

impl Terminal {
    /// A person who can be asked, if somebody sits there.
    pub fn present() -> Option<Self> {
        std::io::stdin().is_terminal().then_some(Self)
    }
}

impl Ask for Terminal {
    fn say(&mut self, text: &str) -> Result<(), Failure> {
        daemon::print(text)
    }

    fn line(&mut self, prompt: &str) -> Result<Option<String>, Failure> {
        daemon::ask(prompt)
    }

    fn secret(&mut self, prompt: &str) -> Result<SecretString, Failure> {
        rpassword::prompt_password(prompt).map(SecretString::from).or_failed("cannot read what you type")
    }
}

/// One question.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What the answer is for, in a sentence or two.
    pub explain: &'a str,
    /// What is asked.
    pub prompt: &'a str,
    /// What Enter means; without one there must be an answer.
    pub default: Option<&'a str>,
    /// The flag that answers it.
    pub flag: &'a str,
}

/// So often a wrong answer may be mended before it is given up.
const TRIES: usize = 3;

/// Asks, or collects the flags that are missing.
pub struct Questions<'a> {
    ask: Option<&'a mut dyn Ask>,
    missing: Vec<String>,
}

impl<'a> Questions<'a> {
    /// Asks `ask`; nobody, when there is none.
    pub fn new(ask: Option<&'a mut dyn Ask>) -> Self {
        Self { ask, missing: Vec::new() }
    }

    /// Whether somebody is there.
    pub fn has_person(&self) -> bool {
        self.ask.is_some()
    }

    /// The answer to a question, read by `parse`. A default is taken when nobody is there; `None`
    /// when an answer is missing, which [`Questions::finish`] says.
    pub fn get<T>(
        &mut self,
        question: &Question<'_>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Failure> {
        let Some(ask) = self.ask.as_deref_mut() else {
            return match question.default {
                Some(default) => parse(default)
                    .map(Some)
                    .map_err(|why| Failure::usage(format!("{}: {why}", question.flag))),
                None => {
                    self.missing.push(question.flag.to_owned());
                    Ok(None)
                }
            };
        };
        ask.say(&format!("\n{}\n", question.explain))?;
        let prompt = match question.default {
            Some(default) if !default.is_empty() => format!("{} [{default}]: ", question.prompt),
            _ => format!("{}: ", question.prompt),
        };
        for _ in 0..TRIES {
            let Some(line) = ask.line(&prompt)? else {
                return Err(Failure::usage(format!("no answer to {:?}", question.prompt))
                    .hint(format!("run it again: what was answered is kept; or give {}", question.flag)));
            };
            let answer = match (line.trim(), question.default) {
                ("", Some(default)) => default.to_owned(),
                (line, _) => line.to_owned(),
            };
            match parse(&answer) {
                Ok(value) => return Ok(Some(value)),
                Err(why) => ask.say(&format!("  {why}\n"))?,
            }
        }
        Err(Failure::usage(format!("no usable answer to {:?} in {TRIES} tries", question.prompt))
            .hint(format!("run it again: what was answered is kept; or give {}", question.flag)))
    }

    /// A secret, typed without an echo; `None` when nobody is there.
    pub fn secret(&mut self, question: &Question<'_>) -> Result<Option<SecretString>, Failure> {
        let Some(ask) = self.ask.as_deref_mut() else {
            self.missing.push(question.flag.to_owned());
            return Ok(None);
        };
        ask.say(&format!("\n{}\n", question.explain))?;
        ask.secret(&format!("{}: ", question.prompt)).map(Some)
    }

    /// Says something to whoever is there.
    pub fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.ask.as_deref_mut().map_or(Ok(()), |ask| ask.say(text))
    }

    /// Notes a flag that is missing.
    pub fn lacks(&mut self, flag: &str) {
        self.missing.push(flag.to_owned());
    }

    /// Ends with exit status 2 when something is missing that nobody could be asked for.
    pub fn finish(&self, program: &str) -> Result<(), Failure> {
        if self.missing.is_empty() {
            return Ok(());
        }
        Err(Failure::usage(format!("{program} needs {}", self.missing.join(", "))).hint(
            "there is no terminal to ask in: give these flags (what was given is kept, so the rest need not be \
             repeated), or run it in a terminal",
        ))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A person with answers ready.
    #[derive(Default)]
    pub(crate) struct Ready {
        pub(crate) answers: VecDeque<&'static str>,
        pub(crate) said: String,
    }

    impl Ask for Ready {
        fn say(&mut self, text: &str) -> Result<(), Failure> {
            self.said.push_str(text);
            Ok(())
        }

        fn line(&mut self, prompt: &str) -> Result<Option<String>, Failure> {
            self.said.push_str(prompt);
            Ok(self.answers.pop_front().map(str::to_owned))
        }

        fn secret(&mut self, prompt: &str) -> Result<SecretString, Failure> {
            self.said.push_str(prompt);
            Ok(SecretString::from(self.answers.pop_front().unwrap_or_default()))
        }
    }

    const NUMBER: Question<'static> =
        Question { explain: "A number.", prompt: "Number", default: None, flag: "--number N" };

    fn number(text: &str) -> Result<u32, String> {
        text.parse().map_err(|_| format!("{text:?} is no number"))
    }

    #[test]
    fn a_wrong_answer_is_asked_again_and_never_for_ever() {
        let mut person = Ready { answers: ["x", "7"].into(), ..Ready::default() };
        assert_eq!(Questions::new(Some(&mut person)).get(&NUMBER, number).expect("an answer"), Some(7));
        assert!(person.said.contains("\"x\" is no number"), "{}", person.said);
        let mut person = Ready { answers: ["a", "b", "c", "7"].into(), ..Ready::default() };
        let failure = Questions::new(Some(&mut person)).get(&NUMBER, number).expect_err("three tries");
        assert_eq!(failure.status(), 2);
        assert_eq!(person.answers, ["7"]);
        let mut gone = Ready::default();
        let failure = Questions::new(Some(&mut gone)).get(&NUMBER, number).expect_err("nobody there");
        assert!(failure.to_string().contains("--number N"), "{failure}");
    }

    #[test]
    fn without_a_terminal_every_missing_flag_is_named_at_once() {
        let mut questions = Questions::new(None);
        assert_eq!(questions.get(&NUMBER, number).expect("noted"), None);
        let other = Question { flag: "--other", ..NUMBER };
        assert_eq!(questions.get(&other, number).expect("noted"), None);
        let with_default = Question { default: Some("5"), ..NUMBER };
        assert_eq!(questions.get(&with_default, number).expect("the default"), Some(5));
        let failure = questions.finish("local-agent init").expect_err("missing");
        assert_eq!(failure.status(), 2);
        assert!(failure.to_string().starts_with("local-agent init needs --number N, --other"), "{failure}");
    }
}
