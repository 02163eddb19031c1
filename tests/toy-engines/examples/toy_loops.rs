//! Never ends to describe itself.

use toy_engines::{TOY, Toy};

toy_engines::toy!(Toy { in_describe: crate::forever, ..TOY });

fn forever() {
    loop {
        std::hint::black_box(());
    }
}
