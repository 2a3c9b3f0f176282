#!/usr/bin/env python3
"""Runs the commands of docs/BACKUP.md on two real API servers, with real Helm.

    hack/backup.py PROGRAMS TOOLS HELM

PROGRAMS is a folder with clinch-operator, clinch-sandbox and clinch-control-plane, TOOLS one with kube-apiserver, etcd and
kubectl, HELM the program. Three people are exported, and one of them is anonymised. Then everything is backed up, key and
list are lost and restored, and all of it is restored into an empty cluster. There the person must be suppressed, and nobody
created. The blocks `sh` of the page are run as they stand, but for the last one, which is for a state folder. Ends with 1 if
a command fails or the outcome differs.
"""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)
PEOPLE = "First Name,Last Name,Email\nAda,A,ada@example.com\nBob,B,bob@example.com\nCyd,C,cyd@example.com\n"
INPUTS = f"""
kubectl create secret generic clinch-credentials -n talent --from-literal=accessKey=KEY --from-literal=secretKey=secret
kubectl create configmap people -n talent --from-literal=people.csv={shlex.quote(PEOPLE)}
"""
OBJECTS = """
apiVersion: clinch.hireez.dev/v1alpha1
kind: ClinchIntegration
metadata: {name: clinch, namespace: talent}
spec: {endpoint: ENDPOINT, environment: Sandbox, credentials: {secretRef: {name: clinch-credentials}}}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {name: first, namespace: talent}
spec: {integrationRef: {name: clinch}, source: {configMapRef: {name: people}}, destination: {prospect: {}}}
"""
TOKEN = "kubectl create token clinch-operator -n clinch-system --duration=1h"


def fail(text):
    sys.exit(f"backup: {text}")


class Trial:
    def __init__(self, programs, tools, helm, folder):
        self.programs, self.folder, self.started = programs, folder, []
        links = folder / "bin"
        links.mkdir()
        (links / "helm").symlink_to(helm)
        (links / "kubectl-clinch").symlink_to(programs / "clinch-operator")
        (folder / "charts").symlink_to(ROOT / "charts")
        path = os.pathsep.join([str(links), str(tools), str(programs), os.environ["PATH"]])
        self.environment = {**os.environ, "PATH": path, "KUBEBUILDER_ASSETS": str(tools), "NO_COLOR": "1"}
        self.environment.pop("KUBECONFIG", None)

    def start(self, *command, pattern):
        """A program, once it has printed what it waits for."""
        process = subprocess.Popen([str(word) for word in command], env=self.environment, cwd=self.folder, text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.started.append(process)
        for line in process.stdout:
            if found := re.search(pattern, line):
                return process, found.group(0)
        return fail(f"{command[0]} ended with {process.wait()} before it was ready")

    def stop(self, process):
        process.terminate()
        process.wait(60)
        self.started.remove(process)

    def cluster(self, name):
        config = self.folder / name
        self.start("clinch-control-plane", "--kubeconfig", config, pattern="KUBECONFIG")
        self.environment["KUBECONFIG"] = str(config)

    def run(self, script):
        done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], cwd=self.folder, env=self.environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        if done.returncode != 0:
            fail(f"ended with {done.returncode}: {script}\n{done.stdout}")
        return done.stdout.strip()

    def operator(self):
        """The operator with the rights of the chart, beside the Deployment, which has no node to run on."""
        admin = self.environment["KUBECONFIG"]
        mine = admin + ".operator"
        self.run(f"cp {admin} {mine}; kubectl --kubeconfig {mine} config set-credentials operator --token=$({TOKEN})\n"
                 f"kubectl --kubeconfig {mine} config set-context --current --user=operator")
        self.environment["KUBECONFIG"] = mine
        process, _ = self.start("clinch-operator", "run", "--environment", "sandbox", "--namespace", "clinch-system",
                                "--admin-listen", "127.0.0.1:0", "--allowed-endpoints", self.endpoint,
                                pattern=" ready")
        self.environment["KUBECONFIG"] = admin
        return process

    def until(self, what, script, expected):
        for _ in range(120):
            found = self.run(script)
            if found == expected:
                return
            time.sleep(0.5)
        fail(f"{what}: {found!r} instead of {expected!r}")

    def anonymise(self, email):
        body = json.dumps({"email": email}).encode()
        urllib.request.urlopen(f"{self.endpoint}/_sandbox/anonymise", body).read()

    def people(self):
        answer = urllib.request.urlopen(f"{self.endpoint}/_sandbox/state").read()
        return sum(len(account["people"]) for account in json.loads(answer).values())


SUPPRESSED = "kubectl get clint/clinch -n talent -o jsonpath='{.status.conditions[?(@.type==\"Ready\")].reason} {.status.suppression.entries}'"
COUNTS = "kubectl get clexp/first -n talent -o jsonpath='{.status.counts.created} {.status.counts.suppressed} {.status.counts.unchanged}'"


def trial(trial, blocks):
    back_up, lost, other, compare, distrust = blocks
    _, trial.endpoint = trial.start("clinch-sandbox", "--listen", "127.0.0.1:0", "--credential", "hireEZ:KEY:secret",
                                    pattern=r"http://127\.0\.0\.1:\d+")
    (trial.folder / "values.yaml").write_text(json.dumps({
        "environment": "sandbox", "secretNames": {"talent": ["clinch-credentials"]}, "allowedEndpoints": [trial.endpoint]}))
    (trial.folder / "people.yaml").write_text(OBJECTS.replace("ENDPOINT", trial.endpoint))

    trial.cluster("first")
    trial.run("kubectl create namespace talent" + INPUTS +
              "helm install clinch-operator charts/clinch-operator -n clinch-system --create-namespace -f values.yaml\n"
              "kubectl apply --server-side -f people.yaml")
    operator = trial.operator()
    trial.run("kubectl wait --for=condition=Ready clexp/first -n talent --timeout=60s")
    trial.anonymise("bob@example.com")
    trial.run("kubectl clinch verify export/first -n talent --timeout 60")
    trial.until("the list before the backup", SUPPRESSED, "Verified 1")
    trial.run(back_up)

    trial.stop(operator)
    trial.run("kubectl delete secret clinch-operator-ledger-key -n clinch-system; kubectl delete candidateledgers -n clinch-system --all")
    trial.run("kubectl create secret generic clinch-operator-ledger-key -n clinch-system")
    operator = trial.operator()
    trial.until("without the list", SUPPRESSED, "SuppressionUnreadable 1")
    trial.stop(operator)
    trial.run(lost)
    operator = trial.operator()
    trial.until("with the list again", SUPPRESSED, "Verified 1")
    trial.run(distrust)
    trial.stop(operator)

    trial.cluster("second")
    namespace = "kubectl create namespace talent"
    if namespace not in other:
        fail("the page does not create the namespace talent")
    trial.run(re.sub(f"^{namespace}.*$", lambda _: namespace + INPUTS, other, flags=re.M))
    operator = trial.operator()
    trial.run("kubectl wait --for=condition=Ready clexp/first -n talent --timeout=60s")
    trial.run(compare)
    trial.until("the export in the other cluster", COUNTS, "0 1 2")
    trial.stop(operator)
    if trial.people() != 3:
        fail(f"{trial.people()} people are in Clinch instead of 3")


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    programs, tools, helm = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    blocks = BLOCK.findall((ROOT / "docs/BACKUP.md").read_text())
    if len(blocks) != 6:
        fail(f"the page has {len(blocks)} blocks of commands instead of 6")
    with tempfile.TemporaryDirectory() as folder:
        runs = Trial(programs, tools, helm, pathlib.Path(folder))
        try:
            trial(runs, blocks[:-1])
        finally:
            for process in reversed(runs.started):
                process.terminate()
                process.wait(60)
    count = sum(len(re.findall(r"^(?:kubectl|helm) ", block, re.M)) for block in blocks[:-1])
    print(f"backup: {count} commands; the person who was anonymised is suppressed in the other cluster, and nobody was created")


if __name__ == "__main__":
    main()
