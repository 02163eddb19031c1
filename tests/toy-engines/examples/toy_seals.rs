//! Keeps passwords, and declares that they are secret, in a few lines.

use toy_engines::{TOY, Toy, passwords};

toy_engines::toy!(Toy { secrets: passwords, ..TOY });
