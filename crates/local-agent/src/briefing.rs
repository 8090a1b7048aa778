//! The Monday briefing: figures from the vault, the logs, the journal and the tools, put together.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use daemon::Setup;
use executor::{Journal, State};
use mcp_client::{Call, ToolCaller};
use reports::Standing;
use reports::briefing::{
    Activity, Books, Briefing, Had, Orders, Pages, Period, Social, Spent, Written, suggest,
};
use scheduler::Calendar;
use serde_json::{Value, json};
use task::{Clock, Server};
use vault::Vault;
use worker::ClerkError;

/// Where a briefing's figures come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// Folders and logs.
    Vault,
    /// The journal, and what the language model cost.
    Journal,
    /// The books.
    Books,
    /// The pages.
    Pages,
}

/// What the sources outside have said already.
#[derive(Default)]
pub struct Answers {
    /// The books, or why they were not to be had.
    pub books: Option<Had<Books>>,
    /// The pages, or why they were not to be had.
    pub social: Option<Had<Social>>,
}

/// Writes briefings.
pub struct Writer {
    vault: Vault,
    calendar: Calendar,
    tools: Arc<dyn ToolCaller>,
    journal: PathBuf,
    budget: PathBuf,
    taken: PathBuf,
    /// Which of the servers hold sample data: books, pages.
    sample: (bool, bool),
    clock: Arc<dyn Clock>,
}

impl Writer {
    /// For a setup; figures from outside are asked of `tools`.
    pub fn new(
        setup: &Setup,
        vault: Vault,
        calendar: Calendar,
        tools: Arc<dyn ToolCaller>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            vault,
            calendar,
            tools,
            journal: setup.data.journal(),
            budget: setup.data.budget(),
            taken: setup.data.suggestions(),
            sample: (setup.modes.odoo_mock, setup.modes.mock_data),
            clock,
        }
    }

    /// Asks one source about the week of `moment`: what it says in a line, and for [`Writer::write`].
    pub(crate) async fn ask_source(
        &self,
        source: Source,
        moment: DateTime<Utc>,
    ) -> Result<(String, Value), ClerkError> {
        let (zone, now) = (self.calendar.zone(), self.clock.now());
        let period = Period::of(moment, &zone);
        match source {
            Source::Vault => {
                let vault = self.vault.clone();
                let look = move || {
                    let total = Activity::count(&vault, &period, &zone)?.total();
                    let standing = Standing::look(&vault, now)?.summary();
                    let said = format!("{} drafted, {} carried out; {standing}", total.drafted, total.done);
                    Ok::<_, ClerkError>((said, Value::Null))
                };
                tokio::task::spawn_blocking(look).await?
            }
            Source::Journal => {
                let (journal, budget) = (self.journal.clone(), self.budget.clone());
                let look = move || (orders(&journal, &period), spending(&budget, &period));
                match tokio::task::spawn_blocking(look).await? {
                    (Had::Yes(orders), Had::Yes(_)) => {
                        let Orders { done, dry, failed, unknown } = orders;
                        let said =
                            format!("{done} done, {dry} rehearsed, {failed} failed, {unknown} unknown");
                        Ok((said, Value::Null))
                    }
                    // A machine on which nothing was signed has none, and trying again brings none.
                    (Had::No(why), _) | (_, Had::No(why)) => Ok((why, Value::Null)),
                }
            }
            Source::Books => {
                let books = self.books(&period, now).await.map_err(ClerkError::from)?;
                Ok((format!("{} invoices are overdue", books.late.len()), serde_json::to_value(books)?))
            }
            Source::Pages => {
                let social = self.social().await.map_err(ClerkError::from)?;
                Ok((format!("{} pages answered", social.lines.len()), serde_json::to_value(social)?))
            }
        }
    }

    /// The briefing of the week of `moment`, written into the vault. A source of which `had` says
    /// nothing is asked now.
    pub async fn write(
        &self,
        moment: DateTime<Utc>,
        had: Answers,
    ) -> Result<(Briefing, Written), ClerkError> {
        let (zone, now) = (self.calendar.zone(), self.clock.now());
        let period = Period::of(moment, &zone);
        let books = match had.books {
            Some(books) => books,
            None => self.books(&period, now).await.map_or_else(Had::No, Had::Yes),
        };
        let social = match had.social {
            Some(social) => social,
            None => self.social().await.map_or_else(Had::No, Had::Yes),
        };
        let (vault, journal, budget) = (self.vault.clone(), self.journal.clone(), self.budget.clone());
        let pages = Pages::new(vault.clone(), &self.taken);
        let sample = self.sample.0 || self.sample.1;
        tokio::task::spawn_blocking(move || {
            let mut briefing = Briefing {
                period,
                now,
                sample,
                activity: Activity::count(&vault, &period, &zone)?,
                standing: Standing::look(&vault, now)?,
                orders: orders(&journal, &period),
                books,
                social,
                spending: spending(&budget, &period),
                suggestions: Vec::new(),
            };
            briefing.suggestions = suggest(&briefing);
            let written = pages.write(&briefing)?;
            Ok::<_, ClerkError>((briefing, written))
        })
        .await?
    }

    async fn ask(&self, server: Server, tool: &str, arguments: Value) -> Result<Value, String> {
        let reply = self.tools.call(Call::new(server, tool, arguments)).await;
        reply.map(|reply| reply.content).map_err(|error| error.to_string())
    }

    async fn books(&self, period: &Period, now: DateTime<Utc>) -> Result<Books, String> {
        let first = period.days().next().unwrap_or(period.monday);
        let posted = json!({"state": "posted", "limit": Books::LIMIT});
        let invoices = self.ask(Server::Odoo, "list_invoices", posted).await?;
        let since = json!({"since": first, "limit": Books::LIMIT});
        let transactions = self.ask(Server::Odoo, "read_transactions", since).await?;
        Books::read(&invoices, &transactions, period, now, &self.calendar.zone())
    }

    async fn social(&self) -> Result<Social, String> {
        Social::read(&self.ask(Server::Social, "get_social_summary", json!({})).await?)
    }
}

/// What the journal says of the week.
fn orders(path: &std::path::Path, period: &Period) -> Had<Orders> {
    if !path.exists() {
        return Had::No("there is no journal yet: nothing has been signed on this machine".to_owned());
    }
    let count = || {
        let journal = Journal::open(path)?;
        let mut orders = Orders::default();
        for state in [State::Done, State::Failed, State::Unknown] {
            for row in journal.in_state(state)? {
                if row.ended.is_none_or(|at| !period.has(at)) {
                    continue;
                }
                match state {
                    State::Done if row.is_dry() => orders.dry += 1,
                    State::Done => orders.done += 1,
                    State::Failed => orders.failed += 1,
                    _ => orders.unknown += 1,
                }
            }
        }
        Ok::<_, executor::JournalError>(orders)
    };
    count().map_or_else(|error| Had::No(format!("the journal: {error}")), Had::Yes)
}

fn spending(path: &std::path::Path, period: &Period) -> Had<Vec<Spent>> {
    let days: Vec<_> = period.days().collect();
    match drafter::spending(path) {
        Ok(spent) => Had::Yes(
            spent
                .into_iter()
                .filter(|spent| days.contains(&spent.day))
                .map(|spent| Spent {
                    day: spent.day,
                    tokens: spent.tokens,
                    money: spent.money,
                    currency: spent.currency.to_string(),
                })
                .collect(),
        ),
        Err(why) => Had::No(why),
    }
}
