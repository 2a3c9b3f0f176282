//! What is known of each record already pushed.
