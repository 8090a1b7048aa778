//! How a program ends badly: one message, one hint, one exit status.

use std::error::Error;
use std::fmt;

/// What a supervisor should make of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailureKind {
    /// Exit status 1: it failed now and may succeed later.
    Failed,
    /// Exit status 2: arguments or configuration are wrong; trying again is pointless.
    Usage,
}

/// Why a program ends: what failed, on what, why, and what to do next. Messages are lowercase
/// fragments without a full stop.
#[derive(Debug)]
pub struct Failure {
    kind: FailureKind,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, source: None }
    }

    /// It failed now and may succeed later.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Failed, message)
    }

    /// Arguments or configuration are wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Usage, message)
    }

    /// What the reader can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What it came from.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What a supervisor should make of it.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// The exit status.
    pub fn status(&self) -> u8 {
        match self.kind {
            FailureKind::Failed => 1,
            FailureKind::Usage => 2,
        }
    }
}

/// The message with its causes, and the hint on a line of its own.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut said = self.message.clone();
        let mut cause = self.source.as_deref().map(|source| source as &dyn Error);
        while let Some(error) = cause {
            let text = error.to_string();
            // Transparent wrappers repeat what they wrap.
            if !said.ends_with(&text) {
                write!(f, ": {text}")?;
            }
            said = text;
            cause = error.source();
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// Turns an operation's error into a [`Failure`] that says what was being done.
pub trait OrFailure<T> {
    /// With exit status 1.
    fn or_failed(self, message: impl Into<String>) -> Result<T, Failure>;
    /// With exit status 2.
    fn or_usage(self, message: impl Into<String>) -> Result<T, Failure>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> OrFailure<T> for Result<T, E> {
    fn or_failed(self, message: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|error| Failure::failed(message).because(error))
    }

    fn or_usage(self, message: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|error| Failure::usage(message).because(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_to_do() {
        let io = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file");
        let failure = Failure::usage("cannot read config.yaml").because(io).hint("run init first");
        assert_eq!(failure.to_string(), "cannot read config.yaml: no such file\n  run init first");
        assert_eq!(failure.status(), 2);
        assert_eq!(Failure::failed("x").status(), 1);
    }

    #[test]
    fn a_cause_that_was_said_already_is_not_repeated() {
        let failure = Failure::failed("broken pipe").because(std::io::Error::other("broken pipe"));
        assert_eq!(failure.to_string(), "broken pipe");
    }
}
