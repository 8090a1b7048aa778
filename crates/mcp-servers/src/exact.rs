//! Numbers of other people's JSON, digit for digit: money goes through no float, not even on the
//! wire.

use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A JSON number, as it is written. Some services write it as a string; that is read too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Exact(pub(crate) Decimal);

impl Exact {
    /// The number without the noise that a service's own floats may have left behind the sixth
    /// decimal; no currency has so many.
    pub(crate) fn plain(self) -> Decimal {
        self.0.round_dp(6).normalize()
    }
}

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.to_string()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get().trim_matches('"');
        Decimal::from_str_exact(text)
            .or_else(|_| Decimal::from_scientific(text))
            // More digits than a decimal has are a float's noise.
            .or_else(|_| text.parse())
            .map(Self)
            .map_err(|_| D::Error::custom("a number was expected"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_written_digit_for_digit() {
        for text in ["12.50", "0.1", "-33", "999910.38", "123456789012345.6789"] {
            let number: Exact = serde_json::from_str(text).expect(text);
            assert_eq!(serde_json::to_string(&number).expect("json"), text);
        }
        let check = |text: &str, plain: &str| {
            let number: Exact = serde_json::from_str(text).expect(text);
            assert_eq!(number.plain().to_string(), plain, "{text}");
        };
        check("5.0e-2", "0.05");
        check("312.38000000000005", "312.38");
        check("300.0", "300");
        check("\"12.50\"", "12.5");
        assert!(serde_json::from_str::<Exact>("null").is_err());
        assert!(serde_json::from_str::<Exact>("true").is_err());
    }
}
