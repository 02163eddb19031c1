//! The Astra secrets engine on the framework: configs, roles, tokens.
