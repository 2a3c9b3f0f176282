//! The port through which reconcile steps see their cluster.
