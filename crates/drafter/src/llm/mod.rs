//! Drafts by a language model, within a budget, with the template behind it.

pub(crate) mod answer;
pub(crate) mod budget;
mod model;
pub(crate) mod prompt;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};
use genai::chat::{ChatMessage, ChatRequest};
use secrecy::SecretString;
use task::{Action, Call, Clock};

use crate::message::Message;
use crate::template::{TemplateDrafter, noted};
use crate::text::line;
use crate::{BuildError, Draft, DraftError, Drafter, Request, quiet};
use answer::Rules;
pub use budget::{SpentDay, spending};

use budget::{Budget, BudgetError, Reservation, Tokens};
use model::{Fault, Model, Reply};

/// How many answers are looked at: the first, and one more after saying what was wrong with it.
const ROUNDS: usize = 2;

/// Beside the texts themselves, what a provider's format may add to a request, in tokens.
const FRAME: u64 = 256;

/// Drafts by a language model.
pub struct LlmDrafter {
    model: Arc<Model>,
    template: TemplateDrafter,
    budget: Budget,
    config: config::Llm,
}

/// Why the model gave no draft.
enum Failure {
    /// It was not asked, or did not answer.
    Unavailable(String),
    /// It answered, and twice with nothing that may be used.
    Refused(String),
}

impl From<BudgetError> for Failure {
    fn from(error: BudgetError) -> Self {
        Failure::Unavailable(error.to_string())
    }
}

impl LlmDrafter {
    /// `api_key` is the model's, if it has one; `budget_file` is where the day's cost is kept.
    pub fn new(
        config: &config::Drafter,
        api_key: Option<&SecretString>,
        budget_file: PathBuf,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BuildError> {
        Ok(Self {
            model: Arc::new(Model::new(&config.llm, api_key)?),
            template: TemplateDrafter::new(config.templates.as_deref())?,
            budget: Budget::new(config.llm.budget.clone(), budget_file, clock),
            config: config.llm.clone(),
        })
    }

    fn name(&self) -> String {
        format!("llm {}", line(&self.config.model, 80))
    }

    /// Asks until there is a usable answer, at most [`ROUNDS`] times.
    async fn ask(&self, request: &Request<'_>, message: &Message, rules: &Rules) -> Result<Draft, Failure> {
        let system = prompt::instructions(request, rules);
        let mut chat = vec![prompt::task(request, message)];
        let mut refusal = String::new();
        for _ in 0..ROUNDS {
            let reply = self.say(&system, &chat).await?;
            refusal = match rules.judge(request, &reply.text, &self.name()) {
                Ok(draft) => match never(request, &draft) {
                    None => return Ok(draft),
                    Some(refusal) => refusal,
                },
                Err(_) if reply.cut => format!("it is longer than {} tokens", self.config.max_output_tokens),
                Err(reason) => reason,
            };
            tracing::info!(task = %request.task.front.id, "the model's answer is refused: {refusal}");
            chat.push(reply.text);
            chat.push(format!(
                "That answer cannot be used: {refusal}. Answer again with the one JSON object that was asked for."
            ));
        }
        Err(Failure::Refused(refusal))
    }

    /// One call, with repetitions after faults that may pass. Each attempt is paid for from the
    /// budget on its own, since a provider may charge for an answer that never arrived.
    async fn say(&self, system: &str, chat: &[String]) -> Result<Reply, Failure> {
        let bytes = system.len() + chat.iter().map(String::len).sum::<usize>();
        // No tokenizer makes more tokens than there are bytes.
        let worst = Tokens {
            input: (bytes as u64).saturating_add(FRAME),
            output: u64::from(self.config.max_output_tokens),
        };
        let messages = chat.iter().enumerate().map(|(at, text)| match at % 2 {
            0 => ChatMessage::user(text.as_str()),
            _ => ChatMessage::assistant(text.as_str()),
        });
        let chat = ChatRequest::from_messages(messages.collect()).with_system(system);
        let attempt = || async {
            let reserved = self.reserve(worst).await.map_err(Attempt::Budget)?;
            match self.model.ask(chat.clone()).await {
                Ok(reply) => {
                    self.settle(reserved, reply.used.unwrap_or(worst)).await;
                    Ok(reply)
                }
                Err(fault) => {
                    // What may have cost something stays counted as if it had.
                    if fault.free {
                        self.settle(reserved, Tokens::default()).await;
                    }
                    Err(Attempt::Fault(fault))
                }
            }
        };
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(250))
            .with_factor(3.0)
            .with_max_delay(Duration::from_secs(20))
            .with_max_times(self.config.retries as usize)
            .with_jitter();
        attempt
            .retry(pauses)
            .when(|fault| matches!(fault, Attempt::Fault(Fault { passing: true, .. })))
            .adjust(|fault, pause| match fault {
                // None: the repetitions are used up.
                Attempt::Fault(Fault { wait: Some(wait), .. }) => pause.map(|pause| pause.max(*wait)),
                _ => pause,
            })
            .notify(|fault, pause| {
                if let Attempt::Fault(fault) = fault {
                    tracing::info!(
                        "language model: {}; asking again in {} ms",
                        fault.reason,
                        pause.as_millis()
                    );
                }
            })
            .await
            .map_err(|attempt| match attempt {
                Attempt::Budget(error) => error.into(),
                Attempt::Fault(fault) => Failure::Unavailable(fault.reason),
            })
    }

    async fn reserve(&self, worst: Tokens) -> Result<Reservation, BudgetError> {
        let budget = self.budget.clone();
        tokio::task::spawn_blocking(move || budget.reserve(worst)).await.unwrap_or_else(|error| {
            // Only a panic in the count, or the end of the runtime: either way nothing is allowed.
            Err(BudgetError::File { path: self.budget.path().to_owned(), reason: error.to_string() })
        })
    }

    /// What cannot be settled stays counted at its worst.
    async fn settle(&self, reserved: Reservation, used: Tokens) {
        let budget = self.budget.clone();
        match tokio::task::spawn_blocking(move || budget.settle(reserved, used)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("{error}"),
            Err(error) => tracing::warn!("the budget was not settled: {error}"),
        }
    }
}

/// Why one attempt failed.
enum Attempt {
    Budget(BudgetError),
    Fault(Fault),
}

#[async_trait]
impl Drafter for LlmDrafter {
    async fn draft(&self, request: &Request<'_>) -> Result<Draft, DraftError> {
        let message = Message::of(request.task);
        if let Some(reason) = quiet::reason(request.task, &message) {
            return Ok(Draft::NoAction { reason });
        }
        // What a model has read out of a task is read once; the steps that follow from it are code's.
        let rules = Rules::of(request, &message).filter(|_| !request.task.is_long());
        let Some(rules) = rules else {
            return self.template.write(request, &message);
        };
        let failure = match self.ask(request, &message, &rules).await {
            Ok(draft) => return Ok(in_steps(request, draft)),
            Err(failure) => failure,
        };
        let reason = match &failure {
            Failure::Unavailable(reason) => reason.clone(),
            Failure::Refused(reason) => format!("the model's answer was refused: {reason}"),
        };
        if self.config.fallback_to_template {
            tracing::warn!(task = %request.task.front.id, "the template stands in for the language model: {reason}");
            return Ok(stand_in(self.template.write(request, &message)?, &reason));
        }
        match failure {
            Failure::Unavailable(reason) => Err(DraftError::Model { reason }),
            Failure::Refused(_) => Ok(Draft::NeedsPerson {
                question: format!("no draft could be made: {reason}; what is to be done?"),
                plan: Vec::new(),
            }),
        }
    }
}

/// An invoice goes step by step where the books are within reach.
pub(crate) fn in_steps(request: &Request<'_>, draft: Draft) -> Draft {
    let next = match &draft {
        Draft::Proposal {
            action: Action { call: Call::CreateInvoiceDraft(invoice), .. }, drafter, ..
        } => noted(request, invoice, drafter),
        _ => None,
    };
    next.map_or(draft, Draft::Next)
}

/// What is wrong with the words of a draft under the handbook, for the model to read.
pub(crate) fn never(request: &Request<'_>, draft: &Draft) -> Option<String> {
    let Draft::Proposal { action, .. } = draft else { return None };
    let word = action.call.text().and_then(|text| request.house.never_in(text))?;
    Some(format!("it says {word:?}, which must never be said"))
}

/// A template's draft that says why it is one.
pub(crate) fn stand_in(draft: Draft, reason: &str) -> Draft {
    let by = format!("template (fallback: {})", line(reason, 300));
    match draft {
        Draft::Proposal { plan, action, .. } => Draft::Proposal { plan, action, drafter: by },
        Draft::NeedsPerson { question, mut plan } => {
            plan.push(format!("written by the {by}"));
            Draft::NeedsPerson { question, plan }
        }
        Draft::Next(next) => Draft::Next(crate::Next { drafter: by, ..next }),
        Draft::NoAction { reason } => Draft::NoAction { reason },
    }
}
