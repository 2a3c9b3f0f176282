//! The field mapping engine: hireEZ profiles to Clinch attributes. Pure: no I/O, no clock, no
//! randomness; imports `domain` only.
//!
//! [`compile`] turns a [`MappingSpec`] into a [`Plan`] or reports every fault at once;
//! [`Plan::check`] compares it with the attributes of the target; [`Plan::apply`] maps one profile.
//! Whatever the mapping and the profile, compiling and applying end within fixed bounds and do
//! not panic, and no message about a record contains a value of it. `docs/MAPPING.md` is the
//! language's reference, and a test runs its examples.

mod accept;
mod cel;
mod check;
mod compile;
mod default;
mod field_value;
mod import;
mod issue;
mod limits;
mod mapped;
mod path;
mod plan;
mod select;
mod sent;
mod shape;
mod spec;
mod target;
mod transform;
mod usable;
mod value_format;

pub use accept::Beyond;
pub use cel::MembersRead;
pub use compile::compile;
pub use import::{ImportPlan, Inverse, NotInvertible};
pub use issue::{Issue, IssueCode, RecordIssue};
pub use mapped::{Doubt, Mapped, ResumeContent, ResumeRef};
pub use plan::Plan;
pub use select::{NeverSeen, Select};
pub use sent::has_value;
pub use shape::AttributeKind;
pub use spec::{
    ConstantSpec, FieldSpec, MappingSpec, Otherwise, ResumeFrom, ResumeSpec, TagsSpec,
    TransformName, TransformSpec, WhenMissing, WriteMode,
};
pub use target::{TargetAttribute, TargetAttributes};
pub use value_format::ValueFormat;
