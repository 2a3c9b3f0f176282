//! The field mapping engine. Pure: no I/O, no clock.
