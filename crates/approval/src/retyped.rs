//! What the owner types again before a payment is signed: proof that amount and payee were read.

use task::{Amount, Payment};

/// How many characters of the payee's account are typed again.
pub(crate) const ENDS: usize = 4;

/// What was typed, as it was typed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Retyped {
    /// The amount, such as `12.50`.
    pub amount: String,
    /// The last four characters of the payee's IBAN.
    pub payee_end: String,
}

/// What was typed is not what would be paid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistyped {
    /// Not a number as this program writes it.
    #[error("{0:?} is no amount; type it as 12.50, without its currency")]
    NoAmount(String),
    /// Another amount.
    #[error("amount that you typed, {0}, is not the one on the screen")]
    Amount(String),
    /// Another account.
    #[error("{0:?} are not the last {ENDS} characters of the payee's IBAN on the screen")]
    Payee(String),
}

impl Retyped {
    /// Holds what was typed against the payment. The amount is compared as a number.
    pub(crate) fn check(&self, payment: &Payment) -> Result<(), Mistyped> {
        let short = |text: &str| text.trim().chars().take(40).collect::<String>();
        let typed = self.amount.trim();
        let amount: Amount = typed.parse().map_err(|_| Mistyped::NoAmount(short(typed)))?;
        if amount.decimal() != payment.amount.decimal() {
            return Err(Mistyped::Amount(short(typed)));
        }
        let typed = self.payee_end.trim();
        let from = payment.iban.len().saturating_sub(ENDS);
        if !payment.iban.get(from..).is_some_and(|end| end.eq_ignore_ascii_case(typed)) {
            return Err(Mistyped::Payee(short(typed)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amount_and_payees_end_are_both_needed() {
        let check = |amount: &str, payee_end: &str, expected: &str| {
            let payment = Payment {
                payee: "Bob GmbH".into(),
                iban: "GB33BUKB20201555555aBc".to_uppercase(),
                amount: "1250.00".parse().expect("amount"),
                currency: "EUR".parse().expect("currency"),
                reference: "R-1".into(),
            };
            let typed = Retyped { amount: amount.into(), payee_end: payee_end.into() };
            let said = typed.check(&payment).map_or_else(|error| error.to_string(), |()| "fits".into());
            assert!(said.contains(expected), "{amount} {payee_end}: {said}");
        };
        check("1250.00", "5ABC", "fits");
        check(" 1250 ", "5abc\n", "fits");
        check("1250.01", "5ABC", "1250.01, is not the one");
        check("125.00", "5ABC", "is not the one");
        check("1250,00", "5ABC", "no amount");
        check("1250.00 EUR", "5ABC", "no amount");
        check("", "5ABC", "no amount");
        check("1250.00", "ABC", "not the last 4");
        check("1250.00", "55ABC", "not the last 4");
        check("1250.00", "", "not the last 4");
    }
}
