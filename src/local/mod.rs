//! The cluster port on a folder of manifests.
