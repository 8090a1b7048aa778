//! Money: decimal strings with a currency, never a float.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A decimal number as people and banks write it: `1250.00`, at most 15 digits before the point
/// and 4 after, no sign, no exponent, no separators. Its scale is kept: `10.0` stays `10.0`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, Hash)]
#[serde(try_from = "String", into = "String")]
pub struct Amount(Decimal);

/// A text that is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no amount; write it as a string such as \"1250.00\"")]
pub struct AmountError(String);

impl Amount {
    /// The number, for arithmetic.
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// Whether it is zero.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl FromStr for Amount {
    type Err = AmountError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || AmountError(text.chars().take(40).collect());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits =
            |part: &str, max| (1..=max).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        let plain = digits(whole, 15) && digits(fraction, 4) && (whole == "0" || !whole.starts_with('0'));
        if !plain {
            return Err(bad());
        }
        Decimal::from_str_exact(text).map(Self).map_err(|_| bad())
    }
}

impl TryFrom<String> for Amount {
    type Error = AmountError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> Self {
        amount.to_string()
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": r"^(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?$",
            "description": "decimal number as a string, for example 1250.00"
        })
    }
}

/// An ISO 4217 currency code: three capital letters.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, Hash, PartialOrd, Ord)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(String);

impl Currency {
    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Currency {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("{text:?} is no currency code; use three capital letters such as EUR"))
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = String;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.0
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Currency {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Currency".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[A-Z]{3}$",
            "description": "ISO 4217 code, for example EUR"
        })
    }
}

/// An account number (IBAN, ISO 13616) in its one form, without spaces and in capitals; the error is a
/// fragment.
pub fn iban(text: &str) -> Result<String, String> {
    use iban::IbanLike as _;
    let plain: String =
        text.chars().filter(|c| !c.is_whitespace() && *c != '-').flat_map(char::to_uppercase).collect();
    plain
        .parse::<iban::Iban>()
        .map(|iban| iban.electronic_str().to_owned())
        .map_err(|error| format!("iban {:?} is not valid: {error}", crate::excerpt(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_their_text_and_refuse_the_rest() {
        for good in ["0", "0.10", "10.0", "1250.00", "999999999999999.9999"] {
            assert_eq!(good.parse::<Amount>().map(|a| a.to_string()), Ok(good.to_owned()));
        }
        for bad in
            ["", "-1", "+1", "1e3", "1,000", ".5", "5.", "00.1", "01", " 1", "1 ", "٣", "NaN", "1.00000"]
        {
            assert!(bad.parse::<Amount>().is_err(), "{bad:?}");
        }
        assert!(serde_json::from_str::<Amount>("10.5").is_err(), "a JSON float is no amount");
    }
}
