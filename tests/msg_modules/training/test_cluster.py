"""What `TF_CONFIG` may say; the same texts as the training operator writes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from msg_modules.common.errors import ConfigError
from msg_modules.training import cluster

WORKERS = ["job-worker-0.ns.svc:2222", "job-worker-1.ns.svc:2222"]
CHIEF = ["job-chief-0.ns.svc:2222"]


def _set(monkeypatch: pytest.MonkeyPatch, config: Any) -> None:
    text = config if isinstance(config, str) else json.dumps(config)
    monkeypatch.setenv("TF_CONFIG", text)


def _of(cluster: dict[str, Any], job: str, index: int | str) -> dict[str, Any]:
    task = {"type": job, "index": index}
    return {"cluster": cluster, "task": task, "environment": "cloud"}


@pytest.mark.parametrize("strategy", ["auto", "multi_worker"])
@pytest.mark.parametrize(
    ("jobs", "job", "index", "is_chief", "name"),
    [
        ({"worker": WORKERS}, "worker", 0, True, "worker 0"),
        ({"worker": WORKERS}, "worker", 1, False, "worker 1"),
        ({"worker": WORKERS}, "worker", "1", False, "worker 1"),
        ({"worker": WORKERS, "chief": CHIEF}, "chief", 0, True, "chief"),
        ({"worker": WORKERS, "chief": CHIEF}, "worker", 0, False, "worker 0"),
        ({"worker": WORKERS[:1], "chief": CHIEF}, "worker", 0, False, "worker 0"),
    ],
)
def test_a_tf_config_names_the_chief_and_the_others(
    monkeypatch: pytest.MonkeyPatch,
    strategy: str,
    jobs: dict[str, list[str]],
    job: str,
    index: int | str,
    is_chief: bool,
    name: str,
):
    _set(monkeypatch, _of(jobs, job, index))

    found = cluster.find(strategy)

    assert found is not None
    assert (found.is_chief, found.name) == (is_chief, name)
    assert found.addresses == tuple(jobs.get("chief", []) + jobs["worker"])


@pytest.mark.parametrize("strategy", ["auto", "one_device", "mirrored", "tpu"])
@pytest.mark.parametrize(
    "config",
    [None, "", "{}", {"cluster": {}}, _of({"worker": WORKERS[:1]}, "worker", 0)],
    ids=["none", "empty", "no-cluster", "empty-cluster", "one-worker"],
)
def test_one_process_trains_alone(
    monkeypatch: pytest.MonkeyPatch, strategy: str, config: Any
):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        _set(monkeypatch, config)

    assert cluster.find(strategy) is None


def test_multi_worker_may_be_one_worker(monkeypatch: pytest.MonkeyPatch):
    _set(monkeypatch, _of({"worker": WORKERS[:1]}, "worker", 0))

    found = cluster.find("multi_worker")

    assert found is not None
    assert found.is_chief


def test_multi_worker_without_tf_config_says_how_to_set_it(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.delenv("TF_CONFIG", raising=False)

    with pytest.raises(ConfigError, match=r"TF_CONFIG is not set.*TFJob.*HOST:PORT"):
        cluster.find("multi_worker")


@pytest.mark.parametrize("strategy", ["one_device", "mirrored", "tpu"])
def test_several_processes_that_would_each_train_alone_are_refused(
    monkeypatch: pytest.MonkeyPatch, strategy: str
):
    _set(monkeypatch, _of({"worker": WORKERS}, "worker", 1))

    with pytest.raises(ConfigError, match=r"names 2 processes.*multi_worker"):
        cluster.find(strategy)


@pytest.mark.parametrize("strategy", ["auto", "multi_worker"])
@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ('{"cluster": {"worker": [', "JSON"),
        ("[]", "JSON object"),
        (_of({"worker": WORKERS, "ps": CHIEF}, "worker", 0), "only have the jobs"),
        (_of({"master": CHIEF}, "master", 0), "only have the jobs"),
        ({"cluster": WORKERS}, "only have the jobs"),
        (_of({"worker": []}, "worker", 0), "list of HOST:PORT"),
        (_of({"worker": "a:1"}, "worker", 0), "list of HOST:PORT"),
        (_of({"worker": ["a:1", "b"]}, "worker", 0), "list of HOST:PORT"),
        (_of({"worker": ["a:1", ":2"]}, "worker", 0), "list of HOST:PORT"),
        (_of({"worker": WORKERS, "chief": WORKERS}, "worker", 0), "one chief"),
        ({"cluster": {"worker": WORKERS}}, "task must have a type"),
        (_of({"worker": WORKERS}, "chief", 0), "task must have a type"),
        (_of({"worker": WORKERS}, "worker", 2), "task must have an index"),
        (_of({"worker": WORKERS}, "worker", -1), "task must have an index"),
        (_of({"worker": WORKERS}, "worker", "one"), "task must have an index"),
        ({"cluster": {"worker": WORKERS}, "task": {"type": "worker"}}, "an index"),
    ],
)
def test_a_damaged_tf_config_is_one_line_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, strategy: str, config: Any, wanted: str
):
    _set(monkeypatch, config)

    with pytest.raises(ConfigError) as caught:
        cluster.find(strategy)

    message = str(caught.value)
    assert wanted in message
    assert message.startswith("TF_CONFIG is ")
    assert '{"cluster": {"worker": ["HOST:PORT", ...]}' in message
    assert "\n" not in message
