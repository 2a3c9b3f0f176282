//! The functions of the expression language. Pure; pays for every byte and item in advance.

use super::{
    ast::Function,
    fault::{FaultKind, invalid},
    limits::{Fuel, MAX_OUTPUT_BYTES},
    number,
    value::{List, Text, Val},
};

/// Calls a function; the arguments are evaluated, the receiver first.
pub fn call<'a>(
    function: Function,
    args: &[Val<'a>],
    fuel: &mut Fuel,
) -> Result<Val<'a>, FaultKind> {
    match (function, args) {
        (Function::Size, [Val::Text(text)]) => {
            fuel.spend_bytes(text.as_str().len())?;
            Ok(count(text.as_str().chars().count()))
        }
        (Function::Size, [Val::List(list)]) => Ok(count(list.len())),
        (Function::Size, [Val::Map(table)]) => Ok(count(table.len())),
        (Function::Join, [Val::List(list)]) => join(list, "", fuel),
        (Function::Join, [Val::List(list), Val::Text(by)]) => join(list, by.as_str(), fuel),
        (Function::Sum | Function::Min | Function::Max, [Val::List(list)]) => {
            fold(function, list, fuel)
        }
        (Function::Distinct, [Val::List(list)]) => distinct(list, fuel),
        (Function::ToText | Function::ToInt | Function::ToDouble | Function::ToBool, [of]) => {
            number::convert(function, of, fuel)
        }
        (Function::HasValue, [Val::Optional(of)]) => Ok(Val::Bool(of.is_some())),
        (_, [Val::Text(of), rest @ ..]) => on_text(function, of, rest, fuel),
        _ => Err(mismatch(function, args)),
    }
}

fn mismatch(function: Function, args: &[Val]) -> FaultKind {
    let kinds: Vec<_> = args.iter().map(Val::kind).collect();
    invalid(format!("{} does not accept {}", function.name(), kinds.join(", ")))
}

fn count<'a>(of: usize) -> Val<'a> {
    Val::Int(i64::try_from(of).unwrap_or(i64::MAX))
}

fn on_text<'a>(
    function: Function,
    of: &Text<'a>,
    rest: &[Val<'a>],
    fuel: &mut Fuel,
) -> Result<Val<'a>, FaultKind> {
    let text = of.as_str();
    fuel.spend_bytes(text.len())?;
    for argument in rest {
        if let Val::Text(part) = argument {
            fuel.spend_bytes(part.as_str().len())?;
        }
    }
    if matches!(function, Function::LowerAscii | Function::UpperAscii) {
        make_room(text.len(), fuel)?;
    }
    match (function, rest) {
        (Function::Contains, [Val::Text(part)]) => Ok(Val::Bool(text.contains(part.as_str()))),
        (Function::StartsWith, [Val::Text(part)]) => Ok(Val::Bool(text.starts_with(part.as_str()))),
        (Function::EndsWith, [Val::Text(part)]) => Ok(Val::Bool(text.ends_with(part.as_str()))),
        (Function::LowerAscii, []) => Ok(Val::text(text.to_ascii_lowercase())),
        (Function::UpperAscii, []) => Ok(Val::text(text.to_ascii_uppercase())),
        (Function::Trim, []) => Ok(within(of, |text| Some(text.trim())).unwrap_or(Val::Null)),
        (Function::Split, [Val::Text(by)]) => split(of, by.as_str(), fuel),
        (Function::Replace, [Val::Text(part), Val::Text(with)]) => {
            replace(text, part.as_str(), with.as_str(), fuel)
        }
        (Function::Substring, [Val::Int(from)]) => substring(of, *from, None),
        (Function::Substring, [Val::Int(from), Val::Int(to)]) => substring(of, *from, Some(*to)),
        (Function::CharAt, [Val::Int(at)]) => {
            let past = usize::try_from(*at).is_ok_and(|at| at == text.chars().count());
            let end = at.saturating_add(i64::from(!past));
            substring(of, *at, Some(end))
        }
        (Function::IndexOf, [Val::Text(part)]) => Ok(index_of(text, text.find(part.as_str()))),
        (Function::LastIndexOf, [Val::Text(part)]) => Ok(index_of(text, text.rfind(part.as_str()))),
        _ => {
            let mut args = vec![Val::Text(of.clone())];
            args.extend_from_slice(rest);
            Err(mismatch(function, &args))
        }
    }
}

/// A part of a string; borrowed if the string is.
fn within<'a>(of: &Text<'a>, part: impl Fn(&str) -> Option<&str>) -> Option<Val<'a>> {
    match of {
        Text::Borrowed(text) => part(text).map(Val::borrowed),
        Text::Shared(text) => part(text).map(Val::text),
    }
}

fn split<'a>(of: &Text<'a>, by: &str, fuel: &mut Fuel) -> Result<Val<'a>, FaultKind> {
    fn pieces<'t>(text: &'t str, by: &str, fuel: &mut Fuel) -> Result<Vec<&'t str>, FaultKind> {
        let mut parts = Vec::new();
        if by.is_empty() {
            fuel.spend_items(text.chars().count())?;
            parts.extend(text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()]));
        } else {
            for part in text.split(by) {
                fuel.spend(1)?;
                parts.push(part);
            }
        }
        Ok(parts)
    }
    let parts = match of {
        Text::Borrowed(text) => pieces(text, by, fuel)?.into_iter().map(Val::borrowed).collect(),
        Text::Shared(text) => pieces(text, by, fuel)?.into_iter().map(Val::text).collect(),
    };
    Ok(Val::list(parts))
}

/// Refuses a string that would be too large, and pays for it otherwise.
pub fn make_room(bytes: usize, fuel: &mut Fuel) -> Result<(), FaultKind> {
    if bytes > MAX_OUTPUT_BYTES {
        return Err(FaultKind::TooLarge);
    }
    Ok(fuel.spend_bytes(bytes)?)
}

fn replace<'a>(text: &str, part: &str, with: &str, fuel: &mut Fuel) -> Result<Val<'a>, FaultKind> {
    let found = text.matches(part).count();
    fuel.spend_items(found)?;
    make_room(text.len() - found * part.len() + found.saturating_mul(with.len()), fuel)?;
    Ok(Val::text(text.replace(part, with)))
}

fn join<'a>(list: &List<'a>, by: &str, fuel: &mut Fuel) -> Result<Val<'a>, FaultKind> {
    let mut joined = String::new();
    for (index, item) in list.iter().enumerate() {
        fuel.spend(1)?;
        let Val::Text(text) = item else {
            return Err(invalid(format!("join expects a list of strings, not {}", item.kind())));
        };
        let by = if index == 0 { "" } else { by };
        if joined.len() + by.len() + text.as_str().len() > MAX_OUTPUT_BYTES {
            return Err(FaultKind::TooLarge);
        }
        fuel.spend_bytes(text.as_str().len() + by.len())?;
        joined.push_str(by);
        joined.push_str(text.as_str());
    }
    Ok(Val::text(joined))
}

fn substring<'a>(of: &Text<'a>, from: i64, to: Option<i64>) -> Result<Val<'a>, FaultKind> {
    // Indexes count characters; the index after the last one is a valid end.
    let part = |text: &'_ str| -> Option<(usize, usize)> {
        let byte = |at: i64| -> Option<usize> {
            let at = usize::try_from(at).ok()?;
            text.char_indices().map(|(byte, _)| byte).chain([text.len()]).nth(at)
        };
        let range = (byte(from)?, to.map_or(Some(text.len()), byte)?);
        (range.0 <= range.1).then_some(range)
    };
    let Some((start, end)) = part(of.as_str()) else {
        return Err(invalid("the index is outside the string"));
    };
    within(of, |text| text.get(start..end))
        .ok_or_else(|| invalid("the index is outside the string"))
}

fn index_of<'a>(text: &str, byte: Option<usize>) -> Val<'a> {
    byte.map_or(Val::Int(-1), |byte| count(text[..byte].chars().count()))
}

fn fold<'a>(function: Function, list: &List<'a>, fuel: &mut Fuel) -> Result<Val<'a>, FaultKind> {
    let mut result: Option<Val<'a>> = None;
    for item in list.iter() {
        fuel.spend(1)?;
        if function == Function::Sum && !matches!(item, Val::Int(_) | Val::Double(_)) {
            return Err(mismatch(function, &[item]));
        }
        result = Some(match (result, function) {
            (None, _) => item,
            (Some(so_far), Function::Sum) => number::add(&so_far, &item)?,
            (Some(so_far), _) => {
                let order = so_far
                    .compare(&item)
                    .ok_or_else(|| mismatch(function, std::slice::from_ref(&item)))?;
                let keep = if function == Function::Min { order.is_le() } else { order.is_ge() };
                if keep { so_far } else { item }
            }
        });
    }
    match (result, function) {
        (Some(value), _) => Ok(value),
        (None, Function::Sum) => Ok(Val::Int(0)),
        (None, _) => Err(FaultKind::Missing),
    }
}

fn distinct<'a>(list: &List<'a>, fuel: &mut Fuel) -> Result<Val<'a>, FaultKind> {
    let mut kept: Vec<Val<'a>> = Vec::new();
    for item in list.iter() {
        let mut known = false;
        for other in &kept {
            if item
                .equals(other, fuel, 0)?
                .ok_or_else(|| invalid("values are nested too deeply"))?
            {
                known = true;
                break;
            }
        }
        if !known {
            fuel.spend(1)?;
            kept.push(item);
        }
    }
    Ok(Val::list(kept))
}
