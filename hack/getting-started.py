#!/usr/bin/env python3
"""Runs the commands of docs/GETTING_STARTED.md on a real API server, and compares what they print.

    hack/getting-started.py [--write] PROGRAMS TOOLS

PROGRAMS is a folder with clinch-operator, clinch-sandbox and clinch-control-plane, TOOLS one with kube-apiserver, etcd
and kubectl. `clinch-operator demo --cluster --keep` provides the cluster. Blocks marked `console` are run in order;
other blocks below a line with a file's name are written to that file before. Ages, times and ports are not compared.
--write puts what was printed into the page. Ends with 1 if anything differs or fails.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/GETTING_STARTED.md"
BLOCK = re.compile(r"^(?:`(?P<file>[\w.-]+)`:\n\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S)


def plain(output):
    """Without what differs from run to run."""
    output = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", output)
    output = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", output)
    lines = []
    for line in output.rstrip().split("\n"):
        line = re.sub(r"(?<=\s)(?:\d+[smhd])+(?=\s|$)", "AGE", line)
        lines.append(re.sub(r"\s+", " ", line).rstrip())
    return "\n".join(lines)


class Cluster:
    """The demo on a real API server."""

    def __init__(self, programs, tools, folder):
        environment = {**os.environ, "KUBEBUILDER_ASSETS": str(tools)}
        environment.pop("KUBECONFIG", None)
        self.demo = subprocess.Popen(
            [programs / "clinch-operator", "demo", "--cluster", "--keep", "--state", folder / "state"],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        plugins = folder / "bin"
        plugins.mkdir()
        (plugins / "kubectl-clinch").symlink_to(programs / "clinch-operator")
        path = os.pathsep.join([str(plugins), str(tools), str(programs), os.environ["PATH"]])
        self.environment = {**os.environ, "PATH": path, "NO_COLOR": "1"}
        for line in self.demo.stdout:
            found = re.search(r"export KUBECONFIG='(.*)'", line)
            if found:
                self.environment["KUBECONFIG"] = found.group(1)
                return
        sys.exit(f"the demo ended with {self.demo.wait()} before it was ready")

    def run(self, command, folder):
        done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=folder, env=self.environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=180)
        return done.stdout, done.returncode

    def stop(self):
        self.demo.send_signal(signal.SIGTERM)
        self.demo.wait(60)


def commands(text):
    """The commands of a block, each with its output."""
    parts = re.split(r"^\$ (.*)$", text, flags=re.M)
    return [(command, output.strip("\n")) for command, output in zip(parts[1::2], parts[2::2])]


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--write"]
    if len(arguments) != 2:
        sys.exit(__doc__)
    programs, tools = (pathlib.Path(argument).resolve() for argument in arguments)
    page, differs, count = PAGE.read_text(), [], 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        work = folder / "work"
        work.mkdir()
        cluster = Cluster(programs, tools, folder)

        def block(match):
            nonlocal count
            if match["file"]:
                (work / match["file"]).write_text(match["text"])
            if match["kind"] != "console":
                return match[0]
            shown = []
            for command, expected in commands(match["text"]):
                output, code = cluster.run(command, work)
                count += 1
                if code != 0:
                    differs.append(f"$ {command}\nended with {code}:\n{output}")
                elif plain(output) != plain(expected):
                    differs.append(f"$ {command}\n--- the page\n{expected}\n--- printed\n{output}")
                shown.append(f"$ {command}\n{output}".rstrip())
            return "```console\n" + "\n".join(shown) + "\n```"

        try:
            written = BLOCK.sub(block, page)
        finally:
            cluster.stop()
    if "--write" in sys.argv[1:]:
        PAGE.write_text(written)
        differs = [one for one in differs if "\nended with " in one]
    if differs:
        sys.exit("\n\n".join(differs))
    print(f"getting started: {count} commands")


if __name__ == "__main__":
    main()
