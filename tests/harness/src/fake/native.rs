//! The native driver: the engine in this process.

use std::sync::Arc;

use secrets_framework::{Error, Request, Response};

use super::native_host::{NativeHost, Outside};
use super::server::{EngineCalls, FakeServer};
use super::{Fake, FakeOptions};
use crate::{Driver, DriverKind};

/// Makes native drivers.
pub struct NativeDriver;

impl NativeDriver {
    /// A fresh mount.
    pub fn mount(options: FakeOptions, backend_uuid: &str) -> Arc<dyn Driver> {
        let engine = NativeEngine { outside: Outside::new(&options, backend_uuid) };
        Arc::new(FakeServer { fake: Fake::new(options, backend_uuid.to_owned()), engine })
    }
}

struct NativeEngine {
    outside: Outside,
}

impl EngineCalls for NativeEngine {
    const KIND: DriverKind = DriverKind::Native;

    fn handle(&self, fake: &Fake, request: Request) -> Result<Option<Response>, Error> {
        self.outside.system_view.set_upstream_read_only(fake.is_upstream_read_only());
        astra_secrets::BACKEND.handle(&NativeHost { outside: &self.outside, fake }, &request)
    }

    fn check_existence(&self, fake: &Fake, request: Request) -> Option<bool> {
        astra_secrets::BACKEND.check_existence(&NativeHost { outside: &self.outside, fake }, &request)
    }

    fn logs(&self) -> String {
        self.outside.log.text()
    }
}
