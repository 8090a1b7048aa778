//! The Monday briefing: what the week brought, what waits, what the books say, and what could be
//! done next.
//!
//! [`Briefing`] is all that the page says; each part knows where its figures are from, and a part
//! that could not be had carries the reason instead. [`markdown`] and [`html`] are pure. Written by
//! the owner's machine alone: [`Pages`] puts both pages into the vault, and takes what was ticked on
//! them.

mod activity;
mod books;
mod html;
mod page;
mod pages;
mod period;
mod social;
mod suggestion;

pub use activity::{Activity, KindLine, Span};
pub use books::{Books, Late, Sums};
pub use html::html;
pub use page::markdown;
pub use pages::{Pages, PagesError, Ticked, Written};
pub use period::Period;
pub use social::{Social, SocialLine};
pub use suggestion::{Mark, Suggestion, suggest};

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

use crate::Standing;

/// A part that may not have been had. What could not be had is said, never guessed.
#[derive(Clone, PartialEq, Debug)]
pub enum Had<T> {
    /// It was.
    Yes(T),
    /// It was not, and why.
    No(String),
}

impl<T> Had<T> {
    /// The part, if it was had.
    pub fn get(&self) -> Option<&T> {
        match self {
            Had::Yes(part) => Some(part),
            Had::No(_) => None,
        }
    }
}

/// What the language model cost on a day.
#[derive(Clone, PartialEq, Debug)]
pub struct Spent {
    /// UTC day.
    pub day: NaiveDate,
    /// In and out.
    pub tokens: u64,
    /// Money.
    pub money: Decimal,
    /// Its currency.
    pub currency: String,
}

/// How many orders ended in the week, as the executor's journal has them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Orders {
    /// Confirmed by the other side.
    pub done: usize,
    /// Rehearsed.
    pub dry: usize,
    /// Certainly without effect.
    pub failed: usize,
    /// Nobody knows.
    pub unknown: usize,
}

/// All that a briefing says.
#[derive(Clone, PartialEq, Debug)]
pub struct Briefing {
    /// Which week.
    pub period: Period,
    /// When it was written.
    pub now: DateTime<Utc>,
    /// Whether figures from outside are sample data.
    pub sample: bool,
    /// What the logs and the vault say of the week.
    pub activity: Activity,
    /// How the folders stand.
    pub standing: Standing,
    /// What the journal says.
    pub orders: Had<Orders>,
    /// What the books say.
    pub books: Had<Books>,
    /// What the pages say.
    pub social: Had<Social>,
    /// What the language model cost, by day.
    pub spending: Had<Vec<Spent>>,
    /// What could be done next.
    pub suggestions: Vec<Suggestion>,
}

#[cfg(test)]
mod tests;
