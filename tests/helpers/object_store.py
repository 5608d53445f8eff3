"""An S3 server, and what KFP's launcher does with it.

After backend/src/v2/objectstore/object_store.go of kubeflow/pipelines: only files are
uploaded, so a directory without files is not there for the next step.
"""

from __future__ import annotations

import functools
import logging
import pathlib
import shutil
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

_SCHEMES = {"minio": "minio", "s3": "s3", "gs": "gcs"}


@functools.cache
def _client() -> Any:
    """A client of a server that runs as long as this process."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="minio",
        aws_secret_access_key="minio123",
    )


def is_uri(place: str) -> bool:
    """Whether a place is in an object store, and not a path."""
    return "://" in place


def local_path(uri: str, root: pathlib.Path) -> pathlib.Path:
    """Where the launcher puts an artifact in a pod, whose disk is `root`."""
    scheme, _, path = uri.partition("://")
    return root / _SCHEMES[scheme] / path


def upload(source: pathlib.Path, uri: str) -> None:
    """Uploads a file, or the files below a directory."""
    bucket, key = _place(uri)
    _client().create_bucket(Bucket=bucket)
    files = [source] if source.is_file() else sorted(source.rglob("*"))
    for path in files:
        if path.is_file():
            name = "" if path == source else f"/{path.relative_to(source)}"
            _client().upload_file(str(path), bucket, f"{key}{name}")


def download(uri: str, target: pathlib.Path) -> None:
    """Downloads an artifact: a file, or all files whose keys are below its own."""
    bucket, key = _place(uri)
    shutil.rmtree(target, ignore_errors=True)
    pages = _client().get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket, Prefix=key):
        for found in page.get("Contents", []):
            name = found["Key"].removeprefix(key)
            if name and not name.startswith("/"):
                continue  # Another artifact, whose key begins like this one's.
            path = target / name.lstrip("/") if name else target
            path.parent.mkdir(parents=True, exist_ok=True)
            _client().download_file(bucket, found["Key"], str(path))


def _place(uri: str) -> tuple[str, str]:
    _, _, path = uri.partition("://")
    bucket, _, key = path.partition("/")
    return bucket, key
