//! Values that an operator gives for one engine.

use std::fmt::Display;
use std::str::FromStr;

use thiserror::Error;

use crate::identity::{IdError, check_engine_name};

/// A value for one engine: `ENGINE=VALUE`. `VALUE` alone is for the engine of the embedded module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scoped<T> {
    /// `None` stands for the engine of the embedded module.
    pub engine: Option<String>,
    /// The value for that engine.
    pub value: T,
}

/// The text is not such a value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScopeError {
    /// The text before the `=` cannot be the name of an engine.
    #[error("{0}")]
    Engine(#[from] IdError),
    /// The value is wrong.
    #[error("{0}")]
    Value(String),
}

impl<T> Scoped<T> {
    /// The engine that the value is for, if the plugin carries `embedded`.
    #[must_use]
    pub fn engine<'a>(&'a self, embedded: &'a str) -> &'a str {
        self.engine.as_deref().unwrap_or(embedded)
    }
}

impl<T: FromStr<Err: Display>> FromStr for Scoped<T> {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let (engine, value) = match text.split_once('=') {
            // A key in base64 ends with `=`, and a key and an origin have a `:` before each `=`.
            Some((engine, value)) if !engine.contains(':') => (Some(engine), value),
            _ => (None, text),
        };
        engine.map_or(Ok(()), check_engine_name)?;
        let value = value.parse().map_err(|error: T::Err| ScopeError::Value(error.to_string()))?;
        Ok(Self { engine: engine.map(ToOwned::to_owned), value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Digest, PublicKey};

    const KEY: &str = "ed25519:Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";

    #[test]
    fn a_value_is_for_the_engine_before_it_or_for_the_embedded_one() {
        let key = KEY.parse::<PublicKey>().ok();
        let parsed = |text: &str| text.parse::<Scoped<PublicKey>>().ok();
        assert_eq!(parsed(KEY).map(|scoped| scoped.engine), Some(None));
        let named = parsed(&format!("toy={KEY}"));
        assert_eq!(named.as_ref().map(|scoped| scoped.engine("astra")), Some("toy"));
        assert_eq!(named.map(|scoped| scoped.value), key);
        assert_eq!(parsed(KEY).map(|scoped| scoped.engine("astra").to_owned()).as_deref(), Some("astra"));
        assert_eq!("toy=2".parse(), Ok(Scoped { engine: Some("toy".to_owned()), value: 2_usize }));
        assert_eq!("2".parse(), Ok(Scoped { engine: None, value: 2_usize }));
    }

    #[test]
    fn a_scoped_value_with_a_mistake_is_refused_with_its_reason() {
        let text = |text: &str| match text.parse::<Scoped<Digest>>() {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        assert!(text("Toy=abc").contains("engine `Toy`"), "{}", text("Toy=abc"));
        assert!(text("=abc").contains("engine ``"), "{}", text("=abc"));
        assert!(text("toy=abc").contains("`abc` is no SHA-256"), "{}", text("toy=abc"));
        assert!(text("abc").contains("`abc` is no SHA-256"), "{}", text("abc"));
    }
}
