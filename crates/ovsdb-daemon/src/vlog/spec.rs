//! The grammar of `-v` and `vlog/set`: `[MODULE][:DESTINATION][:LEVEL]` in any order, `PATTERN:...`, `FACILITY:...`.

use super::facility;
use super::level::{Destination, Level};
use super::shared::Shared;

/// Why a specification is refused, in the words that scripts and tests compare.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// `PATTERN` stands alone.
    #[error("missing destination")]
    MissingDestination,
    /// `PATTERN` is followed by no destination.
    #[error("unknown destination \"{0}\"")]
    UnknownDestination(String),
    /// `FACILITY` is followed by no facility.
    #[error("invalid facility")]
    InvalidFacility,
    /// Two destinations.
    #[error("cannot specify multiple destinations")]
    MultipleDestinations,
    /// Two levels.
    #[error("cannot specify multiple levels")]
    MultipleLevels,
    /// Two modules.
    #[error("cannot specify multiple modules")]
    MultipleModules,
    /// A word that is none of the three.
    #[error("no destination, level, or module \"{0}\"")]
    Unknown(String),
}

/// Takes the next word off `rest`, and the one separator behind it.
fn word<'a>(rest: &mut &'a str) -> Option<&'a str> {
    const SEPARATORS: [char; 4] = [' ', ',', ':', '\t'];
    let text = rest.trim_start_matches(SEPARATORS);
    if text.is_empty() {
        *rest = "";
        return None;
    }
    let end = text.find(SEPARATORS).unwrap_or(text.len());
    *rest = text.get(end + 1..).unwrap_or("");
    Some(&text[..end])
}

/// `None` stands for all destinations.
fn destination_or_any(name: &str) -> Result<Option<Destination>, SpecError> {
    if name.eq_ignore_ascii_case("ANY") {
        return Ok(None);
    }
    Destination::from_name(name)
        .map(Some)
        .ok_or_else(|| SpecError::UnknownDestination(name.to_owned()))
}

pub(super) fn apply(shared: &Shared, spec: &str) -> Result<(), SpecError> {
    let mut rest = spec;
    let mut next = word(&mut rest);
    if next.is_some_and(|word| word.eq_ignore_ascii_case("PATTERN")) {
        let name = word(&mut rest).ok_or(SpecError::MissingDestination)?;
        shared.set_pattern(destination_or_any(name)?, rest);
        return Ok(());
    }
    if next.is_some_and(|word| word.eq_ignore_ascii_case("FACILITY")) {
        shared.set_facility(facility::code(rest).ok_or(SpecError::InvalidFacility)?);
        return Ok(());
    }
    let (mut module, mut level, mut destination) = (None, None, None);
    while let Some(name) = next {
        if name.eq_ignore_ascii_case("ANY") {
            // Stands for whatever is not named.
        } else if let Some(found) = Destination::from_name(name) {
            if destination.replace(found).is_some() {
                return Err(SpecError::MultipleDestinations);
            }
        } else if let Some(found) = Level::from_name(name) {
            if level.replace(found).is_some() {
                return Err(SpecError::MultipleLevels);
            }
        } else if let Some(found) = shared.find_module(name) {
            if module.replace(found).is_some() {
                return Err(SpecError::MultipleModules);
            }
        } else {
            return Err(SpecError::Unknown(name.to_owned()));
        }
        next = word(&mut rest);
    }
    shared.set_levels(module.as_deref(), destination, level.unwrap_or(Level::Dbg));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Applies `spec` to fresh settings and shows what module `jsonrpc` and module `raft` log at
    /// (console, syslog, file) afterwards.
    fn check(spec: &str, expect: &str) {
        let shared = Shared::new();
        let shown = match apply(&shared, spec) {
            Ok(()) => {
                let show = |name: &str| {
                    let module = shared.find_module(name).expect("a known module");
                    [Destination::Console, Destination::Syslog, Destination::File]
                        .map(|destination| module.level(destination).name())
                        .join(",")
                };
                format!("{} {}", show("jsonrpc"), show("raft"))
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expect, "{spec}");
    }

    #[test]
    fn words_may_come_in_any_order_and_be_left_out() {
        check("", "DBG,DBG,DBG DBG,DBG,DBG");
        check("jsonrpc", "DBG,DBG,DBG INFO,INFO,INFO");
        check("jsonrpc:file:warn", "INFO,INFO,WARN INFO,INFO,INFO");
        check("warn:JSONRPC", "WARN,WARN,WARN INFO,INFO,INFO");
        check("console:off", "OFF,INFO,INFO OFF,INFO,INFO");
        check("console emer", "EMER,INFO,INFO EMER,INFO,INFO");
        check("any,syslog,err", "INFO,ERR,INFO INFO,ERR,INFO");
        check("ANY:ANY:info", "INFO,INFO,INFO INFO,INFO,INFO");
        check("::file::off", "INFO,INFO,OFF INFO,INFO,OFF");
        check("console", "DBG,INFO,INFO DBG,INFO,INFO");
    }

    #[test]
    fn wrong_words_are_refused() {
        check("nonsense", "no destination, level, or module \"nonsense\"");
        check("jsonrpc:raft", "cannot specify multiple modules");
        check("info:dbg", "cannot specify multiple levels");
        check("file:console", "cannot specify multiple destinations");
        check("PATTERN", "missing destination");
        check("PATTERN:x:%m", "unknown destination \"x\"");
        check("FACILITY:nonsense", "invalid facility");
        check("FACILITY", "invalid facility");
    }

    #[test]
    fn patterns_keep_their_separators() {
        for (spec, expect) in [
            ("PATTERN:console:%c: %m", "%c: %m"),
            ("pattern,CONSOLE,a,b", "a,b"),
            ("PATTERN:any:%m", "%m"),
            ("PATTERN:console", ""),
        ] {
            let shared = Shared::new();
            apply(&shared, spec).expect("a valid specification");
            assert_eq!(shared.pattern_text(Destination::Console), expect, "{spec}");
        }
    }

    #[test]
    fn the_facility_is_kept() {
        let shared = Shared::new();
        apply(&shared, "FACILITY:local3").expect("a valid specification");
        assert_eq!(shared.facility(), 19 << 3);
    }
}
