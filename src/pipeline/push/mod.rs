//! The push to Clinch: compares a source with the ledger, finds out who is in Clinch already, creates
//! and updates people, and keeps the ledger up to date. Works over the trait [`Crm`].

mod aftermath;
mod census;
mod changes;
mod clinch_crm;
mod course;
mod create;
mod crm;
mod crm_failure;
mod destination;
mod doubts;
mod elsewhere;
mod ending;
mod errored;
mod feed;
mod fetch;
mod gate;
mod guard;
mod index;
mod known_as;
mod learn;
mod listing;
mod look_ups;
mod neighbours;
mod outcome;
mod own_forms;
mod preview;
mod pusher;
mod resting;
mod roster;
mod run;
mod run_ledger;
mod seen_resumes;
mod source_people;
mod steps;
mod suggestions;
mod survey;
mod unread;
mod update;
mod verification;
mod verifier;
mod verify;
mod windows;
mod witnesses;

pub use clinch_crm::{ClinchCrm, SeenSource};
pub use crm::{
    Created, Crm, CrmFailure, CrmPerson, Destination, Ensure, JobStage, KnownAttributes, Lookup,
    PeoplePage, Read, Updated,
};
pub use guard::{AtRest, Claim, Membership, PeopleGuard};
pub use neighbours::{Neighbour, Neighbours, no_neighbours};
pub use preview::{PreviewLog, PreviewStep, preview};
pub use run::{RunPorts, run};
pub use verify::verify;
pub use witnesses::Witnesses;
