//! What certificates say of those who bear them: common name, subject on one line, fingerprint.
//!
//! Nothing here decides whom to believe.

use std::fmt::Write as _;

use sha1::{Digest, Sha1};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

/// The first common name of a certificate's subject. One with a NUL character is none: where it ends is a matter of
/// opinion, and permissions hang on it.
pub(super) fn common_name(certificate: &[u8]) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let first = parsed.subject().iter_common_name().next()?;
    let name = first.as_str().ok()?;
    (!name.contains('\0')).then(|| name.to_owned())
}

/// The subject as `/C=US/O=Open vSwitch/CN=name`.
pub(super) fn subject(certificate: &X509Certificate<'_>) -> String {
    one_line(certificate.subject())
}

fn one_line(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    for attribute in name.iter_attributes() {
        let id = attribute.attr_type().to_id_string();
        let short = SHORT_NAMES.iter().find(|(oid, _)| *oid == id);
        let _ = write!(text, "/{}=", short.map_or(id.as_str(), |(_, name)| *name));
        for &byte in attribute.attr_value().data {
            if (b' '..=b'~').contains(&byte) {
                text.push(char::from(byte));
            } else {
                let _ = write!(text, "\\x{byte:02X}");
            }
        }
    }
    text
}

const SHORT_NAMES: [(&str, &str); 12] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.42", "GN"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("0.9.2342.19200300.100.1.25", "DC"),
];

/// The SHA-1 digest of a certificate: `0a:1b:...`.
pub(super) fn fingerprint(certificate: &[u8]) -> String {
    let digest = Sha1::digest(certificate);
    let bytes: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(":")
}
