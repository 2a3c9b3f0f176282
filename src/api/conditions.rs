//! Condition types. Their spellings and polarity are API, frozen by `tests/offline/frozen_names.rs`.

use std::fmt;

/// `status: True`.
pub const STATUS_TRUE: &str = "True";
/// `status: False`.
pub const STATUS_FALSE: &str = "False";
/// `status: Unknown`.
pub const STATUS_UNKNOWN: &str = "Unknown";

macro_rules! condition_types {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// The type of a condition.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ConditionType { $($(#[doc = $doc])* $name,)* }

        impl ConditionType {
            /// Every type.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The spelling in the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

condition_types! {
    /// The summary. Always present; computed from the others.
    Ready,
    /// Work is in progress or will be retried. Present only while True.
    Reconciling,
    /// Only a change by a person helps. Present only while True.
    Stalled,
    /// `spec.suspend` is set. Present only while True.
    Suspended,
    /// Integration: the Secret and its fields exist and are usable.
    CredentialsFound,
    /// Integration: Clinch accepts the credential.
    Authenticated,
    /// Integration: its environment is the operator's.
    EnvironmentMatched,
    /// Integration: the credential still names the account that people were written to. Unknown
    /// until somebody was, which does not affect Ready.
    AccountVerified,
    /// Integration: the contract is known.
    ContractResolved,
    /// Integration: Clinch shows `spec.credentialName` as the source of new people. Read from the
    /// first person created; a difference is a warning and does not affect Ready.
    SourceMatched,
    /// Integration: the lists of people who must never be written can be read. Without them nobody
    /// is created or updated.
    SuppressionReadable,
    /// Integration: every receiver of notifications can be used, and took the last message. Does not
    /// affect Ready. Absent unless `spec.notify` names one.
    NotifyReady,
    /// Mapping: it compiles.
    Compiled,
    /// Export, import: its integration is ready.
    IntegrationReady,
    /// Export: its mapping compiles and fits the contract. Import: it can be read backwards.
    MappingReady,
    /// Export: its source was read.
    SourceReady,
    /// Export, import: the integration allows the destination.
    Permitted,
    /// Import: people can be written to its destination.
    SinkReady,
    /// Import: who is in Clinch is written.
    Imported,
    /// Export: the selected records are in Clinch.
    Delivered,
    /// Export: people it created are in Clinch more than once. Present only while True; a warning
    /// that does not affect Ready.
    DuplicatesFound,
    /// Export: people are not in Clinch as they were delivered, as of the last verification. A warning
    /// that does not affect Ready. Absent unless a verification is asked for.
    Drifted,
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
