//! Arithmetic and conversions between scalars. Pure; overflow is a fault and never wraps.

use super::{
    ast::{Function, Operator},
    fault::{FaultKind, invalid},
    limits::Fuel,
    value::Val,
};

/// Adds two numbers; an integer and a double give a double.
pub fn add<'a>(left: &Val<'a>, right: &Val<'a>) -> Result<Val<'a>, FaultKind> {
    arithmetic(Operator::Add, left, right)
}

/// Applies `+ - * / %` to two numbers.
pub fn arithmetic<'a>(
    operator: Operator,
    left: &Val<'a>,
    right: &Val<'a>,
) -> Result<Val<'a>, FaultKind> {
    match (left, right) {
        (Val::Int(a), Val::Int(b)) => whole(operator, *a, *b),
        (Val::Double(a), Val::Double(b)) => real(operator, *a, *b),
        (Val::Int(a), Val::Double(b)) => real(operator, widen(*a), *b),
        (Val::Double(a), Val::Int(b)) => real(operator, *a, widen(*b)),
        _ => {
            let (symbol, left, right) = (operator.symbol(), left.kind(), right.kind());
            Err(invalid(format!("{symbol} does not accept {left} and {right}")))
        }
    }
}

fn whole<'a>(operator: Operator, a: i64, b: i64) -> Result<Val<'a>, FaultKind> {
    if b == 0 && matches!(operator, Operator::Divide | Operator::Modulo) {
        return Err(invalid("division by zero"));
    }
    let result = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide => a.checked_div(b),
        Operator::Modulo => a.checked_rem(b),
        _ => None,
    };
    result.map(Val::Int).ok_or_else(|| invalid("the integer does not fit in 64 bits"))
}

fn real<'a>(operator: Operator, a: f64, b: f64) -> Result<Val<'a>, FaultKind> {
    Ok(Val::Double(match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        _ => return Err(invalid("% accepts integers only")),
    }))
}

#[allow(clippy::cast_precision_loss)]
const fn widen(whole: i64) -> f64 {
    whole as f64
}

/// Converts with `string`, `int`, `double` or `bool`.
pub fn convert<'a>(
    function: Function,
    of: &Val<'a>,
    fuel: &mut Fuel,
) -> Result<Val<'a>, FaultKind> {
    if let Val::Text(text) = of {
        fuel.spend_bytes(text.as_str().len())?;
    }
    let converted = match (function, of) {
        (Function::ToText, Val::Text(_))
        | (Function::ToInt, Val::Int(_))
        | (Function::ToDouble, Val::Double(_))
        | (Function::ToBool, Val::Bool(_)) => Some(of.clone()),
        (Function::ToText, Val::Int(value)) => Some(Val::text(value.to_string())),
        (Function::ToText, Val::Double(value)) => Some(Val::text(value.to_string())),
        (Function::ToText, Val::Bool(value)) => Some(Val::text(value.to_string())),
        (Function::ToInt, Val::Double(value)) => truncated(*value).map(Val::Int),
        (Function::ToInt, Val::Text(text)) => text.as_str().parse().ok().map(Val::Int),
        (Function::ToDouble, Val::Int(value)) => Some(Val::Double(widen(*value))),
        (Function::ToDouble, Val::Text(text)) => text.as_str().parse().ok().map(Val::Double),
        (Function::ToBool, Val::Text(text)) => boolean(text.as_str()).map(Val::Bool),
        _ => None,
    };
    converted.ok_or_else(|| {
        let target = match function {
            Function::ToText => "a string",
            Function::ToInt => "an integer",
            Function::ToDouble => "a number",
            _ => "a boolean",
        };
        invalid(format!("{} that cannot be converted to {target}", of.kind()))
    })
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Changes the sign of a number.
pub fn negate<'a>(of: &Val<'a>) -> Result<Val<'a>, FaultKind> {
    match of {
        Val::Double(value) => Ok(Val::Double(-value)),
        Val::Int(value) => match value.checked_neg() {
            Some(value) => Ok(Val::Int(value)),
            None => Err(invalid("the integer does not fit in 64 bits")),
        },
        other => Err(invalid(format!("- does not accept {}", other.kind()))),
    }
}

/// Cuts off the fraction, if the result fits in 64 bits.
#[allow(clippy::cast_possible_truncation)]
fn truncated(value: f64) -> Option<i64> {
    (value > -9.223_372_036_854_776e18 && value < 9.223_372_036_854_776e18).then_some(value as i64)
}
