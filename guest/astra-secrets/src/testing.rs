//! What tests of the engine share: a fake Astra, and a mount that uses it.
