//! What whoever runs tests says by environment variables: how much, and from where on.

/// The number in a variable, if it is set.
///
/// # Panics
/// It is set to something else.
pub fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name}={text} is no number")))
}
