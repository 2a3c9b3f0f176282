//! The closed set of reasons shared by conditions, Events, record failures and metric labels.
//! Pure. The spellings are API: `tests/offline/frozen_names.rs` holds the list.

use std::fmt;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// A reason: one CamelCase word each; machines may match on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[doc = $doc])* $name,)* }

        impl Reason {
            /// Every reason, in the order of their definition.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word as written in conditions, Events and metric labels.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What it means, in words that hold nothing of any object.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),*),)* }.trim()
            }

            /// The reason spelled `word`, if there is one.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == word)
            }
        }
    };
}

reasons! {
    // -- progress
    /// Work is in progress.
    Progressing,
    /// A transient failure is being retried.
    ProgressingWithRetry,
    /// Another object has to become ready first.
    DependencyNotReady,
    /// A referenced object does not exist, or this namespace may not use it.
    DependencyNotFound,
    /// The integration's admin has not approved this namespace, or no longer does.
    AwaitingApproval,
    /// Work is due, and none of `spec.windows` is open.
    OutsideWindow,
    // -- good outcomes
    /// Everything the spec asks for is in place.
    Ready,
    /// The Secret and both of its fields exist.
    Found,
    /// A signed read got the response of the Clinch API.
    Verified,
    /// The integration's environment is the operator's.
    Matched,
    /// The contract was read from the published OpenAPI document.
    Discovered,
    /// No OpenAPI document: the built-in contract is used.
    Assumed,
    /// Clinch shows the credential name as source.
    SourceConfirmed,
    /// Clinch shows another source than the credential name.
    SourceDiffers,
    /// People written through the integration are in the account.
    AccountConfirmed,
    /// It is not known which account the credential names.
    AccountUnconfirmed,
    /// The lists of people who must never be written were read.
    SuppressionRead,
    /// Every receiver of notifications can be used.
    Notifying,
    /// The mapping compiles.
    Compiled,
    /// Mapping and contract agree.
    Resolved,
    /// The source was read.
    Read,
    /// The integration allows this destination.
    Allowed,
    /// As of the last push, every selected record is in Clinch as mapped.
    Synced,
    /// The source has records, and none of them is selected.
    NothingSelected,
    /// As Synced, except for rejected records within the failure budget.
    SyncedWithRejections,
    /// As Synced, but some people were delivered without their resume.
    SyncedWithWarnings,
    /// Every selected record that is not rejected is in the file.
    FileWritten,
    /// As of the last run, everybody whom the import selects is written as they are in Clinch.
    Imported,
    /// As Imported, except for people who could not be mapped, within the failure budget.
    ImportedWithRejections,
    /// People created by the export are in Clinch more than once.
    DuplicatesFound,
    /// The last verification found people in Clinch as they were delivered.
    NoDrift,
    /// The last verification found people who are missing, changed or anonymised in Clinch.
    DriftFound,
    /// The last verification found people changed in Clinch, and wrote them again.
    DriftCorrected,
    /// It is not known whether people are in Clinch as they were delivered.
    NotVerified,
    /// The dry run has counted what a push would do.
    DryRunComplete,
    // -- lifecycle
    /// `spec.suspend` is set.
    Suspended,
    /// The integration is suspended.
    IntegrationSuspended,
    /// Another process of the operator takes over the integration.
    HandingOver,
    // -- credentials and endpoint
    /// The Secret does not exist.
    SecretNotFound,
    /// The Secret lacks a field.
    SecretFieldMissing,
    /// A field of the Secret is empty.
    SecretFieldEmpty,
    /// A field of the Secret cannot be used as a credential.
    SecretInvalid,
    /// Clinch answered 401.
    CredentialsRejected,
    /// Clinch answered 401 to one request, and accepts the credential otherwise.
    RequestAltered,
    /// Clinch answered 403.
    PermissionDenied,
    /// This host's clock and Clinch's differ by more than the signature allows.
    ClockSkew,
    /// The credential belongs to another region.
    WrongRegion,
    /// No connection to the endpoint.
    EndpointUnreachable,
    /// The operator's allow-list does not name the endpoint.
    EndpointNotAllowed,
    /// The endpoint responds, but not as the Clinch API.
    EndpointNotClinch,
    /// The integration's environment is not the operator's.
    EnvironmentMismatch,
    /// An integration of the other environment, or of another shard, names the same account.
    AccountShared,
    /// The credential names another account than before.
    AccountChanged,
    /// Clinch offers no such operation, or it is assumed and not accepted.
    ContractUnsupported,
    /// A list of people who must never be written cannot be read.
    SuppressionUnreadable,
    // -- notifications
    /// The operator's allow-list does not name the host of a receiver of notifications.
    NotifyNotAllowed,
    /// The Secret of a receiver of notifications cannot be used.
    NotifySecretInvalid,
    /// A receiver does not take notifications.
    NotifyRejected,
    /// A receiver of notifications does not answer, or fails.
    NotifyUnreachable,
    // -- transient
    /// Clinch answered 429.
    RateLimited,
    /// Clinch answered 5xx.
    VendorUnavailable,
    /// No answer in time.
    Timeout,
    /// The TLS handshake failed.
    TlsFailed,
    /// The Kubernetes API or a local part failed.
    InternalError,
    // -- inputs
    /// The spec is not valid.
    InvalidSpec,
    /// The mapping does not compile, or does not fit the contract.
    MappingInvalid,
    /// The source does not exist.
    SourceNotFound,
    /// The source cannot be read as its format.
    SourceInvalid,
    /// The operator's allow-list does not name the place of the source.
    SourceNotAllowed,
    /// The credentials do not allow the source to be read.
    SourceDenied,
    /// The place of the source does not answer.
    SourceUnreachable,
    /// The source changed while it was read.
    SourceChanged,
    /// The reference may not be followed.
    ReferenceForbidden,
    /// The integration does not permit this destination.
    NotPermitted,
    /// The destination job or stage does not exist in Clinch.
    DestinationNotFound,
    /// The operator's allow-list does not name the place of a file to write.
    DestinationNotAllowed,
    /// The store refuses the credentials that a file is written with.
    DestinationDenied,
    /// The permissions of this machine, or a read-only file system, forbid writing a file.
    DestinationReadOnly,
    /// No file can be written as the destination names or configures it.
    DestinationInvalid,
    /// The bucket or listed folder of a destination does not exist.
    DestinationMissing,
    /// No space is left at a destination.
    DestinationFull,
    /// The destination does not answer or fails, or the writing of a file was interrupted.
    DestinationUnreachable,
    /// Files of people who left the source cannot be deleted until somebody changes something.
    DeletionDenied,
    /// An older export writes the same file.
    DestinationConflict,
    /// A PDF document cannot be made of the profiles.
    RenderFailed,
    /// The API server refused a ledger segment.
    LedgerRefused,
    /// The object store of the ledgers does not answer.
    LedgerUnreachable,
    /// More people than a ledger in etcd may hold.
    LedgerTooLarge,
    /// The source has no records.
    SourceEmpty,
    /// The list of people in Clinch changes faster than it can be read, or contradicts itself.
    SourceUnsettled,
    /// More people are missing in Clinch than `spec.maxDeletions` allows.
    DeletionsHeld,
    /// A run would exceed a limit of `spec.guards`.
    GuardTripped,
    /// A run would do something else than `spec.approvedPlan` names.
    PlanChanged,
    // -- per record
    /// The destination of an import refuses a person.
    SinkRejected,
    /// More records were rejected than the failure budget allows.
    RecordsRejected,
    /// The source record cannot be decoded.
    Malformed,
    /// The record has no value to recognise the person by.
    MatchKeyMissing,
    /// A required field has no value.
    RequiredMissing,
    /// A value cannot be transformed as the mapping says.
    InvalidValue,
    /// Clinch refused the record.
    RecordRejected,
    /// Clinch answers the record with a server error again and again.
    RecordErrored,
    /// It is not known whether the person was created: they are looked up in the next run.
    Undecided,
    /// Several people in Clinch match the record.
    AmbiguousMatch,
    /// The person exists in Clinch and the duplicate policy is Fail.
    AlreadyExists,
    /// The person was anonymised in Clinch.
    Anonymised,
    /// The person is on the admin's list of people who must never be written.
    Suppressed,
    /// An earlier record of the same source names the same person with other values, or with another
    /// spelling of the address.
    DuplicateInSource,
    /// The record, or a file of it, is larger than accepted.
    TooLarge,
    /// The resume cannot be attached.
    ResumeRefused,
    /// The server of a resume does not answer: the person is delivered, and the resume is tried again.
    ResumeUnreachable,
    /// A rendered profile has characters for which no font of the operator has a shape.
    MissingGlyph,
    // -- warnings
    /// A value was sent that is beyond a format, length or `enum` of the contract.
    OutsideContract,
    /// A mapped field, or a path of the selection, has a value in none of the records.
    NeverFilled,
    /// What an import has written before is not known any more: everybody is written again.
    StateLost,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_meaning_is_a_sentence() {
        for reason in Reason::ALL {
            let meaning = reason.meaning();
            assert!(meaning.ends_with('.') && !meaning.contains("  "), "{reason}: {meaning:?}");
        }
        assert_eq!(Reason::CredentialsRejected.meaning(), "Clinch answered 401.");
    }

    #[test]
    fn words_are_unique_and_read_back() {
        for (i, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(Reason::from_word(reason.as_str()), Some(*reason));
            assert!(!Reason::ALL[..i].iter().any(|r| r.as_str() == reason.as_str()));
            assert!(reason.as_str().chars().all(|c| c.is_ascii_alphanumeric()));
        }
    }
}
