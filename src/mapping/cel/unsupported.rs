//! What CEL and its usual extensions have and this language does not, so that a message can say so.
//! Pure.

/// Namespaces of extensions: `math.greatest(1, 2)`.
const EXTENSIONS: [&str; 11] = [
    "base64", "cel", "cidr", "lists", "math", "net", "optional", "proto", "regex", "sets",
    "strings",
];

/// Functions of CEL, of its own extensions and of those of Kubernetes.
const FUNCTIONS: [&str; 69] = [
    "add",
    "asApproximateFloat",
    "asInteger",
    "bytes",
    "cidr",
    "compareTo",
    "containsCIDR",
    "containsIP",
    "duration",
    "dyn",
    "family",
    "find",
    "findAll",
    "first",
    "flatten",
    "format",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getEscapedPath",
    "getFullYear",
    "getHost",
    "getHostname",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getPort",
    "getQuery",
    "getScheme",
    "getSeconds",
    "includes",
    "ip",
    "isCIDR",
    "isGreaterThan",
    "isIP",
    "isInteger",
    "isLessThan",
    "isQuantity",
    "isSemver",
    "isSorted",
    "isURL",
    "last",
    "major",
    "masked",
    "minor",
    "optFlatMap",
    "optMap",
    "or",
    "patch",
    "prefixLength",
    "quantity",
    "quote",
    "range",
    "reverse",
    "semver",
    "slice",
    "sort",
    "sortBy",
    "sub",
    "timestamp",
    "transformList",
    "transformMap",
    "transformMapEntry",
    "type",
    "uint",
    "url",
    "value",
];

/// What to say of a call of a function that CEL has elsewhere.
pub fn function(name: &str) -> Option<String> {
    FUNCTIONS.contains(&name).then(|| format!("CEL's function '{name}' is not supported"))
}

/// Whether a name is that of an extension.
pub fn is_extension(name: &str) -> bool {
    EXTENSIONS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::cel::ast::Function;

    #[test]
    fn nothing_that_is_supported_is_called_unsupported() {
        assert!(FUNCTIONS.is_sorted());
        for name in FUNCTIONS {
            for receiver in [true, false] {
                let found = Function::find(name, receiver, 1);
                assert!(found.is_err_and(|message| message.starts_with("unknown")), "{name}");
            }
        }
    }
}
