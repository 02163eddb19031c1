//! No misbehaviour: every good version.

toy_engines::toy!(toy_engines::TOY);
