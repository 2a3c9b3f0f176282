//! One module per kind; five steps each.
