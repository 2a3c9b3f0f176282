#!/usr/bin/env python3
"""Starts object stores of other authors, fills them, and runs a command beside them.

    hack/stores.py FOLDER COMMAND...

FOLDER is where hack/verify.sh installed the stores. The command finds the path of a JSON file in
CLINCH_STORES: how to use each store, and which of the odd names it took. Everything listens on
loopback and ends with the command. Exit code: that of the command; 1 if a store does not start.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.parse import quote

BUCKET, OTHER = "people", "other"
PEOPLE = "".join(f"Ada{n},Fable,ada{n}@example.com\n" for n in range(40))
CSV = ("First Name,Last Name,Email\n" + PEOPLE).encode()
LINES = b"".join(
    json.dumps({"firstName": f"Bo{n}", "emails": [{"value": f"bo{n}@example.com"}]}).encode() + b"\n"
    for n in range(60)
)
# What a pattern under in/ selects, what it leaves out, and names that mean more than one thing.
PLAIN = {"in/a.csv": CSV, "in/b.ndjson": LINES, "in/_SUCCESS": b""}
FOLDERS = ["in/sub/"]
ODD = ["in//c.txt", "in/./d.txt"]
CONTROL = "odd/e\x01.csv"
AZURITE = "devstoreaccount1"
# The key that every copy of Azurite has.
AZURITE_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def fill(put, names, odd):
    """Puts the objects. What the store did with odd names shows in the list of its own client: some
    refuse them, and some keep the object under another name."""
    for key, body in PLAIN.items():
        put(key, body)
    for key in FOLDERS + odd:
        try:
            put(key, b"" if key in FOLDERS else CSV)
        except Exception as refusal:  # each client has its own errors
            print(f"    {key!r} is refused ({type(refusal).__name__})")
    # In XML 1.0 a control character cannot be written: some lists have U+FFFD instead.
    shown = str.maketrans({chr(code): "\ufffd" for code in range(32)})
    listed = set(names())
    return {
        "folders": sum(key in listed for key in FOLDERS),
        "odd": [key for key in odd if key in listed or key.translate(shown) in listed],
    }


class Store:
    """A server of a store: its command, and whether it checks credentials."""

    def __init__(self, name, command, environment=None, checks=False):
        self.name, self.command = name, [str(part) for part in command]
        self.environment, self.checks = environment or {}, checks
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"

    def start(self, log):
        command = [part.replace("PORT", str(self.port)) for part in self.command]
        environment = os.environ | self.environment
        self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        for _ in range(600):
            if self.process.poll() is not None:
                return False
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self.port)) == 0:
                    return True
            time.sleep(0.1)
        return False

    def stop(self):
        """Azurite waits two minutes for its clients to close their connections."""
        self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def described(self, found, scheme, places, secret, environment, **more):
        """The description in the file: the defaults are those of most stores."""
        description = {
            "name": self.name,
            "checks": self.checks,
            "scheme": scheme,
            "allowed": [*(f"{scheme}://{place}" for place in places), self.origin],
            "secret": secret,
            "secretField": None,
            "environment": environment,
            "ledgers": f"{scheme}://{BUCKET}/ledgers",
            "namesMissingBuckets": True,
            "writesFiles": True,
        }
        return description | found | more


class S3(Store):
    keys = ("AKSTORES", "stores-secret")

    def describe(self):
        import boto3
        from botocore.config import Config

        client = boto3.client(
            "s3",
            endpoint_url=self.origin,
            region_name="us-east-1",
            aws_access_key_id=self.keys[0],
            aws_secret_access_key=self.keys[1],
            config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
        )
        for bucket in (BUCKET, OTHER):
            client.create_bucket(Bucket=bucket)
        found = fill(
            lambda key, body: client.put_object(Bucket=BUCKET, Key=key, Body=body),
            lambda: [each["Key"] for each in client.list_objects_v2(Bucket=BUCKET)["Contents"]],
            [*ODD, CONTROL],
        )
        keys = dict(zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), self.keys))
        return self.described(
            found,
            "s3",
            [BUCKET, f"no-such-{BUCKET}"],
            keys | {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": self.origin},
            keys | {"AWS_ENDPOINT": self.origin, "AWS_ALLOW_HTTP": "true", "AWS_BUCKET": OTHER},
            secretField="AWS_SECRET_ACCESS_KEY",
        )


class Azurite(Store):
    def describe(self):
        from azure.storage.blob import BlobServiceClient

        endpoint = f"{self.origin}/{AZURITE}"
        credential = {"account_name": AZURITE, "account_key": AZURITE_KEY}
        service = BlobServiceClient(endpoint, credential=credential)
        container = service.create_container(BUCKET)
        service.create_container(OTHER)
        found = fill(
            lambda key, body: container.upload_blob(key, body),
            lambda: list(container.list_blob_names()),
            # With a control character in a name, Azurite answers every list with status 500.
            ODD,
        )
        # As file systems on top of Azure mark a folder.
        container.upload_blob("in/marker", b"", metadata={"hdi_isfolder": "true"})
        found["folders"] += 1
        secret = {
            "AZURE_STORAGE_ACCOUNT_NAME": AZURITE,
            "AZURE_STORAGE_ACCOUNT_KEY": AZURITE_KEY,
            "AZURE_STORAGE_ENDPOINT": endpoint,
        }
        return self.described(
            found,
            "az",
            [f"{AZURITE}/{BUCKET}", f"{AZURITE}/no-such-{BUCKET}"],
            secret,
            secret | {"AZURE_ALLOW_HTTP": "true", "AZURE_CONTAINER_NAME": OTHER},
            secretField="AZURE_STORAGE_ACCOUNT_KEY",
        )


class FakeGcs(Store):
    def call(self, path, body=None, kind="application/json"):
        request = urllib.request.Request(self.origin + path, body, {"content-type": kind})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def describe(self):
        for bucket in (BUCKET, OTHER):
            self.call("/storage/v1/b?project=p", json.dumps({"name": bucket}).encode())
        upload = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name="
        found = fill(
            lambda key, body: self.call(upload + quote(key, safe=""), body, "text/csv"),
            lambda: [each["name"] for each in self.call(f"/storage/v1/b/{BUCKET}/o")["items"]],
            [*ODD, CONTROL],
        )
        secret = {"GOOGLE_BASE_URL": self.origin, "GOOGLE_SKIP_SIGNATURE": "true"}
        return self.described(
            found,
            "gs",
            [BUCKET, f"no-such-{BUCKET}"],
            secret,
            secret | {"GOOGLE_BUCKET": OTHER},
            # It has no plain PUT, and answers 500 for a bucket that does not exist.
            ledgers=None,
            namesMissingBuckets=False,
            writesFiles=False,
        )


def stores(folder, scratch):
    """Each store; in a command, PORT stands for its port."""
    (scratch / "versitygw").mkdir()
    (scratch / "azurite").mkdir()
    keys = dict(zip(("ROOT_ACCESS_KEY_ID", "ROOT_SECRET_ACCESS_KEY"), S3.keys))
    gofakes3 = ["-backend", "memory", "-host", "127.0.0.1:PORT"]
    gateway = ["--port", "127.0.0.1:PORT", "posix", scratch / "versitygw"]
    azurite = [
        *("--blobHost", "127.0.0.1", "--blobPort", "PORT"),
        *("--location", scratch / "azurite", "--skipApiVersionCheck", "--silent"),
    ]
    gcs = [
        *("-scheme", "http", "-host", "127.0.0.1", "-port", "PORT"),
        *("-backend", "memory", "-public-host", "127.0.0.1:PORT"),
    ]
    blobs = folder / "azurite/node_modules/.bin/azurite-blob"
    return [
        S3("moto", [folder / "py/bin/moto_server", "-p", "PORT"]),
        S3("gofakes3", [folder / "bin/gofakes3", *gofakes3]),
        S3("versitygw", [folder / "bin/versitygw", *gateway], keys, checks=True),
        Azurite("Azurite", [blobs, *azurite], checks=True),
        FakeGcs("fake-gcs-server", [folder / "bin/fake-gcs-server", *gcs]),
    ]


def main():
    folder, command = Path(sys.argv[1]).resolve(), sys.argv[2:]
    started, described = [], []
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        try:
            for store in stores(folder, scratch):
                log = scratch / f"{store.name}.log"
                with log.open("wb") as output:
                    starts = store.start(output)
                started.append(store)
                if not starts:
                    print(f"{store.name} does not start:")
                    print(log.read_text(errors="replace")[-2000:])
                    return 1
                print(f"  {store.name}", flush=True)
                described.append(store.describe())
            file = scratch / "stores.json"
            file.write_text(json.dumps(described))
            return subprocess.call(command, env=os.environ | {"CLINCH_STORES": str(file)})
        finally:
            for store in started:
                store.stop()


if __name__ == "__main__":
    sys.exit(main())
