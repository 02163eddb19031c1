//! Wants one of its paths to need no token.

use toy_engines::{TOY, Toy};

toy_engines::toy!(Toy { unauthenticated: &["version"], ..TOY });
