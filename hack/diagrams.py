#!/usr/bin/env python3
"""Draws the pictures of docs/CONCEPTS.md into docs/images. With --check it only compares.

    hack/diagrams.py [--check]
"""

import pathlib
import sys
from html import escape

IMAGES = pathlib.Path(__file__).resolve().parent.parent / "docs/images"

STYLE = """
  .paper { fill: #ffffff; }
  .box { fill: #f6f8fa; stroke: #57606a; stroke-width: 1.2; }
  .ours { fill: #ddf4ff; stroke: #0969da; }
  .remote { fill: #fff8c5; stroke: #9a6700; }
  .zone { fill: none; stroke: #8c959f; stroke-width: 1.2; stroke-dasharray: 5 4; }
  .line { fill: none; stroke: #24292f; stroke-width: 1.4; }
  .dashed { stroke-dasharray: 5 4; }
  text { font-family: system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #24292f; font-size: 13px; }
  .title { font-weight: 600; font-size: 14px; }
  .small { font-size: 11.5px; fill: #57606a; }
"""


class Picture:
    """Boxes, arrows and words."""

    def __init__(self, width, height, title):
        self.width, self.height, self.title = width, height, title
        self.parts = []

    def zone(self, x, y, width, height, title):
        self.parts.append(f'<rect class="zone" x="{x}" y="{y}" width="{width}" height="{height}" rx="10"/>')
        self.parts.append(f'<text class="small" x="{x + 12}" y="{y + 19}">{escape(title)}</text>')

    def box(self, x, y, width, height, title, *lines, kind=""):
        self.parts.append(
            f'<rect class="box {kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="7"/>')
        middle, count = x + width / 2, len(lines)
        top = y + height / 2 + 5 - count * 8
        self.parts.append(f'<text class="title" x="{middle}" y="{top}" text-anchor="middle">{escape(title)}</text>')
        for number, line in enumerate(lines):
            self.parts.append(f'<text class="small" x="{middle}" y="{top + 17 + number * 15}" '
                              f'text-anchor="middle">{escape(line)}</text>')

    def arrow(self, *points, label="", at=None, dashed=False, anchor="middle"):
        path = " ".join(f"{'M' if number == 0 else 'L'}{x} {y}" for number, (x, y) in enumerate(points))
        kind = "line dashed" if dashed else "line"
        self.parts.append(f'<path class="{kind}" d="{path}" marker-end="url(#head)"/>')
        if label:
            x, y = at
            for number, line in enumerate(label.split("\n")):
                self.parts.append(f'<text class="small" x="{x}" y="{y + number * 14}" '
                                  f'text-anchor="{anchor}">{escape(line)}</text>')

    def text(self):
        body = "\n  ".join(self.parts)
        return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" role="img" \
aria-label="{escape(self.title)}">
  <title>{escape(self.title)}</title>
  <style>{STYLE}  </style>
  <defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" \
orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="#24292f"/></marker></defs>
  <rect class="paper" width="{self.width}" height="{self.height}"/>
  {body}
</svg>
"""


def objects():
    p = Picture(930, 430, "Objects: who writes them, and what the operator does with them")
    p.zone(215, 15, 440, 400, "Kubernetes, or a folder of manifests")
    p.box(235, 50, 190, 66, "ClinchIntegration", "written by an admin", "one account, and its rules", kind="ours")
    p.box(460, 50, 175, 66, "Secret", "key and secret", "of the account")
    p.box(235, 145, 190, 58, "FieldMapping", "which field becomes which", kind="ours")
    p.box(235, 230, 190, 58, "CandidateExport", "written by a team", kind="ours")
    p.box(235, 335, 190, 58, "CandidateImport", "written by a team", kind="ours")
    p.box(460, 195, 175, 70, "operator", "reads, decides, writes", "one status for each object")
    p.box(460, 335, 175, 58, "CandidateLedger", "what was delivered,", "as keyed hashes")
    p.box(20, 225, 160, 68, "Sources", "ConfigMap, Secret,", "bucket, folder, HTTP", kind="remote")
    p.box(20, 330, 160, 68, "Sinks and files", "bucket, folder,", "HTTP endpoint", kind="remote")
    p.box(755, 195, 160, 70, "Clinch", "candidates, jobs,", "files, activities", kind="remote")
    p.arrow((180, 259), (235, 259), label="people", at=(207, 251))
    p.arrow((235, 364), (180, 364), label="people", at=(207, 356))
    p.arrow((425, 259), (460, 245))
    p.arrow((425, 174), (460, 212))
    p.arrow((425, 100), (500, 195))
    p.arrow((425, 75), (460, 75))
    p.arrow((560, 116), (560, 195))
    p.arrow((425, 350), (500, 265))
    p.arrow((547, 265), (547, 335))
    p.arrow((635, 218), (755, 218), label="create, update", at=(705, 210))
    p.arrow((755, 246), (635, 246), label="read", at=(705, 262))
    return p


def run():
    p = Picture(900, 300, "A run: two readings of the source, and a create only after absence was proved")
    p.zone(15, 15, 395, 130, "first reading: no request to Clinch")
    p.box(30, 55, 105, 60, "decode", "CSV, JSON")
    p.box(155, 55, 105, 60, "select, map", "expressions")
    p.box(280, 55, 115, 60, "compare", "with the ledger")
    p.arrow((135, 85), (155, 85))
    p.arrow((260, 85), (280, 85))
    p.zone(480, 15, 200, 130, "what is due")
    p.box(500, 55, 160, 60, "who is in Clinch?", "list, or look-up", kind="remote")
    p.arrow((395, 85), (500, 85), label="changed", at=(445, 78))
    p.zone(15, 160, 870, 125, "second reading: in windows, each declared in the ledger before its first write")
    p.box(30, 200, 130, 60, "declare", "in the ledger", kind="ours")
    p.box(190, 200, 130, 60, "claim", "one writer a person", kind="ours")
    p.box(350, 200, 140, 60, "create or update", "only what differs", kind="remote")
    p.box(520, 200, 165, 60, "job, resume, tags", "each if it is missing", kind="remote")
    p.box(715, 200, 150, 60, "record", "ledger, status", kind="ours")
    p.arrow((160, 230), (190, 230))
    p.arrow((320, 230), (350, 230))
    p.arrow((490, 230), (520, 230))
    p.arrow((685, 230), (715, 230))
    p.arrow((580, 115), (580, 152), (95, 152), (95, 200))
    p.arrow((660, 85), (725, 85), dashed=True)
    p.box(725, 50, 160, 70, "left alone", "anonymised, suppressed,", "or as declared already")
    return p


def access():
    p = Picture(900, 300, "Access: an admin owns the integration, teams in other namespaces ask for it")
    p.zone(15, 20, 330, 262, "namespace talent: the admin's")
    p.box(45, 60, 270, 80, "ClinchIntegration clinch", "access.mode: Approval", "pushPermission: jobs and stages", kind="ours")
    p.box(45, 190, 120, 62, "Secret", "credential")
    p.box(185, 190, 130, 62, "FieldMapping", "default", kind="ours")
    p.arrow((110, 140), (105, 190))
    p.arrow((245, 140), (250, 190))
    p.zone(520, 20, 365, 125, "namespace team-a: approved")
    p.box(550, 60, 165, 62, "CandidateExport", "Ready", kind="ours")
    p.zone(520, 157, 365, 125, "namespace team-b: asks")
    p.box(550, 197, 165, 62, "CandidateExport", "AwaitingApproval", kind="ours")
    p.box(740, 60, 125, 62, "its source", "is read there only")
    p.box(740, 197, 125, 62, "its source", "not read yet")
    p.arrow((715, 91), (740, 91))
    p.arrow((715, 228), (740, 228), dashed=True)
    p.arrow((550, 91), (315, 91), label="integrationRef", at=(433, 83))
    p.arrow((550, 220), (430, 220), (430, 120), (315, 120), label="request: listed in status", at=(433, 238), dashed=True)
    return p


PICTURES = {"objects.svg": objects, "run.svg": run, "access.svg": access}


def main():
    wrong = []
    for name, draw in PICTURES.items():
        path, text = IMAGES / name, draw().text()
        if "--check" not in sys.argv[1:]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            wrong.append(name)
    if wrong:
        sys.exit(f"docs/images: {', '.join(wrong)}: run hack/diagrams.py")


if __name__ == "__main__":
    main()
