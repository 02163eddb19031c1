//! Has more of its storage wrapped by the seal, which a server is told at a load only.

use toy_engines::{TOY, Toy};

toy_engines::toy!(Toy { seal_wrapped: &["key/"], ..TOY });
