//! Cannot read what the engine of before wrote.

use toy_engines::{TOY, Toy};

toy_engines::toy!(Toy { storage_versions: (3, 3), ..TOY });
