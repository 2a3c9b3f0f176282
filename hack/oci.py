#!/usr/bin/env python3
"""Writes an OCI image layout as a tar file: one layer with root certificates, one with a program.

    hack/oci.py PROGRAM ROOTS OUTPUT

Times are SOURCE_DATE_EPOCH, owners root, and the order of files is fixed, so that the same input gives the same
bytes (with the same zlib, which compresses the layers). Prints the digest of the image and its size. hack/image.sh
calls it.
"""

import gzip
import hashlib
import io
import json
import os
import platform
import sys
import tarfile
from datetime import datetime, timezone

EPOCH = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
ROOTS = "etc/ssl/certs/ca-certificates.crt"
NAME = "clinch-operator"


def archive(files):
    """A tar file of folders and (path, mode, bytes), in order."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        folders = set()
        for path, mode, data in files:
            parts = path.split("/")[:-1]
            for depth in range(1, len(parts) + 1):
                folder = "/".join(parts[:depth])
                if folder not in folders:
                    folders.add(folder)
                    entry = tarfile.TarInfo(folder)
                    entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, EPOCH
                    tar.addfile(entry)
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.mtime = len(data), mode, EPOCH
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    program, roots, output = sys.argv[1:]
    with open(program, "rb") as file:
        program = file.read()
    with open(roots, "rb") as file:
        roots = file.read()
    with open(os.path.join(os.path.dirname(__file__), "..", "Cargo.toml"), encoding="utf-8") as file:
        version = next(line.split('"')[1] for line in file if line.startswith("version"))
    created = datetime.fromtimestamp(EPOCH, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    blobs = {}

    def blob(data, media):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"mediaType": "application/vnd.oci.image." + media, "digest": digest, "size": len(data)}

    contents = [[(ROOTS, 0o644, roots)], [(NAME, 0o755, program)]]
    layers = [archive(files) for files in contents]
    config = {
        "created": created,
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()],
        "os": "linux",
        "config": {
            "User": "65532:65532",
            "ExposedPorts": {"8080/tcp": {}},
            "Env": ["SSL_CERT_FILE=/" + ROOTS],
            "Entrypoint": ["/" + NAME],
            "Cmd": ["run"],
            "Labels": {
                "org.opencontainers.image.title": NAME,
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.licenses": "Apache-2.0",
            },
        },
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]},
        "history": [{"created": created, "created_by": "hack/image.sh"} for _ in layers],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(json.dumps(config).encode(), "config.v1+json"),
        "layers": [blob(gzip.compress(layer, 9, mtime=0), "layer.v1.tar+gzip") for layer in layers],
    }
    image = blob(json.dumps(manifest).encode(), "manifest.v1+json")
    image["annotations"] = {"org.opencontainers.image.ref.name": version}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [image]}
    layout = [("oci-layout", 0o644, b'{"imageLayoutVersion": "1.0.0"}'), ("index.json", 0o644, json.dumps(index).encode())]
    layout += [("blobs/" + digest.replace(":", "/"), 0o644, data) for digest, data in sorted(blobs.items())]
    with open(output, "wb") as file:
        file.write(archive(layout))
    size = sum(layer["size"] for layer in manifest["layers"])
    print(f"{output}: {image['digest']}, {size / 2**20:.1f} MiB of layers")


main()
