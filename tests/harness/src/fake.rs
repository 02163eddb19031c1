//! The fake server, which the native, the component and the played driver have in place of a real one. It routes,
//! leases and maps errors as the real one does, and can fail at any storage call.

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
#[cfg(feature = "component")]
mod played_vault;

pub use clock::FakeClock;
#[cfg(feature = "component")]
pub use component::{ComponentDriver, precompiled_component};
pub use native::NativeDriver;
#[cfg(feature = "component")]
pub use played_vault::PlayedVault;
pub use server::{Fake, FakeOptions};
pub use storage::{FAULT_TEXT, FakeStorage, READ_ONLY_TEXT, StorageFault, Traffic};
