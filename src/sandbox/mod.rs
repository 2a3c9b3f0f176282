//! clinch-sandbox: an emulator of the Clinch API for tests and the demo.
