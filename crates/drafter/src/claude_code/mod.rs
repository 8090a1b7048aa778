//! Drafts by Claude Code: `claude -p` with the tools that read and draft, and nothing else. What it answers is
//! judged as any model's answer is; it can look things up, and it can do nothing.

mod invocation;
mod process;

use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;
use task::Clock;

pub use invocation::ToolServers;

use crate::llm::answer::Rules;
use crate::llm::budget::{Budget, Tokens};
use crate::llm::{in_steps, never, prompt, stand_in};
use crate::message::Message;
use crate::template::TemplateDrafter;
use crate::text::line;
use crate::{BuildError, Draft, DraftError, Drafter, Request, quiet};
use process::{Run, run};

/// Drafts by Claude Code.
pub struct ClaudeCodeDrafter {
    config: config::ClaudeCode,
    tool_servers: ToolServers,
    template: TemplateDrafter,
    budget: Budget,
}

/// What `claude -p --output-format json` prints.
#[derive(Deserialize)]
struct Printed {
    #[serde(default)]
    is_error: bool,
    #[serde(default)]
    subtype: String,
    #[serde(default)]
    result: Option<String>,
    #[serde(default)]
    usage: Usage,
    /// In US dollars, digits as they stand there.
    #[serde(default)]
    total_cost_usd: Option<Box<RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Usage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
}

impl Printed {
    fn tokens(&self) -> Tokens {
        let Usage { input_tokens, cache_creation_input_tokens, cache_read_input_tokens, output_tokens } =
            self.usage;
        Tokens {
            input: input_tokens
                .saturating_add(cache_creation_input_tokens)
                .saturating_add(cache_read_input_tokens),
            output: output_tokens,
        }
    }

    fn cost(&self) -> Option<Decimal> {
        let digits = self.total_cost_usd.as_ref()?.get();
        Decimal::from_str(digits)
            .or_else(|_| Decimal::from_scientific(digits))
            .ok()
            .filter(|cost| !cost.is_sign_negative())
    }
}

impl ClaudeCodeDrafter {
    /// `budget_file` is where the day's cost is kept.
    pub(crate) fn new(
        config: &config::Drafter,
        tool_servers: ToolServers,
        budget_file: PathBuf,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BuildError> {
        Ok(Self {
            config: config.claude_code.clone(),
            tool_servers,
            template: TemplateDrafter::new(config.templates.as_deref())?,
            budget: Budget::new(config.llm.budget.clone(), budget_file, clock),
        })
    }

    fn name(&self) -> String {
        format!("claude-code {}", line(self.config.model.as_deref().unwrap_or("(its own model)"), 80))
    }

    /// One run; the error reads on after "no draft from the language model: ".
    async fn ask(&self, request: &Request<'_>, message: &Message, rules: &Rules) -> Result<Draft, String> {
        let asked = format!(
            "{}\nYou may look things up with the tools that you have; they read, and change nothing that anybody else sees.\n\n{}",
            prompt::instructions(request, rules),
            prompt::task(request, message)
        );
        let reserved = self.reserve().await?;
        tokio::fs::create_dir_all(&self.tool_servers.folder)
            .await
            .map_err(|error| format!("{} cannot be made: {error}", self.tool_servers.folder.display()))?;
        let arguments = invocation::arguments(&self.config, &self.tool_servers, request.role);
        let ended = run(Run {
            program: &self.config.program,
            arguments: &arguments,
            environment: &self.tool_servers.environment,
            folder: &self.tool_servers.folder,
            input: asked,
            limit: Duration::from_secs(self.config.timeout_seconds),
        })
        .await
        .map_err(|error| format!("claude {error}"))?;
        let printed: Result<Printed, _> = serde_json::from_str(ended.stdout.trim());
        // It costs what it costs, also when nothing came of it.
        if let Ok(printed) = &printed {
            self.settle(reserved, printed.tokens(), printed.cost()).await;
        }
        let complaint = line(&ended.complaint, 300);
        let because = if complaint.is_empty() { String::new() } else { format!(": {complaint}") };
        if !ended.status.success() {
            let said =
                printed.ok().and_then(|printed| printed.result).map(|said| format!(": {}", line(&said, 300)));
            return Err(format!("claude ended with {}{}", ended.status, said.unwrap_or(because)));
        }
        let printed =
            printed.map_err(|error| format!("claude printed no JSON that fits ({error}){because}"))?;
        let result = printed.result.as_deref().unwrap_or_default();
        if printed.is_error || result.is_empty() {
            return Err(format!("claude reports {}: {}", line(&printed.subtype, 60), line(result, 300)));
        }
        let draft = rules
            .judge(request, result, &self.name())
            .map_err(|why| format!("claude's answer is refused: {why}"))?;
        match never(request, &draft) {
            Some(why) => Err(format!("claude's answer is refused: {why}")),
            None => Ok(draft),
        }
    }

    async fn reserve(&self) -> Result<crate::llm::budget::Reservation, String> {
        let (budget, worst) =
            (self.budget.clone(), Tokens { input: self.config.tokens_per_draft, output: 0 });
        match tokio::task::spawn_blocking(move || budget.reserve(worst)).await {
            Ok(reserved) => reserved.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// What cannot be settled stays counted at its worst.
    async fn settle(&self, reserved: crate::llm::budget::Reservation, used: Tokens, cost: Option<Decimal>) {
        let budget = self.budget.clone();
        tracing::info!(tokens_in = used.input, tokens_out = used.output, cost_usd = ?cost, "claude was asked");
        match tokio::task::spawn_blocking(move || budget.settle_at(reserved, used, cost)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("{error}"),
            Err(error) => tracing::warn!("the budget was not settled: {error}"),
        }
    }
}

#[async_trait]
impl Drafter for ClaudeCodeDrafter {
    async fn draft(&self, request: &Request<'_>) -> Result<Draft, DraftError> {
        let message = Message::of(request.task);
        if let Some(reason) = quiet::reason(request.task, &message) {
            return Ok(Draft::NoAction { reason });
        }
        // As with any model: a task is read once, and the steps that follow are code's.
        let rules = Rules::of(request, &message).filter(|_| !request.task.is_long());
        let Some(rules) = rules else {
            return self.template.write(request, &message);
        };
        match self.ask(request, &message, &rules).await {
            Ok(draft) => Ok(in_steps(request, draft)),
            Err(reason) if self.config.fallback_to_template => {
                tracing::warn!(task = %request.task.front.id, "the template stands in for claude: {reason}");
                Ok(stand_in(self.template.write(request, &message)?, &reason))
            }
            Err(reason) => Err(DraftError::Model { reason }),
        }
    }
}
