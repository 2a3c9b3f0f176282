//! The cluster port on the Kubernetes API.
