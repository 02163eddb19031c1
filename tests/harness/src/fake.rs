//! The fake side of the server: what the native and the component driver have
//! in place of a real one. It routes, leases and maps errors as the real one
//! does, and can be made to fail at any storage call.

mod clock;
mod lease;
mod server;
mod storage;

mod native;
mod native_host;

#[cfg(feature = "component")]
mod component;
#[cfg(feature = "component")]
mod component_storage;
#[cfg(feature = "component")]
mod log_capture;

pub use clock::FakeClock;
#[cfg(feature = "component")]
pub use component::{ComponentDriver, precompiled_component};
pub use native::NativeDriver;
pub use server::{Fake, FakeOptions};
pub use storage::{FAULT_TEXT, FakeStorage, READ_ONLY_TEXT, StorageFault};
