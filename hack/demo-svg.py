#!/usr/bin/env python3
"""Runs the demo and draws what it prints as a picture of a terminal: docs/images/demo.svg.

    hack/demo-svg.py [--check] [FOLDER-OF-PROGRAMS]     target/debug by default

With --check the picture is left as it is. Ends with 1 if it shows other lines than the demo prints now. Numbers, the lines
about progress and those of the person who is shown differ from run to run and are not compared.
"""

import difflib
import os
import pathlib
import pty
import re
import subprocess
import sys
import tempfile
from html import escape, unescape

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLUMNS, LINE, CHARACTER, LEFT, TOP = 112, 17, 7.85, 18, 62
COLOURS = {"31": "#ff7b72", "32": "#7ee787", "33": "#f2cc60", "1": None, "2": "#8b949e"}
GOOD = re.compile(r"\b(True|Ready|Synced|Verified|Compiled|FileWritten|SyncedWithRejections)\b")
BAD = re.compile(r"\b(MatchKeyMissing)\b")


def record(programs):
    """What the demo writes to a terminal, and its exit code. Bars of progress, on standard error, are left out."""
    with tempfile.TemporaryDirectory() as state:
        leader, follower = pty.openpty()
        environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
        environment.pop("NO_COLOR", None)
        demo = subprocess.Popen(
            [programs / "clinch-operator", "demo", "--state", state],
            cwd=ROOT, stdout=follower, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=environment)
        os.close(follower)
        chunks = []
        try:
            while chunk := os.read(leader, 65536):
                chunks.append(chunk)
        except OSError:  # the other end was closed
            pass
        os.close(leader)
        text = b"".join(chunks).decode().replace("\r\n", "\n").replace(state, ".demo").replace(str(programs), "target/debug")
        return text, demo.wait()


def spans(line):
    """Parts of a line with their colours, cut at the right edge."""
    found, colour, width = [], "#e6edf3", 0
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if part.startswith("\x1b"):
            code = part[2:-1].split(";")[-1]
            colour = COLOURS.get(code) or "#e6edf3"
            continue
        if width + len(part) > COLUMNS:
            part = part[:max(COLUMNS - width - 1, 0)].rstrip() + "…"
        width += len(part)
        if part:
            found.append((part, colour))
        if width >= COLUMNS:
            break
    return found


def marked(text, colour):
    """Plain words of a result in the colour of their meaning."""
    if colour != "#e6edf3":
        return [(text, colour)]
    parts = []
    for part in re.split(r"\b(True|Synced|Verified|Compiled|FileWritten|SyncedWithRejections|MatchKeyMissing)\b", text):
        shade = "#7ee787" if GOOD.fullmatch(part) else "#ff7b72" if BAD.fullmatch(part) else colour
        parts.append((part, shade))
    return parts


def draw(lines):
    width, height = round(COLUMNS * CHARACTER) + 2 * LEFT, TOP + len(lines) * LINE + 6
    rows = []
    for number, line in enumerate(lines):
        bold = ' font-weight="600"' if re.match(r"\d+\. |\$ ", line) else ""
        text = "".join(
            f'<tspan fill="{shade}">{escape(part)}</tspan>'
            for piece, colour in spans(line) for part, shade in marked(piece, colour) if part)
        if text:
            rows.append(f'<text x="{LEFT}" y="{TOP + number * LINE}"{bold} xml:space="preserve">{text}</text>')
    dots = "".join(f'<circle cx="{22 + 20 * number}" cy="22" r="6" fill="{colour}"/>'
                   for number, colour in enumerate(("#ff5f57", "#febc2e", "#28c840")))
    body = "\n  ".join(rows)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" \
aria-label="What make demo prints">
  <title>What make demo prints</title>
  <style>text {{ font: 13px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; }}</style>
  <rect width="{width}" height="{height}" rx="9" fill="#0d1117"/>
  {dots}
  {body}
</svg>
"""


def compared(picture):
    """The lines of a picture without what differs from run to run."""
    lines = [unescape(re.sub(r"<[^>]*>", "", row)) for row in re.findall(r"<text x=.*?</text>", picture)]
    kept, step = [], None
    for line in lines:
        head = re.match(r"(\d+)\. ", line)
        step = head.group(1) if head else step
        if head or step not in ("3", "6"):
            kept.append(line)
    return [re.sub(r"\s+", " ", re.sub(r"[\d.,:T-]*\d[\d.,:TZ-]*", "0", line)) for line in kept]


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--check"]
    programs = pathlib.Path(arguments[0] if arguments else "target/debug").resolve()
    text, code = record(programs)
    if code != 0:
        sys.exit(f"the demo ended with {code}:\n{text}")
    lines = ["$ make demo", *text.rstrip().split("\n")]
    path, picture = ROOT / "docs/images/demo.svg", draw(lines)
    if len(arguments) == len(sys.argv) - 1:
        path.write_text(picture)
        print(f"docs/images/demo.svg: {len(lines)} lines")
        return
    shown, printed = compared(path.read_text()), compared(picture)
    if shown != printed:
        different = "\n".join(difflib.unified_diff(shown, printed, "the picture", "the demo", lineterm="", n=0))
        sys.exit(f"{different}\ndocs/images/demo.svg: run hack/demo-svg.py")


if __name__ == "__main__":
    main()
