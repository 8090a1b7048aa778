//! Where the values of a proposed action come from: from the owner's own words, from whoever
//! wrote the message, or from nobody but the drafter.
//!
//! A message may ask for anything, and a drafter may believe it. So each address, link, account,
//! number, name, amount and file of the action is held against the message and against what the
//! owner accepted, and is marked.

use std::collections::BTreeSet;
use std::sync::Arc;

use rust_decimal::Decimal;
use secret_scan::Scanner;
use task::{Action, Body, Task};

use crate::suspicion::{address, leaves};
use crate::values::{self, Kind, Marked};
use crate::visible::visible;

/// What is shown of a long value, in characters.
const SHOWN: usize = 120;

/// What the owner's machine knows without any message.
#[derive(Clone, Default, Debug)]
pub struct Own {
    /// Words that the owner stands by: the accepted handbook, the owner's name and addresses.
    pub words: String,
    /// Finds secrets; without it none are looked for.
    pub secrets: Option<Arc<Scanner>>,
}

/// Where a value is from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Origin {
    /// The owner's own configuration or accepted handbook.
    Own,
    /// The people of the message.
    People,
    /// The message, its fields and its attachments' names.
    Message,
    /// None of these.
    Nowhere,
}

impl Origin {
    fn say(self) -> &'static str {
        match self {
            Origin::Own => "yours: configuration or accepted handbook",
            Origin::People => "from the message: who wrote it or got it",
            Origin::Message => "from the message: its words or fields",
            Origin::Nowhere => "neither in the message nor yours",
        }
    }
}

/// The values of an action with where each comes from.
pub(crate) struct Provenance {
    found: Vec<(Marked, Origin)>,
    warnings: Vec<String>,
}

impl Provenance {
    /// Looks at everything that an action has. `payee`: an account that the owner paid before.
    pub(crate) fn of(task: &Task, action: &Action, own: &Own, payee: Option<&str>) -> Self {
        let sources = Sources::of(task, action, &format!("{}\n{}", own.words, payee.unwrap_or_default()));
        let mut values: BTreeSet<Marked> = BTreeSet::new();
        if let Ok(arguments) = action.call.arguments() {
            leaves("", &arguments, &mut |key, text| values.extend(values::of_field(key, text)));
        }
        let found: Vec<(Marked, Origin)> =
            values.into_iter().map(|value| (value.clone(), sources.origin(&value))).collect();
        let mut warnings = Vec::new();
        for (value, origin) in &found {
            let (kind, text) = (value.kind, shown(&value.text));
            let strange = matches!(kind, Kind::Link | Kind::Address | Kind::Account | Kind::Phone);
            match origin {
                Origin::Nowhere if strange => warnings
                    .push(format!("{kind} {text} stands neither in the message nor in what you accepted; nobody but the drafter says it")),
                Origin::Message if matches!(kind, Kind::Link | Kind::Account) => {
                    warnings.push(format!("{kind} {text} comes from the message, not from you"));
                }
                _ => {}
            }
        }
        warnings.extend(sources.look_alikes(task, &found));
        warnings.extend(secrets(action, own));
        Self { found, warnings }
    }

    /// One sentence each.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// A label and a sentence for each value.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (String, String)> {
        self.found.iter().map(|(value, origin)| {
            (value.kind.to_string(), format!("{}  ({})", shown(&value.text), origin.say()))
        })
    }
}

/// What values are held against.
struct Sources {
    /// In small letters, blanks as one.
    own: String,
    people: BTreeSet<String>,
    /// Digits of those of them that are telephone numbers.
    phones: BTreeSet<String>,
    message: String,
    own_values: BTreeSet<Marked>,
    message_values: BTreeSet<Marked>,
    amounts: BTreeSet<Decimal>,
    own_amounts: BTreeSet<Decimal>,
}

impl Sources {
    fn of(task: &Task, action: &Action, own: &str) -> Self {
        let front = &task.front;
        let own = format!("{own}\n{}", action.account);
        let people = front
            .from
            .iter()
            .chain(&front.reply_to)
            .chain(&front.to)
            .map(|text| address(text).to_lowercase())
            .collect::<BTreeSet<String>>();
        let phones = people
            .iter()
            .filter(|who| who.starts_with('+'))
            .map(|who| who.chars().filter(char::is_ascii_digit).collect())
            .collect();
        let body = Body::parse(&task.body);
        let mut message: Vec<String> =
            [&front.subject, &front.source_id].into_iter().flatten().cloned().collect();
        message.extend(front.attachments.iter().map(|note| note.name.clone()));
        // What was taken out of the message, or written there: it is the message's still.
        message.push(serde_yaml::to_string(&front.extra).unwrap_or_default());
        message.extend(body.original);
        message.extend(body.notes);
        let message = message.join("\n");
        Self {
            own_values: values::in_text(&own).into_iter().collect(),
            message_values: values::in_text(&message).into_iter().collect(),
            amounts: values::amounts(&message),
            own_amounts: values::amounts(&own),
            own: plain(&own),
            message: plain(&message),
            people,
            phones,
        }
    }

    fn origin(&self, value: &Marked) -> Origin {
        let key = value.key();
        let among = |values: &BTreeSet<Marked>| {
            values.iter().any(|known| known.kind == value.kind && known.key() == key)
        };
        let by_words = |words: &str| key.chars().count() >= 3 && words.contains(&key);
        match value.kind {
            Kind::Amount => match values::amounts(&value.text).into_iter().next() {
                Some(amount) if self.own_amounts.contains(&amount) => Origin::Own,
                Some(amount) if self.amounts.contains(&amount) => Origin::Message,
                _ => Origin::Nowhere,
            },
            Kind::Name | Kind::File => match () {
                () if by_words(&self.own) => Origin::Own,
                () if self.people.contains(&key) => Origin::People,
                () if by_words(&self.message) => Origin::Message,
                () => Origin::Nowhere,
            },
            Kind::Link | Kind::Address | Kind::Account | Kind::Phone | Kind::Number => match () {
                () if among(&self.own_values) || self.is_own_place(value) => Origin::Own,
                () if value.kind == Kind::Phone && self.phones.contains(&key) => Origin::People,
                () if self.people.contains(&key) => Origin::People,
                () if among(&self.message_values) || by_words(&self.message) => Origin::Message,
                () => Origin::Nowhere,
            },
        }
    }

    /// Whether a link leads to a host that the owner names.
    fn is_own_place(&self, value: &Marked) -> bool {
        let host = |value: &Marked| if value.kind == Kind::Link { value.domain() } else { None };
        let own = host(value);
        own.is_some() && self.own_values.iter().any(|known| host(known) == own)
    }

    /// Domains in the action, and the sender's, that could be taken for one that is known.
    fn look_alikes(&self, task: &Task, found: &[(Marked, Origin)]) -> Vec<String> {
        let domains = |values: &mut dyn Iterator<Item = &Marked>| -> BTreeSet<String> {
            values.filter_map(Marked::domain).collect()
        };
        let own = domains(&mut self.own_values.iter());
        let of = |text: &Option<String>| {
            text.as_deref()
                .and_then(|text| address(text).rsplit_once('@'))
                .map(|(_, domain)| domain.to_lowercase())
        };
        let senders: BTreeSet<String> =
            [of(&task.front.from), of(&task.front.reply_to)].into_iter().flatten().collect();
        let mut all =
            domains(&mut found.iter().filter(|(_, origin)| *origin != Origin::Own).map(|(value, _)| value));
        all.extend(senders.iter().cloned());
        let mut said = Vec::new();
        for domain in &all {
            let known = own.iter().chain(senders.iter().filter(|sender| *sender != domain));
            if let Some((known, why)) =
                known.filter_map(|known| Some((known, values::imitates(domain, known)?))).next()
            {
                said.push(format!("{} is not {}: {why}", visible(domain), visible(known)));
            }
        }
        said
    }
}

/// Secrets that would leave with the action.
fn secrets(action: &Action, own: &Own) -> Vec<String> {
    let (Some(scanner), Ok(arguments)) = (&own.secrets, action.call.arguments()) else { return Vec::new() };
    let mut found = Vec::new();
    leaves("", &arguments, &mut |key, text| {
        found.extend(
            scanner
                .scan(text.as_bytes())
                .iter()
                .map(|finding| format!("SECRET in {key}, {finding}; it would leave with this order")),
        );
    });
    // Spread over several fields it is still one.
    let mut all = Vec::new();
    leaves("", &arguments, &mut |_, text| all.push(text));
    let forth = all.concat();
    all.reverse();
    if found.is_empty() && [forth, all.concat()].iter().any(|text| scanner.first(text.as_bytes()).is_some()) {
        found.push("SECRET in the arguments taken together; it would leave with this order".to_owned());
    }
    found
}

fn shown(text: &str) -> String {
    let head: String = text.chars().take(SHOWN).collect();
    let cut = if head.len() < text.len() { "…" } else { "" };
    format!("{}{cut}", visible(head.trim()))
}

/// In small letters, with one blank for any run of them.
pub(crate) fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}
