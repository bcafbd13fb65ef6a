//! Peers that fall silent.

mod support;

use std::collections::BTreeMap;

use ovsdb_server::remotes::{RemoteOptions, Remotes};
use support::{Client, Fixture};

#[test]
fn a_silent_peer_is_probed_and_given_up_unless_it_answers() {
    let fixture = Fixture::new(&["D"]);
    let path = fixture.path("probed").with_extension("sock");
    let options = RemoteOptions {
        // The shortest interval there is.
        probe_interval_ms: 1000,
        ..RemoteOptions::default()
    };
    let wanted = BTreeMap::from([(format!("punix:{}", path.display()), options)]);
    let mut remotes = Remotes::new(fixture.server.clone());
    fixture.runtime.block_on(remotes.set(&wanted));

    let mut silent = Client::connect(&path);
    let mut polite = Client::connect(&path);
    let probe = r#"{"id":"echo","method":"echo","params":[]}"#;
    assert_eq!(polite.next(), probe);
    polite
        .raw
        .send(br#"{"id":"echo","result":[],"error":null}"#)
        .expect("the server reads");
    assert_eq!(silent.next(), probe);
    assert_eq!(silent.next(), "end");
    assert_eq!(polite.next(), probe);
}
