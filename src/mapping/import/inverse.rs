//! A mapping for exports, read backwards as far as that is possible. Pure.

use std::fmt;

use serde::Serialize;

use super::{
    super::{
        compile::compile,
        default::is_one_text,
        issue::Issue,
        path::Path,
        plan::{Field, Source},
        shape::Shape,
        spec::{FieldSpec, MappingSpec, TransformName, TransformSpec},
    },
    ImportPlan, digest,
    steps::{self, Step},
    target::{Overlap, Target},
};

/// A mapping for exports, read backwards.
#[derive(Debug)]
pub struct Inverse {
    /// What can be read backwards; may have no field.
    pub plan: ImportPlan,
    /// The fields that cannot, in the order of the spec.
    pub not_invertible: Vec<NotInvertible>,
}

/// A field that cannot be read backwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotInvertible {
    /// The field: `spec.fields[3]`.
    pub path: String,
    /// Why, in a few words.
    pub why: String,
}

impl fmt::Display for NotInvertible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.path, self.why)
    }
}

/// One field, read backwards.
#[derive(Debug, Serialize)]
struct Backwards<'a> {
    #[serde(skip)]
    index: usize,
    #[serde(serialize_with = "as_text")]
    target: Target,
    attribute: &'a str,
    steps: Vec<Step>,
}

fn as_text<S: serde::Serializer>(target: &Target, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(target)
}

impl ImportPlan {
    /// Reads a mapping for exports backwards: the default one, or that of a `FieldMapping`. What cannot
    /// be read backwards is listed. A record that lacks a required field is not rejected: the attribute
    /// is required of what is sent.
    ///
    /// The errors are those of a mapping that does not compile.
    pub fn inverse_of(spec: &MappingSpec) -> Result<Inverse, Vec<Issue>> {
        compile(spec)?;
        let mut fields: Vec<Result<Backwards, String>> =
            spec.fields.iter().enumerate().map(|(at, field)| read(spec, at, field)).collect();
        for (at, why) in overlaps(&fields) {
            fields[at] = Err(why);
        }
        let mut kept = Vec::with_capacity(fields.len());
        let mut not_invertible = Vec::new();
        for (index, field) in fields.into_iter().enumerate() {
            match field {
                Ok(field) => kept.push(field),
                Err(why) => {
                    not_invertible
                        .push(NotInvertible { path: format!("spec.fields[{index}]"), why });
                }
            }
        }
        let digest = digest(&kept);
        let fields = kept.into_iter().filter_map(compiled).collect();
        Ok(Inverse { plan: Self { fields, digest, derived: true }, not_invertible })
    }
}

/// The fields that would be put in each other's place. All of them are left out: none is known to be the
/// right one.
fn overlaps(fields: &[Result<Backwards, String>]) -> Vec<(usize, String)> {
    let kept: Vec<&Backwards> = fields.iter().flatten().collect();
    let overlap = |field: &&Backwards| {
        let others = kept.iter().filter(|other| other.index != field.index);
        let found = others
            .map(|other| (other.index, field.target.overlaps(&other.target)))
            .find_map(|(other, overlap)| overlap.map(|overlap| (other, overlap)));
        found.map(|(other, overlap)| {
            let what = match overlap {
                Overlap::Same => "the same value",
                Overlap::Part => "a part of the same value",
            };
            (field.index, format!("spec.fields[{other}] reads {what}"))
        })
    };
    kept.iter().filter_map(overlap).collect()
}

/// The match key is an address, whatever computes it, and a record without it would be of no use: it is
/// the first address of the profile.
fn read<'a>(
    spec: &MappingSpec,
    index: usize,
    field: &'a FieldSpec,
) -> Result<Backwards<'a>, String> {
    backwards(index, field).or_else(|why| {
        if !spec.match_keys.contains(&field.to) {
            return Err(why);
        }
        let target = Target::of(Path::default().member("emails").item(0).member("value"), false)?;
        Ok(Backwards { index, target, attribute: &field.to, steps: Vec::new() })
    })
}

fn backwards(index: usize, field: &FieldSpec) -> Result<Backwards<'_>, String> {
    let Some(from) = &field.from else {
        let source = if field.value.is_some() { "value" } else { "expression" };
        return Err(source.to_owned());
    };
    let path = Path::compile(from)?;
    let mut transforms: Vec<&TransformSpec> = field.transforms.iter().collect();
    let target = if field.first_usable {
        Target::of(path.item(0).member("value"), false)
    } else if let [.., number, first] = &transforms[..]
        && number.name == TransformName::Telephone
        && first.name == TransformName::First
    {
        // The default mapping: the first of the numbers that is one.
        transforms.pop();
        Target::of(path.first(), false)
    } else if let Some(list) = path.of_every_item() {
        Target::of(list, true)
    } else if path.collects() {
        Err("the path collects a list".to_owned())
    } else {
        if is_one_text(from) {
            transforms.retain(|transform| transform.name != TransformName::Join);
        }
        Target::of(path, false)
    }?;
    let steps = steps::backwards(&transforms)?;
    Ok(Backwards { index, target, attribute: &field.to, steps })
}

fn compiled(field: Backwards<'_>) -> Option<(Field, Target)> {
    let Backwards { index, target, attribute, steps } = field;
    let place = format!("spec.fields[{index}]");
    let transforms = steps.into_iter().map(|step| step.compile(&place)).collect::<Option<_>>()?;
    let field = Field {
        index,
        to: target.to_string().into(),
        place: place.into(),
        source: Source::Path(Path::default().member(attribute)),
        transforms,
        required: false,
        clear: false,
        only_if_empty: false,
        shape: Shape::Unknown,
        target: None,
    };
    Some((field, target))
}
