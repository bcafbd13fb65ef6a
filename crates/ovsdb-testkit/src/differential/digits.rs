//! Real numbers in text, with the digits that the reference prints and with more.

/// Significant digits that the reference prints.
const DIGITS: usize = 15;

/// Whether two texts differ at most in digits of real numbers that the reference, on the left, does not print.
pub fn equal(left: &str, right: &str) -> bool {
    let (ours, theirs) = (pieces(left), pieces(right));
    ours.len() == theirs.len()
        && ours.iter().zip(&theirs).all(|(left, right)| {
            // Two integers are exact on both sides.
            left == right
                || [left, right]
                    .iter()
                    .any(|number| number.contains(['.', 'e']))
                    && shortened(right).as_deref() == Some(*left)
        })
}

/// `text` with every number of more digits than that cut to them.
pub fn round(text: &str) -> String {
    let pieces = pieces(text).into_iter();
    pieces
        .map(|piece| shortened(piece).unwrap_or_else(|| piece.to_owned()))
        .collect()
}

/// A number as C's `%.15g` prints it; `None` if `piece` is no number.
fn shortened(piece: &str) -> Option<String> {
    if !piece.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    piece.parse().ok().map(format_g)
}

/// `text` cut into numbers, without signs, and what is between them.
fn pieces(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < bytes.len() {
        let length = number_length(&bytes[at..]);
        if length == 0 {
            at += 1;
            continue;
        }
        if start < at {
            pieces.push(&text[start..at]);
        }
        pieces.push(&text[at..at + length]);
        at += length;
        start = at;
    }
    if start < at {
        pieces.push(&text[start..at]);
    }
    pieces
}

/// How many bytes look like a number: digits, then point, digits and exponent where there are any.
fn number_length(bytes: &[u8]) -> usize {
    let digits = |from: usize| {
        bytes[from..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };
    let whole = digits(0);
    if whole == 0 {
        return 0;
    }
    let mut length = whole;
    if bytes.get(length) == Some(&b'.') {
        let fraction = digits(length + 1);
        if fraction > 0 {
            length += 1 + fraction;
        }
    }
    if bytes.get(length) == Some(&b'e') {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = bytes
            .get(length + 1 + sign..)
            .map_or(0, |_| digits(length + 1 + sign));
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    length
}

fn format_g(number: f64) -> String {
    let scientific = format!("{number:.*e}", DIGITS - 1);
    let (mantissa, exponent) = scientific
        .split_once('e')
        .expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    let trim = |digits: &str| match digits.contains('.') {
        true => digits
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
        false => digits.to_owned(),
    };
    let precision = i32::try_from(DIGITS).expect("it is small");
    if exponent < -4 || exponent >= precision {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trim(mantissa), exponent.abs())
    } else {
        let decimals = usize::try_from(precision - 1 - exponent).expect("the exponent is smaller");
        trim(&format!("{number:.decimals$}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_cut_to_fifteen_digits() {
        for (text, rounded) in [
            ("", ""),
            ("é 12 x", "é 12 x"),
            ("12345678901234567", "1.23456789012346e+16"),
            ("0.30000000000000004", "0.3"),
            (
                "[-0.1,9.223372036854776e+18]",
                "[-0.1,9.22337203685478e+18]",
            ),
            ("1e-100e", "1e-100e"),
            ("1.7976931348623157e+308", "1.79769313486232e+308"),
            ("0.00012345678901234567", "0.000123456789012346"),
            ("1.5.2e", "1.5.2e"),
        ] {
            assert_eq!(round(text), rounded, "{text}");
        }
    }

    #[test]
    fn only_digits_that_the_reference_leaves_out_may_differ() {
        for (left, right, same) in [
            ("x", "x", true),
            ("0.3", "0.30000000000000004", true),
            ("0.3", "0.31", false),
            ("1e+15", "1000000000000002", true),
            ("1e+15", "1000000000000100", false),
            ("9223372036854775807", "9223372036854775806", false),
            ("1000000000000002", "1e+15", false),
            ("333333333333333", "333333333333333.3", true),
            ("333333333333334", "333333333333333.3", false),
            ("[0.1,2]", "[0.1,2,3]", false),
        ] {
            assert_eq!(equal(left, right), same, "{left} {right}");
        }
    }
}
