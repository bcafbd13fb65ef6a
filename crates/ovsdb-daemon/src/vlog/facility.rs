//! Facilities of syslog, by the names of RFC 5424.

/// The code of `daemon`, which is used until another facility is set.
pub(super) const DAEMON: u32 = 3 << 3;

/// The code of `local0`, which `%B` shows until another facility is set.
pub(super) const LOCAL0: u32 = 16 << 3;

/// Names and numbers; the code is the number times eight.
const FACILITIES: [(&str, u32); 23] = [
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("clock", 9),
    ("ftp", 11),
    ("ntp", 12),
    ("audit", 13),
    ("alert", 14),
    ("clock2", 15),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

/// The code of a facility, by its name in any case.
pub(super) fn code(name: &str) -> Option<u32> {
    FACILITIES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, number)| number << 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facilities_have_the_codes_of_the_c_library() {
        let cases = [
            ("kern", Some(0)),
            ("USER", Some(8)),
            ("daemon", Some(DAEMON)),
            ("clock", Some(72)),
            ("ftp", Some(88)),
            ("ntp", Some(96)),
            ("clock2", Some(120)),
            ("local0", Some(LOCAL0)),
            ("local7", Some(184)),
            ("", None),
            ("nonsense", None),
        ];
        for (name, expect) in cases {
            assert_eq!(code(name), expect, "{name}");
        }
    }
}
