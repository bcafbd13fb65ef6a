//! Peers that fall silent.

mod support;

use support::{Client, Fixture};

#[test]
fn a_silent_peer_is_probed_and_given_up_unless_it_answers() {
    let fixture = Fixture::new(&["D"]);
    let (path, _remotes) = fixture.probing_remote();

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
