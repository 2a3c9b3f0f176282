//! The custom resource types of clinch.hireez.dev/v1alpha1.
