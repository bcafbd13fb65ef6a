//! Real numbers in text, cut to the digits that the reference prints.

/// Significant digits that the reference prints.
const DIGITS: usize = 15;

/// `text` with every number that has a point or an exponent written with 15 significant digits, as C's `%.15g`.
pub fn round(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let length = number_length(&bytes[at..]);
        let literal = &text[at..at + length];
        match literal.parse::<f64>() {
            Ok(number) if literal.contains(['.', 'e']) => {
                out.push_str(&format_g(number));
                at += length;
            }
            _ => {
                let next = text[at..].chars().next().map_or(1, char::len_utf8);
                let step = length.max(next);
                out.push_str(&text[at..at + step]);
                at += step;
            }
        }
    }
    out
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
            ("12345678901234567", "12345678901234567"),
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
}
