//! Settings of TLS that may stand in databases: `db:DATABASE,TABLE,COLUMN` (ovsdb-server(1), "Public key infrastructure
//! options").
//!
//! Nothing here opens a file or a connection.

use std::sync::Arc;

use ovsdb_net::{CaFile, TlsSettings};
use ovsdb_proto::atom::{Atom, AtomType};
use ovsdb_proto::schema::TableId;

use crate::database::Served;
use crate::server::Server;
use crate::targets::{self, Target, TargetError};

/// Where each setting comes from: what it says, or the column that does. `None`: it is not set.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsSources {
    /// The file with the private key.
    pub private_key: Option<String>,
    /// The file with its certificate.
    pub certificate: Option<String>,
    /// The file with the certificates of authorities, or `none`.
    pub ca: Option<String>,
    /// Whether that file is to be made from what the first server shows.
    pub bootstraps: bool,
    /// A file with certificates to be shown besides one's own.
    pub peer_ca: Option<String>,
    /// Versions of the protocol.
    pub protocols: Option<String>,
    /// Ciphers of TLS 1.2.
    pub ciphers: Option<String>,
    /// Ciphersuites of TLS 1.3.
    pub ciphersuites: Option<String>,
    /// The name that servers are told.
    pub server_name: Option<String>,
}

/// What [`TlsSources`] say now.
#[derive(Default)]
pub(crate) struct Resolved {
    pub(crate) settings: TlsSettings,
    /// The columns on which it depends.
    pub(crate) tables: Vec<(Arc<Served>, TableId)>,
    pub(crate) errors: Vec<TargetError>,
}

impl TlsSources {
    /// Looks up what the databases say. What they do not say stays as it is.
    pub(crate) fn resolve(&self, server: &Server) -> Resolved {
        let mut resolved = Resolved::default();
        let mut value = |source: &Option<String>| {
            let source = source.as_deref()?;
            if !targets::is_database(source) {
                return Some(source.to_owned());
            }
            match Target::find(server, source).and_then(|target| text_of(source, target)) {
                Ok((target, text)) => {
                    resolved.tables.push((target.database, target.table));
                    text
                }
                Err(error) => {
                    resolved.errors.push(error);
                    None
                }
            }
        };
        let settings = TlsSettings {
            private_key: value(&self.private_key).map(Into::into),
            certificate: value(&self.certificate).map(Into::into),
            ca: value(&self.ca).map(|text| CaFile::from_option(&text, self.bootstraps)),
            peer_ca: value(&self.peer_ca).map(Into::into),
            protocols: value(&self.protocols),
            ciphers: value(&self.ciphers),
            ciphersuites: value(&self.ciphersuites),
            server_name: value(&self.server_name),
        };
        resolved.settings = settings;
        resolved
    }
}

/// The first string of a column that is not empty, by the order of the rows' UUIDs.
fn text_of(name: &str, target: Target) -> Result<(Target, Option<String>), TargetError> {
    let ty = target.ty();
    if ty.key.kind != AtomType::String || ty.value.is_some() {
        let (table, column) = target.names();
        return Err(TargetError::NotStrings {
            name: name.to_owned(),
            table,
            column,
        });
    }
    let version = target.database.version();
    let rows = version.database.table(target.table).iter();
    let texts = rows.flat_map(|row| {
        let strings = row.get(target.column).keys().filter_map(|key| match key {
            Atom::String(text) if !text.is_empty() => Some(text.to_string()),
            _ => None,
        });
        strings.map(|text| (row.uuid(), text)).collect::<Vec<_>>()
    });
    let first = texts.min();
    Ok((target, first.map(|(_, text)| text)))
}
