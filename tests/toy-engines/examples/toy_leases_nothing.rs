//! No longer knows a kind of secret that leases of it are alive.

use toy_engines::{TOY, Toy};

toy_engines::toy!(Toy { secret_kinds: &[], ..TOY });
