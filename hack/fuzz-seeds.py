#!/usr/bin/env python3
"""Writes what the fuzz targets begin with, made of the files of tests, examples and documentation.

    hack/fuzz-seeds.py FOLDER
"""

import base64
import gzip
import hashlib
import json
import pathlib
import re
import shutil
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# The first byte of an input of the target `source`: see there.
FORMATS = {".json": b"\1", ".ndjson": b"\2", ".csv": b"\3"}
MOST = 8000


def files(*patterns):
    found = [path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()]
    return sorted(found)


def source():
    for path in files("tests/data/profiles/*", "examples/**/*.csv", "examples/**/*.ndjson", "examples/**/*.json"):
        data = path.read_bytes()[:MOST]
        choice = FORMATS.get(path.suffix)
        if choice:
            yield choice + data
            yield b"\0" + gzip.compress(data, mtime=0)
    yield b"\3e-mail;first name;skills\r\na@x.org;\"A \"\"B\"\"\";Rust;SQL\r\n"
    yield b"\0" + "\ufeffemail\tname\na@x.org\tA\n".encode("utf-16")


def texts(*patterns):
    return [path.read_text() for path in files(*patterns)]


def expression():
    for text in texts("docs/*.md", "examples/**/*.yaml", "tests/data/**/*.yaml"):
        for found in re.findall(r"(?:expression|select): *['\"]?(.+?)['\"]?,?\s*}?$", text, flags=re.M):
            yield found.encode()
        for found in re.findall(r"`([^`\n]*candidate[.\[][^`\n]*)`", text):
            yield found.encode()


def mapping():
    transforms = [
        {"name": "trim"}, {"name": "titleCase"}, {"name": "e164", "defaultCountry": "GB", "otherwise": "Skip"},
        {"name": "date", "from": ["%d.%m.%Y", "%Y-%j"], "to": "%Y"}, {"name": "join", "separator": ","},
        {"name": "split", "separator": "a"}, {"name": "replace", "pattern": "a", "with": "bb"},
        {"name": "truncate", "length": 2}, {"name": "map", "values": {"a": "b"}, "otherwise": "Fail"},
        {"name": "default", "value": "none"}, {"name": "first"}, {"name": "unique"},
        {"name": "prefix", "text": "p"}, {"name": "suffix", "text": "s"},
    ]
    email = {"to": "email", "from": "emails[0].value"}
    profile = json.dumps({"emails": [{"value": "a@x.org"}], "x": ["1", " 2"], "tags": ["t"]}).encode()
    for transform in transforms:
        for origin in ("x", "phones[*].value", "positions[0].company"):
            fields = [email, {"to": "a", "from": origin, "transforms": [transform]}]
            yield json.dumps({"fields": fields}).encode() + b"\0" + profile
    fields = [email, {"to": "b", "expression": "candidate.x.map(v, v + '!')[0]", "required": True},
              {"to": "c", "value": {"strings": ["a", "b"]}, "writeMode": "OnlyIfEmpty"},
              {"to": "d", "from": "y", "whenMissing": "Clear"}]
    yield json.dumps({"fields": fields, "resume": {"attach": True},
                      "tags": {"enabled": True, "from": "tags", "activity": "a"}}).encode()


def contract():
    person = {"type": "object", "required": ["email"], "properties": {
        "email": {"type": "string", "format": "email", "maxLength": 80},
        "skills": {"type": "array", "items": {"type": "string", "enum": ["Rust"]}},
        "updated_at": {"type": "string", "format": "date-time", "readOnly": True}}}
    wrapped = {"type": "object", "properties": {"data": {"type": "object", "properties": {
        "type": {"type": "string"}, "attributes": {"$ref": "#/components/schemas/Candidate"}}}}}
    body = {"content": {"application/vnd.api+json": {"schema": wrapped}}}
    page = [{"name": name, "in": "query", "schema": {"type": "integer", "maximum": 50, "default": 10}}
            for name in ("page", "per_page", "filter[email]", "page[size]", "sort")]
    paths = {
        "/candidates": {"get": {"operationId": "listCandidates", "parameters": page,
                                "responses": {"200": body}},
                        "post": {"operationId": "createCandidate", "requestBody": body,
                                 "responses": {"201": body}}},
        "/candidates/{candidate_id}": {"get": {"operationId": "getCandidate", "responses": {"200": body}},
                                       "patch": {"operationId": "updateCandidate", "requestBody": body}},
        "/jobs": {"get": {"operationId": "listJobs", "parameters": page}},
        "/jobs/{job_id}/stages": {"get": {"operationId": "listStages"}},
    }
    document = {"openapi": "3.0.3", "servers": [{"url": "https://api.clinchtalent.com/v2"}], "paths": paths,
                "components": {"schemas": {"Candidate": person}}}
    yield json.dumps(document).encode()
    document["paths"]["/candidates"]["post"]["requestBody"] = {"$ref": "#/components/requestBodies/A"}
    document["components"]["requestBodies"] = {"A": {"content": {"application/json": {"schema": {"allOf": [person]}}}}}
    yield json.dumps(document).encode()


def answer():
    yield b'{"data":[{"id":7,"type":"candidates","attributes":{"email":"a@x.org"},"relationships":{"candidate":{"data":{"id":"1"}}}}],"links":{"next":{"href":"/v2/candidates?page=2"}},"meta":{"total_count":3},"included":[]}'
    yield b'{"data":null}'
    yield b'{"errors":[{"source":{"pointer":"/data/attributes/email"},"title":"t"}]}'


def ledger():
    for path in files("tests/data/upgrade*/**/*.ledger"):
        data = path.read_bytes()
        # Without magic, keys and MAC, which the target adds.
        yield b"\0" + data[4:5] + data[29:-32][:MOST]
        yield b"\2" + base64.b64encode(data[:300])
    head = b'{"after":0}'
    start = b"\1\1" + struct.pack(">QHHII", 0, 0, 0, 0, len(head)) + head
    yield start
    for marks in range(8):
        entry = bytes([3]) + b"abc" + bytes([marks]) + bytes(16) + bytes(16)
        yield b"\1\1" + struct.pack(">QHHII", 0, 0, 0, 1, len(head)) + head + entry


def suppression():
    yield "\ufeff# people\r\nAda@Example.com\r\n\r\nbüro@münchen.example\n".encode()
    yield b"hmac-sha256:" + b"0f" * 32 + b"\na+b@x.org\n"


def manifests():
    for path in files("tests/data/manifests/**/*.yaml", "examples/**/*.yaml", "tests/data/upgrade*/*.yaml"):
        data = path.read_bytes()
        if len(data) <= MOST:
            yield data


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    shutil.rmtree(folder, ignore_errors=True)
    for make in (source, expression, mapping, contract, answer, ledger, suppression, manifests):
        goal = folder / make.__name__
        goal.mkdir(parents=True)
        for data in make():
            (goal / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


if __name__ == "__main__":
    main()
