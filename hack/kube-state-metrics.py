#!/usr/bin/env python3
"""Reads deploy/kube-state-metrics with the real kube-state-metrics and a real Prometheus, on a real API server.

    hack/kube-state-metrics.py PROGRAMS TOOLS KUBE_STATE_METRICS PROMETHEUS

PROGRAMS is a folder with clinch-operator, clinch-sandbox and clinch-control-plane, TOOLS one with kube-apiserver, etcd
and kubectl, KUBE_STATE_METRICS the program, PROMETHEUS a folder with prometheus and promtool. The operator brings objects
of each kind to Ready, Stalled and Suspended. kube-state-metrics, which has the rights of rbac.yaml and no others, must
publish what the statuses of these objects say: each series that README.md documents, with the labels it names, and
nothing else. Prometheus must take each of them, and the alert of the page must name the exports that it is for. Ends with
1 if anything differs.
"""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy/kube-state-metrics"
SAMPLE = re.compile(r"^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (\S+)$", re.I)
LABEL = re.compile(r'([a-z_]\w*)="((?:[^"\\]|\\.)*)"', re.I)
OBJECTS = """
apiVersion: v1
kind: Secret
metadata: {name: good, namespace: talent}
stringData: {accessKey: KEY, secretKey: secret}
---
apiVersion: v1
kind: Secret
metadata: {name: bad, namespace: talent}
stringData: {accessKey: KEY, secretKey: other}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: ClinchIntegration
metadata: {name: ready, namespace: talent}
spec:
  endpoint: ENDPOINT
  environment: Sandbox
  credentials: {secretRef: {name: good}}
  pushPermission: {prospects: Allowed}
  readPermission: {candidates: Allowed, attributes: [email, first_name], destinations: ["file://FOLDER"]}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: ClinchIntegration
metadata: {name: stalled, namespace: talent}
spec: {endpoint: ENDPOINT, environment: Sandbox, credentials: {secretRef: {name: bad}}}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: ClinchIntegration
metadata: {name: suspended, namespace: talent}
spec: {endpoint: ENDPOINT, environment: Sandbox, credentials: {secretRef: {name: good}}, suspend: true}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: FieldMapping
metadata: {name: ready, namespace: talent}
spec: {fields: [{to: email, from: "emails[0].value", required: true}]}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: FieldMapping
metadata: {name: stalled, namespace: talent}
spec: {fields: [{to: email, expression: "nothing("}]}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {name: ready, namespace: talent}
spec:
  integrationRef: {name: ready}
  source: {inline: [{firstName: Ada, emails: [{value: ada@example.com}]}, {firstName: Bob}]}
  destination: {prospect: {}}
  failureBudget: 1
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {name: stalled, namespace: talent}
spec:
  integrationRef: {name: ready}
  source: {inline: [{firstName: Cyd, emails: [{value: cyd@example.com}]}]}
  destination: {prospect: {}}
  select: "nothing("
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {name: suspended, namespace: talent}
spec:
  integrationRef: {name: ready}
  source: {inline: [{firstName: Dan, emails: [{value: dan@example.com}]}]}
  destination: {prospect: {}}
  mode: DryRun
  suspend: true
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateExport
metadata: {name: waits, namespace: talent}
spec:
  integrationRef: {name: suspended}
  source: {inline: [{firstName: Eve, emails: [{value: eve@example.com}]}]}
  destination: {prospect: {}}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateImport
metadata: {name: ready, namespace: talent}
spec: {integrationRef: {name: ready}, sink: {objectStore: {url: "file://FOLDER/"}}}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateImport
metadata: {name: stalled, namespace: talent}
spec: {integrationRef: {name: ready}, sink: {objectStore: {url: "file://FOLDER/"}}, select: "nothing("}
---
apiVersion: clinch.hireez.dev/v1alpha1
kind: CandidateImport
metadata: {name: suspended, namespace: talent}
spec: {integrationRef: {name: ready}, sink: {objectStore: {url: "file://FOLDER/"}}, suspend: true}
"""
# Prefix of the metrics, fields that become labels of `info`, and fields that become gauges.
KINDS = {
    "candidateexports": ("clinch_export", {"integration": "spec.integrationRef.name", "mode": "spec.mode", "suspend": "spec.suspend"},
                         {"records": "status.counts.total", "pending": "status.counts.pending", "rejected": "status.rejected"}),
    "candidateimports": ("clinch_import", {"integration": "spec.integrationRef.name", "suspend": "spec.suspend"},
                         {"rejected": "status.rejected"}),
    "clinchintegrations": ("clinch_integration", {"environment": "spec.environment", "suspend": "spec.suspend"},
                           {"exports": "status.exports", "last_verified_timestamp_seconds": "status.lastVerifiedTime"}),
    "fieldmappings": ("clinch_mapping", {"direction": "spec.direction"}, {}),
}
# Nothing of these may be published: values of people and Secrets.
PRIVATE = ["Ada", "Bob", "Cyd", "Dan", "Eve", "example.com", "KEY", "secret"]


def fail(text):
    sys.exit(f"kube-state-metrics: {text}")


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def text_of(value):
    return {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value


def field(thing, path):
    for word in path.split("."):
        thing = thing.get(word) if isinstance(thing, dict) else None
    return thing


def number(value):
    if isinstance(value, str):
        return float(time.mktime(time.strptime(value, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone)
    return float(value)


def expected(kind, thing):
    """The series of an object, from the object as the API server has it."""
    prefix, labels, gauges = KINDS[kind]
    base = {"namespace": thing["metadata"]["namespace"], "name": thing["metadata"]["name"]}
    found = {label: text_of(field(thing, path)) for label, path in labels.items()}
    yield f"{prefix}_info", {**base, **{label: value for label, value in found.items() if value is not None}}, 1.0
    for condition in field(thing, "status.conditions") or []:
        of = {name: condition[name] for name in ("type", "reason", "status")}
        yield f"{prefix}_condition", {**base, **of}, float(condition["status"] == "True")
    for name, path in gauges.items():
        if (value := field(thing, path)) is not None:
            yield f"{prefix}_{name}", base, number(value)


def series(text):
    """Every sample of a page, without the labels that kube-state-metrics adds, which are checked here."""
    found = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        sample = SAMPLE.match(line) or fail(f"not a sample: {line}")
        labels = dict(LABEL.findall(sample[2] or ""))
        added = {name: labels.pop(f"customresource_{name}", None) for name in ("group", "version", "kind")}
        if (added["group"], added["version"]) != ("clinch.hireez.dev", "v1alpha1"):
            fail(f"labels that are not documented: {line}")
        key = sample[1], frozenset(labels.items())
        if key in found:
            fail(f"published twice: {line}")
        found[key] = float(sample[3])
    return found


class Trial:
    def __init__(self, programs, tools, program, prometheus, folder):
        self.program, self.prometheus, self.folder, self.started = program, prometheus, folder, []
        path = os.pathsep.join([str(tools), str(programs), os.environ["PATH"]])
        self.environment = {**os.environ, "PATH": path, "KUBEBUILDER_ASSETS": str(tools), "NO_COLOR": "1",
                            "KUBECONFIG": str(folder / "admin"), "TZ": "UTC"}

    def start(self, *command, pattern=None, log=None):
        """A program, once it has printed what it waits for."""
        output = open(log, "w") if log else subprocess.PIPE
        process = subprocess.Popen([str(word) for word in command], env=self.environment, cwd=self.folder, text=True,
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        self.started.append(process)
        if pattern is None:
            return None
        for line in process.stdout:
            if found := re.search(pattern, line):
                return found.group(0)
        return fail(f"{command[0]} ended with {process.wait()} before it was ready")

    def kubectl(self, *words, given=None):
        done = subprocess.run(["kubectl", *words], env=self.environment, cwd=self.folder, text=True, input=given,
                              capture_output=True, timeout=180)
        if done.returncode != 0:
            if words[0] == "wait":
                print(self.kubectl("get", "clinch", "-A", "-o", "yaml"), (self.folder / "operator.log").read_text()[-4000:])
            fail(f"kubectl {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def objects(self):
        """The operator, and objects of each kind in each state."""
        self.start("clinch-control-plane", "--kubeconfig", self.folder / "admin", pattern="KUBECONFIG")
        endpoint = self.start("clinch-sandbox", "--listen", "127.0.0.1:0", "--credential", "hireEZ:KEY:secret",
                              pattern=r"http://127\.0\.0\.1:\d+")
        self.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        self.kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=30s")
        self.kubectl("create", "namespace", "talent")
        # As the chart creates it.
        self.kubectl("create", "secret", "generic", "clinch-operator-ledger-key", "-n", "talent")
        people = self.folder / "people"
        people.mkdir()
        self.start("clinch-operator", "run", "--environment", "sandbox", "--namespace", "talent", "--admin-listen",
                   "127.0.0.1:0", "--allowed-endpoints", endpoint, "--allowed-destinations", f"file://{people}",
                   log=self.folder / "operator.log")
        manifests = OBJECTS.replace("ENDPOINT", endpoint).replace("FOLDER", str(people))
        self.kubectl("apply", "--server-side", "-f", "-", given=manifests)
        for kind in KINDS:
            for state in ("Ready", "Stalled", "Suspended"):
                if (kind, state) != ("fieldmappings", "Suspended"):
                    self.kubectl("wait", "-n", "talent", f"{kind}/{state.lower()}", f"--for=condition={state}", "--timeout=90s")
        self.kubectl("wait", "-n", "talent", "candidateexports/waits", "--timeout=90s",
                     "--for=jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}=IntegrationSuspended")

    def expected(self):
        found = {}
        for kind in KINDS:
            for thing in json.loads(self.kubectl("get", kind, "-A", "-o", "json"))["items"]:
                for name, labels, value in expected(kind, thing):
                    found[name, frozenset(labels.items())] = value
        return found

    def run(self):
        """kube-state-metrics with the rights of rbac.yaml."""
        self.kubectl("create", "serviceaccount", "kube-state-metrics", "-n", "kube-system")
        self.kubectl("apply", "-f", str(DEPLOY / "rbac.yaml"))
        own = self.folder / "own"
        own.write_text((self.folder / "admin").read_text())
        token = self.kubectl("create", "token", "kube-state-metrics", "-n", "kube-system", "--duration=1h")
        self.kubectl("--kubeconfig", str(own), "config", "set-credentials", "own", f"--token={token}")
        self.kubectl("--kubeconfig", str(own), "config", "set-context", "--current", "--user=own")
        port, self.log = free_port(), self.folder / "kube-state-metrics.log"
        self.start(self.program, "--kubeconfig", own, "--custom-resource-state-only", "--host", "127.0.0.1", "--port", port,
                   "--telemetry-host", "127.0.0.1", "--telemetry-port", free_port(),
                   "--custom-resource-state-config-file", DEPLOY / "config.yaml", log=self.log)
        self.url = f"http://127.0.0.1:{port}/metrics"

    def metrics(self):
        try:
            return get(self.url)
        except (urllib.error.URLError, ConnectionError):
            return ""

    def compare(self, what):
        """Waits until what is published is what the objects say; shows the differences otherwise."""
        for _ in range(120):
            text = self.metrics()
            published, wanted = series(text), self.expected()
            if published == wanted:
                return text, wanted
            time.sleep(0.5)
        lines = [f"  missing: {name} {dict(labels)} {value}" for (name, labels), value in wanted.items()
                 if published.get((name, labels)) != value]
        lines += [f"  published: {name} {dict(labels)} {value}" for (name, labels), value in published.items()
                  if wanted.get((name, labels)) != value]
        return fail(f"{what}:\n" + "\n".join(lines) + "\n" + self.log.read_text()[-4000:])

    def scraped(self, count):
        """Prometheus, once it has as many series."""
        port, config = free_port(), self.folder / "prometheus.yml"
        config.write_text(json.dumps({"scrape_configs": [{
            "job_name": "kube-state-metrics", "scrape_interval": "1s", "scrape_timeout": "1s", "honor_labels": True,
            "static_configs": [{"targets": [urllib.parse.urlsplit(self.url).netloc]}]}]}))
        self.start(self.prometheus / "prometheus", "--config.file", config, "--storage.tsdb.path", self.folder / "tsdb",
                   "--web.listen-address", f"127.0.0.1:{port}", log=self.folder / "prometheus.log")
        self.api = f"http://127.0.0.1:{port}/api/v1/query?query="
        for _ in range(60):
            time.sleep(0.5)
            try:
                found = self.query('count({__name__=~"clinch_.*"})')
            except (urllib.error.URLError, ConnectionError):
                continue
            if found and found[0]["value"][1] == str(count):
                return
        fail(f"Prometheus has other than {count} series:\n" + (self.folder / "prometheus.log").read_text()[-2000:])

    def query(self, expression):
        return json.loads(get(self.api + urllib.parse.quote(expression)))["data"]["result"]


def documented():
    return set(re.findall(r"`(clinch_[a-z_]+)`", re.sub(r"```.*?```", "", (DEPLOY / "README.md").read_text(), flags=re.S)))


def trial(trial):
    trial.objects()
    trial.run()
    text, wanted = trial.compare("what is published is not what the objects say")
    names = {name for name, _ in wanted}
    if names != documented():
        fail(f"published and documented names differ: {sorted(names ^ documented())}")
    if shown := [word for word in PRIVATE if word in text]:
        fail(f"published: {shown}")
    # promtool does not know the type info, which kube-state-metrics and Prometheus do.
    page = re.sub("^(# TYPE .*) info$", r"\1 gauge", text, flags=re.M)
    checked = subprocess.run([trial.prometheus / "promtool", "check", "metrics"], input=page, text=True, capture_output=True)
    if checked.returncode != 0 or checked.stderr:
        fail(f"promtool: {checked.stdout}{checked.stderr}")
    trial.scraped(len(wanted))

    alert = re.search(r"```promql\n(.*?)```", (DEPLOY / "README.md").read_text(), re.S).group(1)
    found = sorted(sample["metric"]["name"] for sample in trial.query(alert))
    if found != ["stalled"]:
        fail(f"the alert of the page names {found}")

    # What changes and what is deleted shows.
    trial.kubectl("patch", "-n", "talent", "candidateexport/suspended", "--type=merge", "-p", '{"spec": {"suspend": false}}')
    trial.kubectl("wait", "-n", "talent", "candidateexport/suspended", "--for=condition=Ready", "--timeout=90s")
    trial.kubectl("delete", "-n", "talent", "candidateexport/stalled", "fieldmapping/stalled", "--timeout=60s")
    trial.compare("after changes")
    noise = [line for line in trial.log.read_text().splitlines() if re.match(r"[EWF]\d{4} ", line)]
    if noise:
        fail("kube-state-metrics logged errors:\n" + "\n".join(noise[:20]))
    print(f"kube-state-metrics: {len(names)} metrics, {len(wanted)} series as the statuses of the objects say, all of them in Prometheus")


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    given = [pathlib.Path(argument).resolve() for argument in sys.argv[1:]]
    os.environ["TZ"] = "UTC"
    time.tzset()
    with tempfile.TemporaryDirectory() as folder:
        runs = Trial(*given, pathlib.Path(folder))
        try:
            trial(runs)
        finally:
            for process in reversed(runs.started):
                process.terminate()
                process.wait(60)


if __name__ == "__main__":
    main()
