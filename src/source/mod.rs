//! Where candidates come from: readers and decoders.
