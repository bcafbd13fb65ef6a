//! Numbers: which texts are numbers, which of them are integers, and what they are worth.

use super::error::JsonErrorKind;

/// The value of a number's text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    /// Integral and within `i64`, in whatever notation.
    Integer(i64),
    /// Anything else.
    Real(f64),
}

/// The digits of a number so far: `significand * 10^pow10`, exact unless `exact` says otherwise.
struct Decimal {
    significand: u64,
    pow10: i64,
    exact: bool,
}

impl Decimal {
    fn push(&mut self, digit: u8, fraction: bool) {
        let value = u64::from(digit - b'0');
        match self
            .significand
            .checked_mul(10)
            .and_then(|s| s.checked_add(value))
        {
            // Once a digit has been dropped, later ones no longer belong next to the significand.
            Some(significand) if self.exact && (fraction || self.pow10 == 0) => {
                self.significand = significand;
                self.pow10 -= i64::from(fraction);
            }
            _ => {
                self.exact &= digit == b'0';
                self.pow10 += i64::from(!fraction);
            }
        }
    }

    /// The value as an integer, if it is one that fits.
    fn integer(mut self, negative: bool) -> Option<i64> {
        if self.significand == 0 {
            return self.exact.then_some(0);
        }
        if !self.exact {
            return None;
        }
        while self.pow10 < 0 && self.significand.is_multiple_of(10) {
            self.significand /= 10;
            self.pow10 += 1;
        }
        // A 64-bit significand of at least 1 overflows before the power reaches 20.
        while self.pow10 > 0 {
            self.significand = self.significand.checked_mul(10)?;
            self.pow10 -= 1;
        }
        if self.pow10 < 0 {
            return None;
        }
        if negative {
            0i64.checked_sub_unsigned(self.significand)
        } else {
            i64::try_from(self.significand).ok()
        }
    }
}

/// True for the bytes that the reference's scanner takes for part of a number, well placed or not.
pub(crate) fn is_number_byte(c: u8) -> bool {
    matches!(c, b'0'..=b'9' | b'.' | b'e' | b'E' | b'-' | b'+')
}

/// Evaluates `text`, which holds only bytes for which [`is_number_byte`] is true and starts with a digit or a minus.
pub(crate) fn parse(text: &[u8]) -> Result<Number, JsonErrorKind> {
    let mut rest = text;
    let negative = take(&mut rest, b'-');

    // Most numbers are short plain integers, which cannot overflow.
    if rest.len() <= 18
        && !rest.is_empty()
        && rest[0] != b'0'
        && rest.iter().all(u8::is_ascii_digit)
    {
        let value = rest
            .iter()
            .fold(0i64, |value, c| value * 10 + i64::from(c - b'0'));
        return Ok(Number::Integer(if negative { -value } else { value }));
    }

    let mut decimal = Decimal {
        significand: 0,
        pow10: 0,
        exact: true,
    };
    match rest.first() {
        Some(b'0') => {
            rest = &rest[1..];
            if rest.first().is_some_and(u8::is_ascii_digit) {
                return Err(JsonErrorKind::LeadingZero);
            }
        }
        Some(b'1'..=b'9') => take_digits(&mut rest, |digit| decimal.push(digit, false)),
        _ => return Err(JsonErrorKind::LoneMinus),
    }

    if take(&mut rest, b'.') {
        if !rest.first().is_some_and(u8::is_ascii_digit) {
            return Err(JsonErrorKind::EmptyFraction);
        }
        take_digits(&mut rest, |digit| decimal.push(digit, true));
    }

    if take(&mut rest, b'e') || take(&mut rest, b'E') {
        let negative_exponent = !take(&mut rest, b'+') && take(&mut rest, b'-');
        if !rest.first().is_some_and(u8::is_ascii_digit) {
            return Err(JsonErrorKind::EmptyExponent);
        }
        let mut exponent = 0i64;
        let mut in_range = true;
        take_digits(&mut rest, |digit| {
            // The limit is on what came before the last digit.
            in_range &= exponent < i64::from(i32::MAX / 10);
            if in_range {
                exponent = exponent * 10 + i64::from(digit - b'0');
            }
        });
        decimal.pow10 += if negative_exponent {
            -exponent
        } else {
            exponent
        };
        if !in_range || i32::try_from(decimal.pow10).is_err() {
            return Err(JsonErrorKind::ExponentRange);
        }
    }

    if !rest.is_empty() {
        return Err(JsonErrorKind::MalformedNumber);
    }
    if let Some(value) = decimal.integer(negative) {
        return Ok(Number::Integer(value));
    }

    let text = std::str::from_utf8(text).expect("bytes of numbers are ASCII");
    let value: f64 = text
        .parse()
        .expect("the grammar of JSON numbers is within Rust's");
    if value.is_infinite() {
        return Err(JsonErrorKind::NumberRange);
    }
    // Negative zero is zero, by policy of the dialect. (Adding zero keeps every other value.)
    Ok(Number::Real(value + 0.0))
}

fn take(rest: &mut &[u8], c: u8) -> bool {
    let found = rest.first() == Some(&c);
    if found {
        *rest = &rest[1..];
    }
    found
}

fn take_digits(rest: &mut &[u8], mut each: impl FnMut(u8)) {
    let n = rest.iter().take_while(|c| c.is_ascii_digit()).count();
    let (digits, tail) = rest.split_at(n);
    digits.iter().copied().for_each(&mut each);
    *rest = tail;
}
