//! Pure arithmetic on status conditions.
