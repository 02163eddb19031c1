//! A simulator of the Astra DevOps API, with scripted faults.
