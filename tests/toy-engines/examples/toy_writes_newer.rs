//! Writes storage that the engine of before cannot read.

use toy_engines::{TOY, Toy};

toy_engines::toy!(Toy { storage_versions: (2, 1), ..TOY });
