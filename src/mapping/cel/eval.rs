//! Evaluates a syntax tree over one profile within a budget of [`Fuel`]. Pure.
//!
//! The parser bounds the height of the tree, the fuel bounds the work: every evaluation terminates.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::{
    ast::{Function, Kind, Loop, LoopKind, Node, Operator},
    fault::{Fault, FaultKind, invalid},
    functions::{self, make_room},
    limits::{Fuel, MAX_LOOPS},
    number,
    value::{List, Table, Val},
};

/// One evaluation.
pub struct Machine<'a, 'f> {
    candidate: &'a Map<String, Value>,
    locals: [Val<'a>; MAX_LOOPS],
    fuel: &'f mut Fuel,
}

impl<'a, 'f> Machine<'a, 'f> {
    /// An evaluation over the members of one profile.
    pub fn new(candidate: &'a Map<String, Value>, fuel: &'f mut Fuel) -> Self {
        Self { candidate, locals: [const { Val::Null }; MAX_LOOPS], fuel }
    }

    /// The value of a node.
    pub fn run(&mut self, node: &'a Node) -> Result<Val<'a>, Fault> {
        let at = |cause: FaultKind| Fault { at: node.at, cause };
        self.fuel.spend(1).map_err(|e| at(e.into()))?;
        match &node.kind {
            Kind::Null => Ok(Val::Null),
            Kind::Bool(value) => Ok(Val::Bool(*value)),
            Kind::Int(value) => Ok(Val::Int(*value)),
            Kind::Double(value) => Ok(Val::Double(*value)),
            Kind::Text(text) => Ok(Val::borrowed(text)),
            Kind::Candidate => Ok(Val::Map(Table::Json(self.candidate))),
            Kind::Local(slot) => Ok(self.locals[*slot].clone()),
            Kind::Select { of, field, optional } => {
                let of = self.run(of)?;
                self.reach(of, *optional, &|of| member(of, field)).map_err(at)
            }
            Kind::Has { of, field } => match self.run(of) {
                Ok(of) => has(&of, field).map(Val::Bool).map_err(at),
                Err(fault) if fault.cause == FaultKind::Missing => Ok(Val::Bool(false)),
                Err(fault) => Err(fault),
            },
            Kind::Index { of, key, optional } => {
                let of = self.run(of)?;
                let key = self.run(key)?;
                self.reach(of, *optional, &|of| item(of, &key)).map_err(at)
            }
            Kind::Not(of) => match self.run(of)? {
                Val::Bool(value) => Ok(Val::Bool(!value)),
                other => Err(at(invalid(format!("! does not accept {}", other.kind())))),
            },
            Kind::Negate(of) => {
                let of = self.run(of)?;
                number::negate(&of).map_err(at)
            }
            Kind::And(sides) => self.logical(node, sides.iter(), false),
            Kind::Or(sides) => self.logical(node, sides.iter(), true),
            Kind::If(parts) => match self.run(&parts[0])? {
                Val::Bool(yes) => self.run(&parts[if yes { 1 } else { 2 }]),
                other => Err(at(invalid(format!(
                    "the condition of ?: must be a boolean, not {}",
                    other.kind()
                )))),
            },
            Kind::Binary(operator, sides) => {
                let left = self.run(&sides[0])?;
                let right = self.run(&sides[1])?;
                self.binary(*operator, &left, &right).map_err(at)
            }
            Kind::List(items) => {
                let items: Result<Vec<_>, _> = items.iter().map(|item| self.run(item)).collect();
                Ok(Val::list(items?))
            }
            Kind::Map(entries) => self.table(entries),
            Kind::Call(Function::OrValue, arguments) => match self.run(&arguments[0])? {
                Val::Optional(Some(value)) => Ok((*value).clone()),
                Val::Optional(None) => self.run(&arguments[1]),
                other => Err(at(invalid(format!("orValue does not accept {}", other.kind())))),
            },
            Kind::Call(function, arguments) => {
                let arguments: Result<Vec<_>, _> =
                    arguments.iter().map(|argument| self.run(argument)).collect();
                functions::call(*function, &arguments?, self.fuel).map_err(at)
            }
            Kind::Matches { text, pattern } => match self.run(text)? {
                Val::Text(text) => {
                    let text = text.as_str();
                    self.fuel
                        .spend((text.len() as u64).saturating_mul(pattern.weight))
                        .map_err(|e| at(e.into()))?;
                    Ok(Val::Bool(pattern.regex.is_match(text)))
                }
                other => Err(at(invalid(format!("matches does not accept {}", other.kind())))),
            },
            Kind::Loop(l) => self.comprehension(node, l),
        }
    }

    /// Accesses a part of a value. The result is optional if the value is, or if `optional` is set.
    fn reach(
        &mut self,
        of: Val<'a>,
        optional: bool,
        look: &dyn Fn(&Val<'a>) -> Result<Val<'a>, FaultKind>,
    ) -> Result<Val<'a>, FaultKind> {
        let (inner, optional) = match of {
            Val::Optional(None) => return Ok(Val::Optional(None)),
            Val::Optional(Some(inner)) => ((*inner).clone(), true),
            other => (other, optional),
        };
        if let Val::Map(Table::Built(entries)) = &inner {
            self.fuel.spend_items(entries.len())?;
        }
        match look(&inner) {
            Ok(value) if optional => Ok(Val::Optional(Some(Rc::new(value)))),
            Err(FaultKind::Missing) if optional => Ok(Val::Optional(None)),
            result => result,
        }
    }

    /// `&&` and `||`: a decisive side overrules sides that cannot be evaluated.
    fn logical(
        &mut self,
        node: &'a Node,
        sides: impl Iterator<Item = &'a Node>,
        decisive: bool,
    ) -> Result<Val<'a>, Fault> {
        let mut pending = None;
        for side in sides {
            match self.truth(side, node.at) {
                Ok(value) if value == decisive => return Ok(Val::Bool(decisive)),
                Ok(_) => {}
                Err(fault) if fault.cause.can_be_overruled() => pending = pending.or(Some(fault)),
                Err(fault) => return Err(fault),
            }
        }
        pending.map_or(Ok(Val::Bool(!decisive)), Err)
    }

    fn truth(&mut self, node: &'a Node, at: usize) -> Result<bool, Fault> {
        match self.run(node)? {
            Val::Bool(value) => Ok(value),
            other => {
                let cause = invalid(format!("expected a boolean, got {}", other.kind()));
                Err(Fault { at, cause })
            }
        }
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: &Val<'a>,
        right: &Val<'a>,
    ) -> Result<Val<'a>, FaultKind> {
        match operator {
            Operator::Equal | Operator::NotEqual => {
                let equal = self.equal(left, right)?;
                Ok(Val::Bool(equal == (operator == Operator::Equal)))
            }
            Operator::In => self.contained(left, right).map(Val::Bool),
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => {
                if let (Val::Text(a), Val::Text(b)) = (left, right) {
                    self.fuel.spend_bytes(a.as_str().len().min(b.as_str().len()))?;
                }
                let comparable = matches!(
                    (left, right),
                    (Val::Int(_) | Val::Double(_), Val::Int(_) | Val::Double(_))
                );
                let order = match left.compare(right) {
                    Some(order) => order,
                    None if comparable => return Ok(Val::Bool(false)),
                    None => return Err(unfit(operator, left, right)),
                };
                Ok(Val::Bool(match operator {
                    Operator::Less => order.is_lt(),
                    Operator::LessOrEqual => order.is_le(),
                    Operator::Greater => order.is_gt(),
                    _ => order.is_ge(),
                }))
            }
            Operator::Add => match (left, right) {
                (Val::Text(a), Val::Text(b)) => {
                    let (a, b) = (a.as_str(), b.as_str());
                    make_room(a.len() + b.len(), self.fuel)?;
                    Ok(Val::text([a, b].concat()))
                }
                (Val::List(a), Val::List(b)) => {
                    self.fuel.spend_items(a.len() + b.len())?;
                    Ok(Val::list(a.iter().chain(b.iter()).collect()))
                }
                _ => number::add(left, right),
            },
            _ => number::arithmetic(operator, left, right),
        }
    }

    fn equal(&mut self, left: &Val<'a>, right: &Val<'a>) -> Result<bool, FaultKind> {
        left.equals(right, self.fuel, 0)?.ok_or_else(|| invalid("values are nested too deeply"))
    }

    fn contained(&mut self, item: &Val<'a>, of: &Val<'a>) -> Result<bool, FaultKind> {
        match (item, of) {
            (_, Val::List(list)) => {
                for other in list.iter() {
                    if self.equal(item, &other)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (Val::Text(key), Val::Map(table)) => {
                if matches!(table, Table::Built(_)) {
                    self.fuel.spend_items(table.len())?;
                }
                Ok(table.get(key.as_str()).is_some())
            }
            // Keys are strings: any other value is not a key, which is no fault.
            (_, Val::Map(_)) => Ok(false),
            _ => Err(unfit(Operator::In, item, of)),
        }
    }

    fn table(&mut self, entries: &'a [(Node, Node)]) -> Result<Val<'a>, Fault> {
        let mut built: Vec<(super::value::Text<'a>, Val<'a>)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let at = |cause: FaultKind| Fault { at: key.at, cause };
            let Val::Text(name) = self.run(key)? else {
                return Err(at(invalid("map keys must be strings")));
            };
            self.fuel.spend_items(built.len()).map_err(|e| at(e.into()))?;
            if built.iter().any(|(other, _)| other.as_str() == name.as_str()) {
                return Err(at(invalid("duplicate map key")));
            }
            built.push((name, self.run(value)?));
        }
        Ok(Val::Map(Table::Built(Rc::new(built))))
    }

    fn comprehension(&mut self, node: &'a Node, l: &'a Loop) -> Result<Val<'a>, Fault> {
        let at = |cause: FaultKind| Fault { at: node.at, cause };
        let range = match self.run(&l.range)? {
            Val::List(list) => list,
            Val::Map(table) => {
                self.fuel.spend_items(table.len()).map_err(|e| at(e.into()))?;
                List::Built(Rc::new(table.keys()))
            }
            Val::Null => return Err(at(FaultKind::Missing)),
            other => return Err(at(invalid(format!("expected a list, got {}", other.kind())))),
        };
        let (mut kept, mut found, mut pending) = (Vec::new(), 0usize, None);
        for item in range.iter() {
            self.fuel.spend(1).map_err(|e| at(e.into()))?;
            self.locals[l.slot] = item.clone();
            let holds = match &l.condition {
                None => Ok(true),
                Some(condition) => self.truth(condition, node.at),
            };
            match (l.kind, holds) {
                (LoopKind::All, Ok(false)) => return Ok(Val::Bool(false)),
                (LoopKind::Exists, Ok(true)) => return Ok(Val::Bool(true)),
                (LoopKind::All | LoopKind::Exists, Err(fault))
                    if fault.cause.can_be_overruled() =>
                {
                    pending = pending.or(Some(fault));
                }
                (_, Err(fault)) => return Err(fault),
                (_, Ok(false)) => {}
                (LoopKind::Filter, Ok(true)) => kept.push(item),
                (_, Ok(true)) => {
                    found += 1;
                    if let Some(value) = &l.value {
                        kept.push(self.run(value)?);
                    }
                }
            }
        }
        self.locals[l.slot] = Val::Null;
        if let Some(fault) = pending {
            return Err(fault);
        }
        Ok(match l.kind {
            LoopKind::All => Val::Bool(true),
            LoopKind::Exists => Val::Bool(false),
            LoopKind::ExistsOne => Val::Bool(found == 1),
            LoopKind::Filter | LoopKind::Map => Val::list(kept),
        })
    }
}

fn unfit(operator: Operator, left: &Val, right: &Val) -> FaultKind {
    let symbol = operator.symbol();
    invalid(format!("{symbol} does not accept {} and {}", left.kind(), right.kind()))
}

/// A member of a map. `null` has no members, like a value that does not exist.
fn member<'a>(of: &Val<'a>, field: &str) -> Result<Val<'a>, FaultKind> {
    match of {
        Val::Map(table) => table.get(field).ok_or(FaultKind::Missing),
        Val::Null => Err(FaultKind::Missing),
        other => Err(invalid(format!("{} has no members", other.kind()))),
    }
}

fn has(of: &Val, field: &str) -> Result<bool, FaultKind> {
    match of {
        Val::Optional(None) => Ok(false),
        Val::Optional(Some(inner)) => has(inner, field),
        of => match member(of, field) {
            Ok(_) => Ok(true),
            Err(FaultKind::Missing) => Ok(false),
            Err(cause) => Err(cause),
        },
    }
}

/// An item of a list, or a member of a map by its key.
fn item<'a>(of: &Val<'a>, key: &Val<'a>) -> Result<Val<'a>, FaultKind> {
    match (of, key) {
        (Val::List(list), Val::Int(index)) => {
            usize::try_from(*index).ok().and_then(|index| list.get(index)).ok_or(FaultKind::Missing)
        }
        (Val::Map(_) | Val::Null, Val::Text(key)) => member(of, key.as_str()),
        (Val::Null, _) => Err(FaultKind::Missing),
        _ => Err(invalid(format!("{} cannot be indexed by {}", of.kind(), key.kind()))),
    }
}
