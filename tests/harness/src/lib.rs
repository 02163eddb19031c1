//! What the scenarios run on: three drivers, the OpenBao launcher, the fake server side.
