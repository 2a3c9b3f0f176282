#!/usr/bin/env python3
"""Lets LibreOffice read a CSV file of the operator, and compares what it shows with what was exported.

    hack/spreadsheet.py FOLDER

FOLDER has the built programs (target/debug). People with values that a spreadsheet would compute, split
or decode are exported with `apply`. LibreOffice reads the file twice: with all columns as text every
cell has to be as written; with columns as it guesses them no cell may have been computed. Everything
listens on loopback. Exit code: 0 if that holds.
"""

import csv
import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

VALUES = [
    "=1+1", "+41 44 668 18 00", "-2+3", "@SUM(A1)", "\t=1", "'quoted", "a;b", "a,b", 'say "hi"',
    "line\nbreak", "\u00c9 \u00dcn\u00ef", '=HYPERLINK("http://127.0.0.1/","x")', "\uff1d1+1", "1/2", "00123",
    "1e5", "TRUE", "2024-01-02", "  spaced  ", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629", "=cmd|' /C calc'!A0",
]
MANIFESTS = """
apiVersion: v1
kind: Secret
metadata: {name: clinch}
stringData: {accessKey: AKSHEET, secretKey: sheet-secret}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: ClinchIntegration
metadata: {name: clinch}
spec:
  endpoint: ORIGIN
  environment: Sandbox
  credentials: {secretRef: {name: clinch}}
  pushPermission: {files: Allowed}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {name: people}
spec:
  integrationRef: {name: clinch}
  source: {objectStore: {url: "file://FOLDER/people.ndjson"}}
  destination: {file: {format: CSV, csv: {bom: true}, to: {url: "file://FOLDER/people.csv"}}}
"""


def write(programs: Path, folder: Path) -> None:
    """Writes people.csv with the operator."""
    people = [
        {"id": str(n), "firstName": value, "lastName": "L", "summary": value,
         "emails": [{"value": f"person{n}@example.com"}]}
        for n, value in enumerate(VALUES)
    ]
    (folder / "people.ndjson").write_text("".join(json.dumps(one) + "\n" for one in people))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "127.0.0.1:%d" % free.getsockname()[1]
    origin = f"http://{address}"
    text = MANIFESTS.replace("ORIGIN", origin).replace("FOLDER", str(folder))
    (folder / "manifests.yaml").write_text(text)
    sandbox = subprocess.Popen(
        [programs / "clinch-sandbox", "--listen", address, "--credential", "hireEZ:AKSHEET:sheet-secret"],
        stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", int(address.split(":")[1]))).close()
                break
            except OSError:
                time.sleep(0.1)
        place = f"file://{folder}"
        subprocess.run(
            [programs / "clinch-operator", "apply", "-f", folder / "manifests.yaml", "--environment", "sandbox",
             "--allowed-endpoints", origin, "--allowed-sources", place, "--allowed-destinations", place],
            check=True, stdout=subprocess.DEVNULL)
    finally:
        sandbox.terminate()
        sandbox.wait()


def read(path: Path) -> list[list[str]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def converted(folder: Path, name: str, columns: str) -> list[list[str]]:
    """What LibreOffice shows of people.csv. `columns`: their formats."""
    options = f"Text - txt - csv (StarCalc):44,34,76,1,{columns},0,false,true,false"
    subprocess.run(
        ["soffice", "--headless", f"-env:UserInstallation=file://{folder}/profile", f"--infilter={options}",
         "--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false",
         "--outdir", folder / name, folder / "people.csv"],
        check=True, stdout=subprocess.DEVNULL)
    return read(folder / name / "people.csv")


def main() -> int:
    programs = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        write(programs, folder)
        written = read(folder / "people.csv")
        text = "/".join(f"{column + 1}/2" for column in range(len(written[0])))
        as_text, guessed = converted(folder, "text", text), converted(folder, "guessed", "")
    if as_text != written:
        differing = [(a, b) for x, y in zip(written, as_text) for a, b in zip(x, y) if a != b]
        print(f"read as text, cells differ: {differing}", file=sys.stderr)
        return 1
    risky = tuple("=+-@'\t\uff1d")
    for row, shown in zip(written, guessed, strict=True):
        for cell, seen in zip(row, shown, strict=True):
            if cell.lstrip("'").startswith(risky) and seen != cell:
                print(f"computed: {cell!r} is shown as {seen!r}", file=sys.stderr)
                return 1
    changed = sum(a != b for x, y in zip(written, guessed) for a, b in zip(x, y))
    print(f"LibreOffice: {len(written) - 1} rows as written, no formula computed; "
          f"with columns that it guesses, {changed} cells as numbers or dates")
    return 0


if __name__ == "__main__":
    sys.exit(main())
