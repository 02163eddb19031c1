//! Never ends to be instantiated: the loop is in what runs before any export is called.

toy_engines::toy!(toy_engines::TOY);

#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "the name is what makes it run at the start")]
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    loop {
        std::hint::black_box(());
    }
}
