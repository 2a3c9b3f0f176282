//! A run over models of Clinch and of what a sink and a store keep, with shifting lists, faults and kills.

mod absence;
mod bounds;
mod drift;
mod kills;
mod model;
