#!/usr/bin/env python3
"""Writes the schemas of an API server as JSON schemas for kubeconform, one file for each kind.

    hack/schemas.py KUBECTL FOLDER

They are those of the server's OpenAPI v3 document, of CRDs too, with what they refer to. Fields that a schema does not have
are refused, as kubectl refuses them. Files are named GROUP/KIND_VERSION.json in small letters, as kubeconform looks for
them with `{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json`; the core group is named after its version.
"""

import json
import pathlib
import subprocess
import sys

REFERENCE = "#/components/schemas/"


def get(kubectl, path):
    return json.loads(subprocess.run([kubectl, "get", "--raw", path], check=True, capture_output=True).stdout)


def converted(schema, structural=True):
    """An OpenAPI schema as a JSON schema. A part of oneOf, anyOf, allOf or not adds a condition, and lists no fields."""
    if "$ref" in schema:
        return {"$ref": "#/definitions/" + schema["$ref"].removeprefix(REFERENCE)}
    changed = {}
    for word, part in schema.items():
        if word == "properties":
            changed[word] = {name: converted(of, structural) for name, of in part.items()}
        elif word in ("items", "additionalProperties") and isinstance(part, dict):
            changed[word] = converted(part, structural)
        elif word in ("oneOf", "anyOf", "allOf"):
            changed[word] = [converted(of, structural=False) for of in part]
        elif word == "not":
            changed[word] = converted(part, structural=False)
        elif word in ("type", "enum", "required", "pattern", "format") or word.startswith(("min", "max", "unique", "multiple", "exclusive")):
            changed[word] = part
    if not structural:
        return changed
    # The server takes null for an absent value.
    if schema.get("x-kubernetes-int-or-string"):
        changed["type"] = ["integer", "string", "null"]
    elif "type" in changed:
        changed["type"] = [changed["type"], "null"]
    if "enum" in changed:
        changed["enum"] = [*changed["enum"], None]
    if "properties" in changed and not schema.get("x-kubernetes-preserve-unknown-fields"):
        changed.setdefault("additionalProperties", False)
    return changed


def named(schema, found):
    """The names that a schema refers to."""
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        if isinstance(part, str) and part.startswith(REFERENCE):
            found.add(part.removeprefix(REFERENCE))
        else:
            named(part, found)
    return found


def needed(name, schemas):
    """A schema's name, and all that it refers to, also in several steps."""
    found, waiting = set(), {name}
    while waiting:
        found |= waiting
        waiting = set().union(*(named(schemas[one], set()) for one in waiting)) - found
    return found


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    kubectl, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    count = 0
    for path, document in get(kubectl, "/openapi/v3")["paths"].items():
        if not path.startswith(("api/v", "apis/")) or path.count("/") not in (1, 2) or path.endswith("/"):
            continue
        schemas = get(kubectl, document["serverRelativeURL"]).get("components", {}).get("schemas", {})
        for name, schema in schemas.items():
            kinds = schema.get("x-kubernetes-group-version-kind", [])
            # Options of deletions and the like are in every group.
            if len(kinds) != 1 or "properties" not in schema:
                continue
            group, version, kind = (kinds[0][part] for part in ("group", "version", "kind"))
            file = folder / (group or version) / f"{kind.lower()}_{version}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            definitions = {one: converted(schemas[one]) for one in needed(name, schemas)}
            file.write_text(json.dumps({"$ref": f"#/definitions/{name}", "definitions": definitions}))
            count += 1
    print(f"{count} kinds")


if __name__ == "__main__":
    main()
