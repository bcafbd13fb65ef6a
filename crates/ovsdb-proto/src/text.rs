//! Atoms and datums as people type and read them: the forms that `ovs-vsctl`, `ovsdb-client` and error messages use.
//!
//! Three forms: the string form, which parses back; the bare form, which is for scripts and does not; and the input
//! form, which is the string form with some liberties.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use crate::atom::{Atom, AtomType};
use crate::datum::Datum;
use crate::json;
use crate::symbols::Symbols;
use crate::types::{BaseType, ColumnType, UNLIMITED};
use crate::uuid::Uuid;

/// The most integers that one range such as `1-4096` can stand for.
pub const RANGE_MAX: u64 = 4096;

/// A real with 15 significant digits, as C's `%.15g` prints it.
pub fn real(value: f64) -> String {
    const DIGITS: i32 = 15;
    if !value.is_finite() {
        let sign = if value.is_sign_negative() { "-" } else { "" };
        return format!("{sign}{}", if value.is_nan() { "nan" } else { "inf" });
    }
    let scientific = format!("{value:.*e}", DIGITS as usize - 1);
    // `{:e}` always writes an exponent.
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..DIGITS).contains(&exponent) {
        trimmed(&format!("{value:.*}", (DIGITS - 1 - exponent) as usize))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
    }
}

/// The string form of an atom, which [`atom_from_string`] reads back.
pub fn atom_to_string(atom: &Atom) -> String {
    let mut text = String::new();
    push_atom(atom, &mut text);
    text
}

/// Appends the string form of an atom.
pub fn push_atom(atom: &Atom, out: &mut String) {
    match atom {
        Atom::String(text) if needs_quotes(text) => {
            let mut quoted = Vec::with_capacity(text.len() + 2);
            json::write::string(text, &mut quoted);
            out.push_str(&String::from_utf8_lossy(&quoted));
        }
        other => push_bare_atom(other, out),
    }
}

/// Appends the bare form of an atom.
fn push_bare_atom(atom: &Atom, out: &mut String) {
    match atom {
        Atom::Integer(value) => push(value, out),
        Atom::Real(value) => out.push_str(&real(*value)),
        Atom::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Atom::String(text) => out.push_str(text),
        Atom::Uuid(uuid) => push(uuid, out),
    }
}

fn push(value: &impl std::fmt::Display, out: &mut String) {
    write!(out, "{value}").expect("strings take all that is written");
}

/// The bare form of an atom: strings stand as they are.
pub fn atom_to_bare(atom: &Atom) -> String {
    let mut text = String::new();
    push_bare_atom(atom, &mut text);
    text
}

/// True if a string would be taken for something else without quotes.
fn needs_quotes(text: &str) -> bool {
    let mut bytes = text.bytes();
    let is_word = bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    !is_word || text == "true" || text == "false" || Uuid::parse(text).is_some()
}

/// The string form of a datum of type `ty`, which [`datum_from_string`] reads back.
pub fn datum_to_string(datum: &Datum, ty: &ColumnType) -> String {
    let mut text = String::new();
    push_datum(datum, ty, &mut text);
    text
}

/// Appends the string form of a datum of type `ty`.
pub fn push_datum(datum: &Datum, ty: &ColumnType, out: &mut String) {
    let brackets = match (ty.max > 1 || datum.is_empty(), ty.is_map()) {
        (false, _) => None,
        (true, false) => Some(('[', ']')),
        (true, true) => Some(('{', '}')),
    };
    out.extend(brackets.map(|(open, _)| open));
    push_joined(datum, ", ", push_atom, out);
    out.extend(brackets.map(|(_, close)| close));
}

/// The bare form of a datum: elements apart by a space, without quotes or brackets.
pub fn datum_to_bare(datum: &Datum) -> String {
    let mut text = String::new();
    push_joined(datum, " ", push_bare_atom, &mut text);
    text
}

fn push_joined(datum: &Datum, separator: &str, show: fn(&Atom, &mut String), out: &mut String) {
    for (at, (key, value)) in datum.iter().enumerate() {
        if at > 0 {
            out.push_str(separator);
        }
        show(key, out);
        if let Some(value) = value {
            out.push('=');
            show(value, out);
        }
    }
}

/// Parses the input form of an atom of type `base`, and checks its constraints.
///
/// Where named UUIDs are allowed, `@name` stands for one; its name in `symbols` includes the `@`.
///
/// # Errors
/// Words for people.
pub fn atom_from_string(
    base: &BaseType,
    text: &str,
    symbols: &mut Symbols<'_>,
) -> Result<Atom, String> {
    let atom = match base.kind {
        AtomType::Integer => match integer(text) {
            Some(value) => Atom::Integer(value),
            None => return Err(format!("\"{text}\" is not a valid integer or range")),
        },
        AtomType::Real => match real_from_string(text) {
            // Negative zero is zero, as it is in JSON.
            Some(value) => Atom::Real(if value == 0.0 { 0.0 } else { value }),
            None => return Err(format!("\"{text}\" is not a valid real number")),
        },
        AtomType::Boolean => match text {
            "true" | "yes" | "on" | "1" => Atom::Boolean(true),
            "false" | "no" | "off" | "0" => Atom::Boolean(false),
            _ => {
                return Err(format!(
                    "\"{text}\" is not a valid boolean (use \"true\" or \"false\")"
                ));
            }
        },
        AtomType::String => Atom::string(string_from_string(text)?),
        AtomType::Uuid => {
            let named = if text.starts_with('@') {
                symbols.resolve(text)
            } else {
                None
            };
            match named.or_else(|| Uuid::parse(text)) {
                Some(uuid) => Atom::Uuid(uuid),
                None => return Err(format!("\"{text}\" is not a valid UUID")),
            }
        }
    };
    base.check(&atom).map_err(|error| error.to_string())?;
    Ok(atom)
}

/// Parses a range of integers such as `1-10`, both ends included; `None` if `text` is not of that form.
fn range_from_string(base: &BaseType, text: &str) -> Option<Result<RangeInclusive<i64>, String>> {
    if base.kind != AtomType::Integer {
        return None;
    }
    // The first hyphen after a digit parts the ends; one before a digit is a sign.
    let at = text
        .bytes()
        .zip(text.bytes().skip(1))
        .position(|(a, b)| a.is_ascii_digit() && b == b'-')?
        + 1;
    let (start, end) = (integer(&text[..at])?, integer(&text[at + 1..])?);
    Some(check_range(base, text, start, end))
}

fn check_range(
    base: &BaseType,
    text: &str,
    start: i64,
    end: i64,
) -> Result<RangeInclusive<i64>, String> {
    if end < start {
        return Err(format!(
            "\"{text}\" is not a valid range. Range end cannot be before start."
        ));
    }
    let is_too_big = end.abs_diff(start) >= RANGE_MAX;
    let check = |value: i64| {
        base.check(&Atom::Integer(value))
            .map_err(|error| error.to_string())
    };
    check(start)?;
    if base.enum_.is_some() && !is_too_big {
        (start..=end).try_for_each(check)?;
    } else {
        check(end)?;
    }
    if is_too_big {
        return Err(format!(
            "constraint violation: Range \"{start}-{end}\" is too big. Maximum allowed size is {RANGE_MAX}."
        ));
    }
    Ok(start..=end)
}

fn integer(text: &str) -> Option<i64> {
    text.trim_start_matches(is_space).parse().ok()
}

fn real_from_string(text: &str) -> Option<f64> {
    let value: f64 = text.trim_start_matches(is_space).parse().ok()?;
    // An overflow is no number; an infinity is no value that a column could hold.
    value.is_finite().then_some(value)
}

fn string_from_string(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err(
            "An empty string is not valid as input; use \"\" to represent the empty string".into(),
        );
    }
    let Some(rest) = text.strip_prefix('"') else {
        return Ok(text.into());
    };
    let Some(inner) = rest.strip_suffix('"') else {
        return Err(format!("{text}: missing quote at end of quoted string"));
    };
    unescape(inner).map_err(|error| format!("{text}: {error}"))
}

/// Resolves the escapes of JSON in what stands between two quotes.
///
/// # Errors
/// Words for people.
pub fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Err("quoted string may not include unescaped \"".into()),
            '\\' => match chars.next() {
                None => return Err("quoted string may not end with backslash".into()),
                Some(c @ ('"' | '\\' | '/')) => out.push(c),
                Some('b') => out.push('\u{8}'),
                Some('f') => out.push('\u{c}'),
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('t') => out.push('\t'),
                Some('u') => out.push(unicode_escape(&mut chars)?),
                Some(c) => return Err(format!("bad escape \\{c}")),
            },
            c => out.push(c),
        }
    }
    Ok(out)
}

/// Reads what follows `\u`: four digits, and a second escape after the first half of a surrogate pair.
fn unicode_escape(chars: &mut std::str::Chars<'_>) -> Result<char, String> {
    let first = four_digits(chars)?;
    let code = if (0xd800..0xdc00).contains(&first) {
        if !chars.as_str().starts_with("\\u") {
            return Err("malformed escaped surrogate pair".into());
        }
        chars.nth(1);
        let second = four_digits(chars)?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err("second half of escaped surrogate pair is not trailing surrogate".into());
        }
        0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
    } else {
        first
    };
    char::from_u32(code).ok_or_else(|| "malformed escaped surrogate pair".into())
}

fn four_digits(chars: &mut std::str::Chars<'_>) -> Result<u32, String> {
    let Some(digits) = chars.as_str().get(..4) else {
        return Err("quoted string ends within \\u escape".into());
    };
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let Some(value) = u32::from_str_radix(digits, 16).ok().filter(|_| is_hex) else {
        return Err("malformed \\u escape".into());
    };
    if value == 0 {
        return Err("null bytes not supported in quoted strings".into());
    }
    chars.nth(3);
    Ok(value)
}

const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

const fn is_delimiter(c: char) -> bool {
    matches!(
        c,
        ':' | '=' | ',' | ' ' | '[' | ']' | '{' | '}' | '!' | '<' | '>'
    )
}

/// Takes a token from the beginning of `text`: everything up to a delimiter. Gives the token and what follows it.
///
/// Delimiters do not count after a backslash, which is dropped, nor inside double quotes, which are kept.
///
/// # Errors
/// Words for people.
pub fn token(text: &str) -> Result<(String, &str), String> {
    let mut out = String::new();
    let mut in_quotes = false;
    let mut chars = text.char_indices();
    let mut rest = "";
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                if in_quotes {
                    out.push('\\');
                }
                match chars.next() {
                    Some((_, c)) => out.push(c),
                    None => return Err(format!("{text}: backslash at end of argument")),
                }
            }
            c if !in_quotes && is_delimiter(c) => {
                rest = &text[at..];
                break;
            }
            c => {
                out.push(c);
                in_quotes ^= c == '"';
            }
        }
    }
    if in_quotes {
        return Err(format!(
            "{text}: quoted string extends past end of argument"
        ));
    }
    Ok((out, rest))
}

/// Parses the input form of a datum of type `ty`: atoms, or pairs `key=value` of a map, apart by spaces or commas, with
/// or without brackets around them; nothing at all needs the brackets. A set of integers may hold ranges.
///
/// # Errors
/// Words for people.
pub fn datum_from_string(
    ty: &ColumnType,
    text: &str,
    symbols: &mut Symbols<'_>,
) -> Result<Datum, String> {
    let (open, close) = if ty.is_map() { ('{', '}') } else { ('[', ']') };
    let mut rest = text.trim_start_matches(is_space);
    if rest.is_empty() {
        let class = if ty.is_map() { "map" } else { "set" };
        return Err(format!(
            "use \"{open}{close}\" to specify the empty {class}"
        ));
    }
    let bracketed = rest.strip_prefix(open);
    if let Some(inner) = bracketed {
        rest = inner.trim_start_matches(is_space);
    }

    let (mut keys, mut values) = (Vec::new(), Vec::new());
    while let Some(first) = rest
        .chars()
        .next()
        .filter(|&first| bracketed.is_none() || first != close)
    {
        if is_delimiter(first) {
            return Err(format!("{text}: unexpected \"{first}\" parsing {ty}"));
        }
        rest = elements_from_string(ty, rest, symbols, &mut keys, &mut values)?
            .trim_start_matches(is_space);
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_start_matches(is_space);
        }
    }
    if bracketed.is_some() {
        let Some(after) = rest.strip_prefix(close) else {
            return Err(format!("{text}: missing \"{close}\" at end of data"));
        };
        if !after.trim_start_matches(is_space).is_empty() {
            return Err(format!("{text}: trailing garbage after \"{close}\""));
        }
    }

    let n = keys.len();
    let what = if ty.is_map() { "pair(s)" } else { "value(s)" };
    if n < ty.min as usize {
        return Err(format!(
            "{text}: {n} {what} specified but the minimum number is {}",
            ty.min
        ));
    }
    if ty.max != UNLIMITED && n > ty.max as usize {
        return Err(format!(
            "{text}: {n} {what} specified but the maximum number is {}",
            ty.max
        ));
    }
    let datum = if ty.is_map() {
        Datum::from_pairs(keys.into_iter().zip(values))
    } else {
        Datum::from_atoms(keys)
    };
    match (datum.len() == n, ty.is_map()) {
        (true, _) => Ok(datum),
        (false, true) => Err(format!("{text}: map contains duplicate key")),
        (false, false) => Err(format!("{text}: set contains duplicate value")),
    }
}

/// Reads one atom, range or pair from the beginning of `text`, and gives what follows it.
fn elements_from_string<'t>(
    ty: &ColumnType,
    text: &'t str,
    symbols: &mut Symbols<'_>,
    keys: &mut Vec<Atom>,
    values: &mut Vec<Atom>,
) -> Result<&'t str, String> {
    let (key, rest) = token(text)?;
    let Some(base) = &ty.value else {
        match range_from_string(&ty.key, &key) {
            Some(range) => keys.extend(range?.map(Atom::Integer)),
            None => keys.push(atom_from_string(&ty.key, &key, symbols)?),
        }
        return Ok(rest);
    };
    keys.push(atom_from_string(&ty.key, &key, symbols)?);
    let rest = rest.trim_start_matches(is_space);
    let Some(after) = rest.strip_prefix('=') else {
        let found = rest.chars().next().map(String::from).unwrap_or_default();
        return Err(format!(
            "{text}: syntax error at \"{found}\" expecting \"=\""
        ));
    };
    let (value, rest) = token(after.trim_start_matches(is_space))?;
    values.push(atom_from_string(base, &value, symbols)?);
    Ok(rest)
}

#[cfg(test)]
mod tests;
