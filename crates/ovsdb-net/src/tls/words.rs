//! What the logs say of failed handshakes: the words of OpenSSL, which operators of Open vSwitch search for.
//!
//! Nothing decides by these words.

use rustls::{AlertDescription, Error, InvalidMessage, PeerIncompatible};

/// The words for an error of a handshake or of a connection; `head` is what the peer sent first.
pub(super) fn of(error: &Error, head: &[u8]) -> String {
    let (reason, text) = match error {
        Error::InvalidCertificate(_) => (0x86, "certificate verify failed"),
        Error::NoCertificatesPresented => (0xc7, "peer did not return a certificate"),
        Error::AlertReceived(alert) => return of_alert(*alert),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::SupportedVersionsExtensionRequired
            // What is older than TLS 1.2 has none.
            | PeerIncompatible::SignatureAlgorithmsExtensionRequired
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled,
        ) => (0x102, "unsupported protocol"),
        Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon) => {
            (0xc1, "no shared cipher")
        }
        Error::PeerIncompatible(PeerIncompatible::NoKxGroupsInCommon) => {
            (0x65, "no suitable key share")
        }
        Error::PeerIncompatible(PeerIncompatible::NoSignatureSchemesInCommon) => {
            (0x76, "no suitable signature algorithm")
        }
        Error::InvalidMessage(_) if is_http(head) => (0x9c, "http request"),
        Error::InvalidMessage(
            InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::InvalidContentType
            | InvalidMessage::MessageTooLarge
            | InvalidMessage::InvalidEmptyPayload,
        ) => (0x10b, "wrong version number"),
        Error::DecryptError => (0x119, "decryption failed or bad record mac"),
        other => return other.to_string(),
    };
    format!("error:0A{reason:06X}:SSL routines::{text}")
}

fn is_http(head: &[u8]) -> bool {
    [&b"GET "[..], b"POST", b"HEAD", b"PUT "]
        .iter()
        .any(|method| head.starts_with(method))
}

/// Alerts have reason codes from 1,000 on.
fn of_alert(alert: AlertDescription) -> String {
    let number = u8::from(alert);
    let text = match alert {
        AlertDescription::UnexpectedMessage => "sslv3 alert unexpected message",
        AlertDescription::BadRecordMac => "sslv3 alert bad record mac",
        AlertDescription::HandshakeFailure => "sslv3 alert handshake failure",
        AlertDescription::BadCertificate => "sslv3 alert bad certificate",
        AlertDescription::UnsupportedCertificate => "sslv3 alert unsupported certificate",
        AlertDescription::CertificateRevoked => "sslv3 alert certificate revoked",
        AlertDescription::CertificateExpired => "sslv3 alert certificate expired",
        AlertDescription::CertificateUnknown => "sslv3 alert certificate unknown",
        AlertDescription::IllegalParameter => "sslv3 alert illegal parameter",
        AlertDescription::UnknownCA => "tlsv1 alert unknown ca",
        AlertDescription::AccessDenied => "tlsv1 alert access denied",
        AlertDescription::DecodeError => "tlsv1 alert decode error",
        AlertDescription::DecryptError => "tlsv1 alert decrypt error",
        AlertDescription::ProtocolVersion => "tlsv1 alert protocol version",
        AlertDescription::InsufficientSecurity => "tlsv1 alert insufficient security",
        AlertDescription::InternalError => "tlsv1 alert internal error",
        AlertDescription::UserCanceled => "tlsv1 alert user cancelled",
        AlertDescription::MissingExtension => "tlsv13 alert missing extension",
        AlertDescription::UnrecognisedName => "tlsv1 unrecognized name",
        AlertDescription::CertificateRequired => "tlsv13 alert certificate required",
        AlertDescription::NoApplicationProtocol => "tlsv1 alert no application protocol",
        _ => "reason(unknown)",
    };
    let code = 0x0a00_0000 + 1000 + u32::from(number);
    format!("error:{code:08X}:SSL routines::{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: &Error, head: &[u8], expected: &str) {
        assert_eq!(of(error, head), expected, "{error:?}");
    }

    #[test]
    fn errors_have_the_words_that_operators_search_for() {
        check(
            &Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer),
            b"",
            "error:0A000086:SSL routines::certificate verify failed",
        );
        check(
            &Error::NoCertificatesPresented,
            b"",
            "error:0A0000C7:SSL routines::peer did not return a certificate",
        );
        check(
            &Error::AlertReceived(AlertDescription::UnknownCA),
            b"",
            "error:0A000418:SSL routines::tlsv1 alert unknown ca",
        );
        check(
            &Error::AlertReceived(AlertDescription::CertificateRequired),
            b"",
            "error:0A00045C:SSL routines::tlsv13 alert certificate required",
        );
        check(
            &Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered),
            b"",
            "error:0A000102:SSL routines::unsupported protocol",
        );
        let garbage = Error::InvalidMessage(InvalidMessage::InvalidContentType);
        check(
            &garbage,
            b"{\"id\"",
            "error:0A00010B:SSL routines::wrong version number",
        );
        check(
            &garbage,
            b"GET / HTTP/1.0",
            "error:0A00009C:SSL routines::http request",
        );
    }
}
