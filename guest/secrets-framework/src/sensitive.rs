//! A value that cannot be printed, cloned by accident or left in memory.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// Holds a secret: its `Debug` is redacted, it has no `Display`, `Clone` or
/// `Serialize`, and its memory is zeroed on drop.
pub struct Sensitive<T: Zeroize = String>(Zeroizing<T>);

impl<T: Zeroize> Sensitive<T> {
    /// Takes the value in.
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// Shows the value: each call is a place to review.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_redacted() {
        let secret = Sensitive::new("AstraCS:canary".to_owned());
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(secret.expose(), "AstraCS:canary");
    }
}
