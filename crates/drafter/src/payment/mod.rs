//! What is to be paid, read out of a task that an invoice or a note became. Money is asked about
//! rather than guessed: what is missing, said twice or differently, cut, or can be read in two ways is a
//! question. All of it is a stranger's word until the owner has compared it.

mod accounts;
mod currencies;
mod figures;
mod plain;
mod values;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::json;
use task::{Amount, Call, Currency, Task, counted};

use self::accounts::{account, accounts};
use self::figures::{AMOUNT, Figure, figures, whole};
use self::plain::Plain;
use self::values::Values;
use crate::message::references;
use crate::text::line;

const PAYEE: &[&str] = &[
    "payee",
    "beneficiary",
    "recipient",
    "account_holder",
    "empfänger",
    "zahlungsempfänger",
    "begünstigter",
    "kontoinhaber",
];
const IBAN: &[&str] = &["iban", "account_number", "kontonummer"];
const CURRENCY: &[&str] = &["currency", "währung"];
const REFERENCE: &[&str] = &[
    "reference",
    "payment_reference",
    "purpose",
    "verwendungszweck",
    "memo",
    "zahlungsreferenz",
    "invoice_number",
    "invoice_no",
    "rechnungsnummer",
    "rechnungsnr",
    "rechnung_nr",
];
/// Words that make the sum to be paid another one than the sum that is named.
const DEDUCTIONS: &[&str] = &[
    "skonto",
    "rabatt*",
    "nachlass",
    "discount*",
    "abzüglich",
    "abzgl*",
    "abzug",
    "deduct*",
    "gutschrift*",
    "credit note",
    "anzahlung*",
    "deposit",
    "bereits gezahlt",
    "bereits bezahlt",
    "already paid",
    "teilzahlung*",
    "restbetrag",
    "balance due",
    "part payment",
    "instalment*",
    "installment*",
    "rate von",
    "mahngebühr*",
    "late fee*",
];
/// Words that begin another value of a payment.
const BESIDE: &[&str] = &[
    "iban",
    "bic",
    "swift",
    "amount:*",
    "betrag:*",
    "total:*",
    "payee:*",
    "empfänger:*",
    "beneficiary:*",
    "reference:*",
    "verwendungszweck:*",
    "purpose:*",
    "currency:*",
    "währung:*",
];
/// What a bank carries (SEPA): 70 characters of a name, 140 of a purpose.
const NAME: usize = 70;
const PURPOSE: usize = 140;

/// A payment that the task asks for in one way.
#[derive(Debug)]
pub(crate) struct Payable {
    pub(crate) call: Call,
    /// What was read, and from where.
    pub(crate) plan: Vec<String>,
}

/// Reads it, or says what is to be asked, a fragment each.
pub(crate) fn read(task: &Task) -> Result<Payable, Vec<String>> {
    let values = Values::of(task);
    let mut asks: Vec<String> = values.cut.clone();
    let text = Plain::of(&values.text);
    let found = accounts(&text);
    let iban = take(iban(&values, &found), &mut asks);
    let payee = take(one_name(&values, PAYEE, NAME), &mut asks);
    let money = take(money(&values, &text.without(&found.ranges)), &mut asks);
    let reference = take(reference(&values, &text.without(&found.ranges)), &mut asks);
    let (Some(payee), Some(iban), Some((amount, currency)), Some(reference), true) =
        (payee, iban, money, reference, asks.is_empty())
    else {
        return Err(asks);
    };
    let arguments = json!({
        "payee": payee.0, "iban": iban.0, "amount": amount.0, "currency": currency, "reference": reference.0,
    });
    let call = Call::decode("initiate_payment", arguments).map_err(|error| vec![error.to_string()])?;
    let mut plan = vec![
        format!("payee {:?}, {}", payee.0, payee.1),
        format!(
            "account {}, {}; its checksum holds, which says nothing of whose it is",
            spaced(&iban.0),
            iban.1
        ),
        format!("amount {} {currency}, {}", amount.0, amount.1),
        format!("purpose {:?}, {}", reference.0, reference.1),
    ];
    if !task.front.attachments.is_empty() {
        plan.push(format!(
            "not read, to be compared: {}",
            counted(task.front.attachments.len(), "attached file")
        ));
    }
    plan.push(format!("pay {} {currency} to {}", amount.0, payee.0));
    Ok(Payable { call, plan })
}

/// A value, and where it was found.
type Sourced<T> = (T, &'static str);

const FROM_TEXT: &str = "from the text of the task, which is not to be trusted";
const FROM_FRONT: &str = "from the task's front matter";

fn take<T>(result: Result<T, Vec<String>>, asks: &mut Vec<String>) -> Option<T> {
    result.map_err(|why| asks.extend(why)).ok()
}

/// `DE89 3704 …`, as it stands on paper.
fn spaced(iban: &str) -> String {
    let chars: Vec<char> = iban.chars().collect();
    chars.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

fn iban(values: &Values, found: &accounts::Accounts) -> Result<Sourced<String>, Vec<String>> {
    let mut asks: Vec<String> =
        found.broken.iter().map(|written| format!("iban {:?} is not valid", line(written, 60))).collect();
    let mut all: BTreeSet<String> = found.valid.iter().cloned().collect();
    let front = values.front(IBAN).map_err(|why| vec![format!("iban {why}")])?;
    for value in &front {
        match account(value) {
            Ok(iban) => drop(all.insert(iban)),
            Err(why) => asks.push(why),
        }
    }
    // `IBAN: 4711` does not even look like one.
    for value in values.text_of(&["iban"]) {
        if account(&value).is_err() && accounts(&Plain::of(&value)).valid.is_empty() && asks.is_empty() {
            asks.push(format!("iban {:?} is not valid", line(&value, 60)));
        }
    }
    if all.len() > 1 {
        let named: Vec<String> = all.iter().map(|iban| spaced(iban)).collect();
        asks.push(format!(
            "iban: several accounts are named ({}): which one is the payee's?",
            named.join(", ")
        ));
    }
    match (all.pop_first(), asks.is_empty()) {
        (Some(iban), true) => Ok((iban, if front.is_empty() { FROM_TEXT } else { FROM_FRONT })),
        (None, true) => Err(vec!["iban is missing".into()]),
        (_, false) => Err(asks),
    }
}

/// The one name under `names`, wherever it is said.
fn one_name(values: &Values, names: &[&str], longest: usize) -> Result<Sourced<String>, Vec<String>> {
    let front = values.front(names).map_err(|why| vec![format!("{} {why}", names[0])])?;
    let source = if front.is_empty() { FROM_TEXT } else { FROM_FRONT };
    one(names[0], [front, values.text_of(names)].concat(), longest).map(|text| (text, source))
}

fn one(name: &str, said: Vec<String>, longest: usize) -> Result<String, Vec<String>> {
    let mut distinct: Vec<String> = Vec::new();
    for text in said {
        let text = line(&text, usize::MAX);
        if !distinct.iter().any(|known| known.to_lowercase() == text.to_lowercase()) {
            distinct.push(text);
        }
    }
    match &distinct[..] {
        [] => Err(vec![format!("{name} is missing")]),
        [text] if text.chars().count() > longest => Err(vec![format!(
            "{name} has more than the {longest} characters that a bank carries: how is it to be shortened?"
        )]),
        // `Payee: Muster GmbH, IBAN: DE89 …` is a line of several values.
        [text] if BESIDE.iter().any(|word| crate::text::has(&text.to_lowercase(), word)) => {
            Err(vec![format!(
                "{name} has more in its line than that, {:?}: which part is it?",
                line(text, 80)
            )])
        }
        [text] => Ok(text.clone()),
        several => {
            let shown: Vec<String> = several.iter().map(|text| format!("{:?}", line(text, 60))).collect();
            Err(vec![format!("{name} is said twice, as {}: which one counts?", shown.join(" and as "))])
        }
    }
}

/// The amount and its currency.
fn money(values: &Values, text: &Plain) -> Result<(Sourced<Amount>, Currency), Vec<String>> {
    let mut asks = Vec::new();
    let in_text = figures(text);
    asks.extend(in_text.unclear.iter().map(|why| format!("the amount {why}")));
    let mut in_front = Vec::new();
    for value in values.front(AMOUNT).map_err(|why| vec![format!("amount {why}")])? {
        let found = whole(&value);
        asks.extend(found.unclear.iter().map(|why| format!("the amount {why}")));
        match &found.read[..] {
            [one] => in_front.push(one.clone()),
            _ if found.unclear.is_empty() => {
                asks.push(format!("amount {:?} is no amount such as 1250.00", line(&value, 60)))
            }
            _ => {}
        }
    }
    let currency = currency(values, in_front.iter().chain(&in_text.read), &mut asks);
    let distinct =
        |figures: &[Figure]| -> BTreeSet<Amount> { figures.iter().map(|figure| figure.amount).collect() };
    let (front, all) = (distinct(&in_front), distinct(&in_text.read));
    let named =
        |amounts: &BTreeSet<Amount>| amounts.iter().map(Amount::to_string).collect::<Vec<_>>().join(", ");
    let amount = match (front.len(), all.len()) {
        (0, 0) if asks.iter().any(|ask| ask.contains("amount")) => None,
        (0, 0) => {
            asks.push("amount is missing".into());
            None
        }
        (0, 1) if !in_text.read.iter().any(|figure| figure.sure) => {
            asks.push(format!(
                "amount: {} stands in the text without a currency: is it what is to be paid?",
                named(&all)
            ));
            None
        }
        (0, 1) => {
            if let Some(word) =
                DEDUCTIONS.iter().find(|word| crate::text::has(&values.text.to_lowercase(), word))
            {
                asks.push(format!(
                    "amount: the text speaks of {:?}: is {} what is to be paid? say so as `amount:` in the front matter",
                    word.trim_end_matches('*'),
                    named(&all)
                ));
            }
            all.first().map(|amount| (*amount, FROM_TEXT))
        }
        (0, _) => {
            asks.push(format!("amount: several are named ({}): which one is to be paid?", named(&all)));
            None
        }
        // The owner's word on which one it is; it must still be one that the text names.
        (1, _) if all.is_empty() || front.is_subset(&all) => {
            front.first().map(|amount| (*amount, FROM_FRONT))
        }
        _ => {
            asks.push(format!(
                "amount is said twice, as {} in the front matter and as {} in the text",
                named(&front),
                named(&all)
            ));
            None
        }
    };
    match (amount, currency) {
        (Some(amount), Some(currency)) if asks.is_empty() => Ok((amount, currency)),
        _ => Err(asks),
    }
}

/// The one currency that is spoken of.
fn currency<'a>(
    values: &Values,
    figures: impl Iterator<Item = &'a Figure>,
    asks: &mut Vec<String>,
) -> Option<Currency> {
    let mut all: BTreeSet<Currency> = BTreeSet::new();
    let mut any = false;
    for figure in figures {
        any = true;
        all.extend(figure.currency.clone());
    }
    let front = values.front(CURRENCY).unwrap_or_else(|why| {
        asks.push(format!("currency {why}"));
        Vec::new()
    });
    for code in front.into_iter().chain(values.text_of(CURRENCY)) {
        match code.trim().to_uppercase().parse::<Currency>() {
            Ok(currency) => drop(all.insert(currency)),
            Err(_) if code.trim() == "€" => all.extend("EUR".parse::<Currency>().ok()),
            Err(error) => asks.push(format!("currency: {}", line(&error, 100))),
        }
    }
    if all.len() > 1 {
        let shown: Vec<&str> = all.iter().map(Currency::as_str).collect();
        asks.push(format!("currency is said twice, as {}", shown.join(" and as ")));
        return None;
    }
    if all.is_empty() && any {
        asks.push("currency is missing".into());
    }
    all.pop_first()
}

/// What the payee is to see as the purpose.
fn reference(values: &Values, text: &Plain) -> Result<Sourced<String>, Vec<String>> {
    let front = values.front(REFERENCE).map_err(|why| vec![format!("reference {why}")])?;
    let mut said = values.text_of(REFERENCE);
    // Numbers of documents that stand elsewhere in the text.
    for number in references(&text.text()) {
        let known =
            said.iter().chain(&front).any(|text| text.to_lowercase().contains(&number.to_lowercase()));
        if !known {
            said.push(number);
        }
    }
    if let [own] = &front[..] {
        // The owner's word on which of several it is; it must still be one that the text names.
        let text = text.text().to_lowercase();
        if said.is_empty() || text.contains(&own.to_lowercase()) {
            return one("reference", front, PURPOSE).map(|text| (text, FROM_FRONT));
        }
    }
    let source = if front.is_empty() { FROM_TEXT } else { FROM_FRONT };
    one("reference", [front, said].concat(), PURPOSE).map(|text| (text, source))
}
