//! Hosts and ports as `tcp:` and `ptcp:` write them: `HOST[:PORT]` and `[PORT][:HOST]`.
//!
//! Parsing is pure; only [`InetTarget::resolve`] asks the resolver.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::error::MethodError;

/// A host and a port, not yet resolved.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InetTarget {
    /// `None` stands for every IPv4 address (passive methods only).
    pub host: Option<Host>,
    /// `0` lets the kernel choose (passive methods).
    pub port: u16,
}

/// A host as written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Host {
    /// A numeric address, with the zone of a link-local IPv6 address if there is one.
    Ip(IpAddr, Option<String>),
    /// A name for the resolver.
    Name(String),
}

impl InetTarget {
    /// Parses `HOST[:PORT]`. An IPv6 address may stand in brackets; without brackets it takes no port.
    ///
    /// # Errors
    /// See [`MethodError`].
    pub fn parse_active(target: &str, default_port: u16) -> Result<Self, MethodError> {
        let (host, port) = tokens(target);
        if host.is_none_or(str::is_empty) {
            return Err(MethodError::NoHost {
                target: target.to_owned(),
            });
        }
        Self::from_parts(target, host, port, default_port)
    }

    /// Parses `[PORT][:HOST]`. Without a host, every IPv4 address is meant.
    ///
    /// # Errors
    /// See [`MethodError`].
    pub fn parse_passive(target: &str, default_port: u16) -> Result<Self, MethodError> {
        let (port, host) = match tokens(target) {
            // Several colons outside brackets: all of it is one IPv6 address, whichever side the port would be on.
            (Some(all), None) if all.matches(':').count() > 1 && !target.starts_with('[') => {
                (None, Some(all))
            }
            other => other,
        };
        Self::from_parts(target, host.filter(|h| !h.is_empty()), port, default_port)
    }

    fn from_parts(
        target: &str,
        host: Option<&str>,
        port: Option<&str>,
        default_port: u16,
    ) -> Result<Self, MethodError> {
        let port = match port {
            None | Some("") => default_port,
            Some(text) => text.parse().map_err(|_| MethodError::BadPort {
                target: target.to_owned(),
                port: text.to_owned(),
            })?,
        };
        let host = match host {
            None => None,
            Some(text) if text.contains(':') => {
                let (address, zone) = match text.split_once('%') {
                    Some((address, zone)) if !zone.is_empty() => (address, Some(zone.to_owned())),
                    Some((address, _)) => (address, None),
                    None => (text, None),
                };
                let address: Ipv6Addr = address.parse().map_err(|_| MethodError::BadAddress {
                    target: target.to_owned(),
                    host: text.to_owned(),
                })?;
                Some(Host::Ip(IpAddr::V6(address), zone))
            }
            Some(text) => Some(match text.parse::<Ipv4Addr>() {
                Ok(address) => Host::Ip(IpAddr::V4(address), None),
                Err(_) => Host::Name(text.to_owned()),
            }),
        };
        Ok(Self { host, port })
    }

    /// The socket address if the host is numeric, for callers that cannot wait for a resolver.
    #[must_use]
    pub fn numeric(&self) -> Option<SocketAddr> {
        match &self.host {
            None => Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, self.port))),
            Some(Host::Ip(address, None)) => Some(SocketAddr::new(*address, self.port)),
            Some(Host::Ip(_, Some(_)) | Host::Name(_)) => None,
        }
    }

    /// The socket address, asking the resolver if the host is a name.
    ///
    /// # Errors
    /// What the resolver or the interface table says; `NotFound` if the name has no address.
    pub async fn resolve(&self) -> io::Result<SocketAddr> {
        match &self.host {
            None => Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, self.port))),
            Some(Host::Ip(IpAddr::V6(address), Some(zone))) => {
                let scope = match zone.parse::<u32>() {
                    Ok(number) => number,
                    Err(_) => interface_index(zone)?,
                };
                Ok(SocketAddr::V6(SocketAddrV6::new(
                    *address, self.port, 0, scope,
                )))
            }
            Some(Host::Ip(address, _)) => Ok(SocketAddr::new(*address, self.port)),
            Some(Host::Name(name)) => tokio::net::lookup_host((name.as_str(), self.port))
                .await?
                .next()
                .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "name has no address")),
        }
    }
}

fn interface_index(name: &str) -> io::Result<u32> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
    Ok(rustix::net::netdevice::name_to_index(&socket, name)?)
}

/// Splits at the only colon outside brackets. With more than one, all of it is the first token.
fn tokens(text: &str) -> (Option<&str>, Option<&str>) {
    let mut in_brackets = false;
    let mut colons = text.char_indices().filter(|&(_, c)| {
        match c {
            '[' => in_brackets = true,
            ']' => in_brackets = false,
            _ => {}
        }
        c == ':' && !in_brackets
    });
    match (colons.next(), colons.next()) {
        (Some((at, _)), None) => (
            Some(unbracket(&text[..at])),
            Some(unbracket(&text[at + 1..])),
        ),
        (Some(_), Some(_)) => (Some(text), None),
        (None, _) => (Some(unbracket(text)), None),
    }
}

fn unbracket(text: &str) -> &str {
    text.strip_prefix('[')
        .map_or(text, |inner| inner.strip_suffix(']').unwrap_or(inner))
}

/// An address as peer names show it: IPv6 in brackets, with its zone.
pub(crate) fn format_ip(address: &SocketAddr) -> String {
    match address {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) if v6.scope_id() != 0 => {
            format!("[{}%{}]", v6.ip(), zone_name(v6.scope_id()))
        }
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    }
}

fn zone_name(index: u32) -> String {
    socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)
        .ok()
        .and_then(|socket| rustix::net::netdevice::index_to_name(&socket, index).ok())
        .unwrap_or_else(|| index.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(parsed: Result<InetTarget, MethodError>) -> String {
        match parsed {
            Ok(InetTarget { host: None, port }) => format!("* {port}"),
            Ok(InetTarget {
                host: Some(Host::Name(name)),
                port,
            }) => format!("name {name} {port}"),
            Ok(InetTarget {
                host: Some(Host::Ip(ip, None)),
                port,
            }) => format!("{ip} {port}"),
            Ok(InetTarget {
                host: Some(Host::Ip(ip, Some(zone))),
                port,
            }) => format!("{ip}%{zone} {port}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn active_targets_are_host_then_port() {
        let cases = [
            ("127.0.0.1:1234", "127.0.0.1 1234"),
            ("127.0.0.1", "127.0.0.1 6640"),
            ("127.0.0.1:", "127.0.0.1 6640"),
            ("[::1]:80", "::1 80"),
            ("[::1]", "::1 6640"),
            ("::1", "::1 6640"),
            ("::1:2:3:4:80", "::1:2:3:4:80 6640"),
            ("[fe80::1%eth0]:1", "fe80::1%eth0 1"),
            ("[fe80::1%3]:1", "fe80::1%3 1"),
            ("db.example.org:1", "name db.example.org 1"),
            ("", ": host must be specified"),
            (":80", ":80: host must be specified"),
            ("127.0.0.1:x", "127.0.0.1:x: bad port number \"x\""),
            (
                "127.0.0.1:65536",
                "127.0.0.1:65536: bad port number \"65536\"",
            ),
            ("[::z]:1", "[::z]:1: bad IP address \"::z\""),
        ];
        for (input, expect) in cases {
            assert_eq!(
                show(InetTarget::parse_active(input, 6640)),
                expect,
                "{input}"
            );
        }
    }

    #[test]
    fn passive_targets_are_port_then_host() {
        let cases = [
            ("", "* 6640"),
            ("0", "* 0"),
            ("6641", "* 6641"),
            ("6641:127.0.0.1", "127.0.0.1 6641"),
            (":127.0.0.1", "127.0.0.1 6640"),
            ("6641:", "* 6641"),
            ("6641:[::1]", "::1 6641"),
            ("::1", "::1 6640"),
            ("6641:localhost", "name localhost 6641"),
            ("127.0.0.1", "127.0.0.1: bad port number \"127.0.0.1\""),
            ("[::1]", "[::1]: bad port number \"::1\""),
            ("-1", "-1: bad port number \"-1\""),
        ];
        for (input, expect) in cases {
            assert_eq!(
                show(InetTarget::parse_passive(input, 6640)),
                expect,
                "{input}"
            );
        }
    }

    #[test]
    fn addresses_are_shown_as_peer_names() {
        for (input, expect) in [("127.0.0.1:5", "127.0.0.1"), ("[::1]:5", "[::1]")] {
            let address: SocketAddr = input.parse().expect("a literal of this table");
            assert_eq!(format_ip(&address), expect);
        }
    }
}
