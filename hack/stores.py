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
    listed = set(names())
    return {
        "folders": sum(key in listed for key in FOLDERS),
        "odd": [key for key in odd if key in listed],
    }


class S3:
    def __init__(self, name, command, checks, keys=("AKSTORES", "stores-secret")):
        self.name, self.command, self.checks, self.keys = name, command, checks, keys

    def client(self, port):
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id=self.keys[0],
            aws_secret_access_key=self.keys[1],
            config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def describe(self, port):
        client = self.client(port)
        for bucket in (BUCKET, OTHER):
            client.create_bucket(Bucket=bucket)
        found = fill(
            lambda key, body: client.put_object(Bucket=BUCKET, Key=key, Body=body),
            lambda: [each["Key"] for each in client.list_objects_v2(Bucket=BUCKET)["Contents"]],
            [*ODD, CONTROL],
        )
        credentials = {"AWS_ACCESS_KEY_ID": self.keys[0], "AWS_SECRET_ACCESS_KEY": self.keys[1]}
        origin = f"http://127.0.0.1:{port}"
        return found | {
            "scheme": "s3",
            "allowed": [f"s3://{BUCKET}", f"s3://no-such-{BUCKET}", origin],
            "secret": credentials | {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": origin},
            "secretField": "AWS_SECRET_ACCESS_KEY",
            "environment": credentials
            | {"AWS_ENDPOINT": origin, "AWS_ALLOW_HTTP": "true", "AWS_BUCKET": OTHER},
            "ledgers": f"s3://{BUCKET}/ledgers",
            "namesMissingBuckets": True,
        }


class Azurite:
    name, checks = "Azurite", True

    def __init__(self, command):
        self.command = command

    def describe(self, port):
        from azure.storage.blob import BlobServiceClient

        endpoint = f"http://127.0.0.1:{port}/{AZURITE}"
        service = BlobServiceClient(
            endpoint, credential={"account_name": AZURITE, "account_key": AZURITE_KEY}
        )
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
        credentials = {
            "AZURE_STORAGE_ACCOUNT_NAME": AZURITE,
            "AZURE_STORAGE_ACCOUNT_KEY": AZURITE_KEY,
            "AZURE_STORAGE_ENDPOINT": endpoint,
        }
        allowed = [f"az://{AZURITE}/{BUCKET}", f"az://{AZURITE}/no-such-{BUCKET}"]
        return found | {
            "scheme": "az",
            "allowed": [*allowed, f"http://127.0.0.1:{port}"],
            "secret": credentials,
            "secretField": "AZURE_STORAGE_ACCOUNT_KEY",
            "environment": credentials
            | {"AZURE_ALLOW_HTTP": "true", "AZURE_CONTAINER_NAME": OTHER},
            "ledgers": f"az://{BUCKET}/ledgers",
            "namesMissingBuckets": True,
        }


class FakeGcs:
    name, checks = "fake-gcs-server", False

    def __init__(self, command):
        self.command = command

    def describe(self, port):
        from urllib.parse import quote

        origin = f"http://127.0.0.1:{port}"

        def post(path, body, kind):
            headers = {"content-type": kind}
            request = urllib.request.Request(origin + path, body, headers, method="POST")
            urllib.request.urlopen(request, timeout=10).read()

        for bucket in (BUCKET, OTHER):
            body = json.dumps({"name": bucket}).encode()
            post("/storage/v1/b?project=p", body, "application/json")
        upload = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name="

        def names():
            with urllib.request.urlopen(f"{origin}/storage/v1/b/{BUCKET}/o", timeout=10) as answer:
                return [each["name"] for each in json.load(answer)["items"]]

        def put(key, body):
            post(upload + quote(key, safe=""), body, "text/csv")

        found = fill(put, names, [*ODD, CONTROL])
        settings = {"GOOGLE_BASE_URL": origin, "GOOGLE_SKIP_SIGNATURE": "true"}
        return found | {
            "scheme": "gs",
            "allowed": [f"gs://{BUCKET}", f"gs://no-such-{BUCKET}", origin],
            "secret": settings,
            "secretField": None,
            "environment": settings | {"GOOGLE_BUCKET": OTHER},
            # It has no plain PUT, and answers 500 for a bucket that does not exist.
            "ledgers": None,
            "namesMissingBuckets": False,
        }


def stores(folder, scratch):
    """Each store, with its command as a function of the port."""
    keys = {"ROOT_ACCESS_KEY_ID": "AKSTORES", "ROOT_SECRET_ACCESS_KEY": "stores-secret"}
    gateway = scratch / "versitygw"
    gateway.mkdir()
    (scratch / "azurite").mkdir()
    return [
        S3("moto", lambda port: ([folder / "py/bin/moto_server", "-p", str(port)], {}), False),
        S3(
            "gofakes3",
            lambda port: (
                [folder / "bin/gofakes3", *("-backend", "memory", "-host", f"127.0.0.1:{port}")],
                {},
            ),
            False,
        ),
        S3(
            "versitygw",
            lambda port: (
                [folder / "bin/versitygw", "--port", f"127.0.0.1:{port}", "posix", gateway],
                keys,
            ),
            True,
        ),
        Azurite(
            lambda port: (
                [
                    folder / "azurite/node_modules/.bin/azurite-blob",
                    *("--blobHost", "127.0.0.1", "--blobPort", str(port)),
                    *("--location", scratch / "azurite", "--skipApiVersionCheck", "--silent"),
                ],
                {},
            )
        ),
        FakeGcs(
            lambda port: (
                [
                    folder / "bin/fake-gcs-server",
                    *("-scheme", "http", "-host", "127.0.0.1", "-port", str(port)),
                    *("-backend", "memory", "-public-host", f"127.0.0.1:{port}"),
                ],
                {},
            )
        ),
    ]


def wait_for(port, process):
    for _ in range(600):
        if process.poll() is not None:
            return False
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.1)
    return False


def main():
    folder, command = Path(sys.argv[1]).resolve(), sys.argv[2:]
    started, described = [], []
    with tempfile.TemporaryDirectory() as scratch:
        try:
            for store in stores(folder, Path(scratch)):
                port = free_port()
                arguments, environment = store.command(port)
                log = open(Path(scratch) / f"{store.name}.log", "wb")
                process = subprocess.Popen(
                    [str(argument) for argument in arguments],
                    env=os.environ | environment,
                    stdout=log,
                    stderr=log,
                )
                started.append(process)
                if not wait_for(port, process):
                    print(f"{store.name} does not start:")
                    print(Path(log.name).read_text(errors="replace")[-2000:])
                    return 1
                print(f"  {store.name}")
                described.append(
                    {"name": store.name, "checks": store.checks} | store.describe(port)
                )
            file = Path(scratch) / "stores.json"
            file.write_text(json.dumps(described))
            return subprocess.call(command, env=os.environ | {"CLINCH_STORES": str(file)})
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait()


if __name__ == "__main__":
    sys.exit(main())
