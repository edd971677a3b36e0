//! Amounts: whole base units in a `u64`, and their decimal text. No floats anywhere near value.

/// Most decimals an asset may have: 10^18 still fits a `u64`.
pub const DECIMALS_MAX: u8 = 18;

/// Why a text is no amount of an asset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not digits with at most one point between them.
    #[error("{0:?} is not an amount; write digits with at most one point, like 12.5")]
    NotANumber(String),
    /// More digits behind the point than the asset has.
    #[error(
        "{text:?} has {found} decimals and the asset has {max}; the smallest amount is {smallest}"
    )]
    TooFine {
        /// The text.
        text: String,
        /// Decimals found.
        found: usize,
        /// Decimals of the asset.
        max: u8,
        /// One base unit as text.
        smallest: String,
    },
    /// Above what 64 bits hold.
    #[error("{0:?} is more than any supply can be")]
    TooLarge(String),
    /// Zero.
    #[error("the amount is zero; nothing would be transferred")]
    Zero,
}

/// Reads a decimal text as base units of an asset with `decimals`. Exact: `0.006` with three is 6.
///
/// # Errors
/// Every [`AmountError`]; zero is an error, because no output may be zero.
pub fn parse_amount(text: &str, decimals: u8) -> Result<u64, AmountError> {
    let shown = || text.chars().take(60).collect::<String>();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let has_point = text.contains('.');
    if whole.is_empty() || (has_point && fraction.is_empty()) {
        return Err(AmountError::NotANumber(shown()));
    }
    if !is_digits(whole) || !is_digits(fraction) {
        return Err(AmountError::NotANumber(shown()));
    }
    if fraction.len() > usize::from(decimals) {
        return Err(AmountError::TooFine {
            text: shown(),
            found: fraction.len(),
            max: decimals,
            smallest: format_amount(1, decimals),
        });
    }
    let padding = usize::from(decimals) - fraction.len();
    let digits = whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat_n(b'0', padding));
    let mut units: u64 = 0;
    for digit in digits {
        units = units
            .checked_mul(10)
            .and_then(|units| units.checked_add(u64::from(digit - b'0')))
            .ok_or_else(|| AmountError::TooLarge(shown()))?;
    }
    if units == 0 { Err(AmountError::Zero) } else { Ok(units) }
}

/// Writes base units as the shortest decimal text: 12500 with three decimals is `12.5`.
pub fn format_amount(units: u64, decimals: u8) -> String {
    let width = usize::from(decimals);
    let digits = format!("{units:0>width$}", width = width + 1);
    let (whole, fraction) = digits.split_at(digits.len() - width);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        let cases = [
            ("12.5", 12_500),
            ("0.001", 1),
            ("0.006", 6),
            ("0.007", 7),
            ("0.008", 8),
            ("0.011", 11),
            ("0.012", 12),
            ("0.016", 16),
            ("1000", 1_000_000),
            ("007.10", 7_100),
        ];
        for (text, units) in cases {
            assert_eq!(parse_amount(text, 3), Ok(units), "{text}");
        }
        assert_eq!(format_amount(12_500, 3), "12.5");
        assert_eq!(format_amount(0, 3), "0");
        assert_eq!(format_amount(6, 3), "0.006");
        assert_eq!(format_amount(u64::MAX, 0), "18446744073709551615");
        assert_eq!(format_amount(1, 18), "0.000000000000000001");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", " 1", "1.2.3", "0x1", "١"] {
            assert!(matches!(parse_amount(text, 3), Err(AmountError::NotANumber(_))), "{text:?}");
        }
        assert!(matches!(parse_amount("0.0001", 3), Err(AmountError::TooFine { found: 4, .. })));
        assert_eq!(parse_amount("0.000", 3), Err(AmountError::Zero));
        assert!(matches!(parse_amount("18446744073709552", 3), Err(AmountError::TooLarge(_))));
        assert_eq!(parse_amount("18446744073709551.615", 3), Ok(u64::MAX));
    }

    proptest::proptest! {
        #[test]
        fn text_round_trip(units in 1..=u64::MAX, decimals in 0..=DECIMALS_MAX) {
            let text = format_amount(units, decimals);
            proptest::prop_assert_eq!(parse_amount(&text, decimals), Ok(units));
        }
    }
}
