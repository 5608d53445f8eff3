"""A file that was damaged is named in a line, whatever is in it."""

from __future__ import annotations

import json
import pathlib
import shutil
import webbrowser
from typing import Any

import fuzzing
import hypothesis
import numpy as np
import PIL.Image
import pytest
import yaml
from hypothesis import strategies as st
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2

from msg_modules import cli
from msg_modules.configs import EvaluateConfig

# Most cases load a SavedModel.
pytestmark = pytest.mark.slow

EVALUATION = "GanEvaluator/evaluation/9"
METRICS = {
    "dataset": "stripes:1.0.0",
    "split": "test[:40]",
    "judged": "2026-08-01T10:00:00",
    "blessed": True,
    "reasons": [],
    "training": {"images": 6400},
    "figures": {
        name: {"label": name, "value": 0.5}
        for name in ("frechet", "precision", "recall", "coverage")
    },
    # There is no classifier, so that an evaluation ends before it begins.
    "lineage": {"examples": "none/examples", "classifier": "none/classifier"},
    "extractor": {"content_hash": "0"},
    "config": vars(EvaluateConfig()),
}
CARD = {
    "license": "apache-2.0",
    "tags": ["gan"],
    "model-index": [
        {
            "name": "msg-gan",
            "results": [
                {
                    "dataset": {"name": "stripes", "type": "stripes"},
                    "metrics": [{"name": "recall", "type": "recall", "value": 0.5}],
                }
            ],
        }
    ],
}
# A file -> the commands that read it.
READERS = {
    f"root/{EVALUATION}/metrics.json": [
        ["runs", "--root", "root"],
        ["evaluate", "--model", "serving", "--run", "root", "--num-seeds", "1"],
    ],
    f"root/{EVALUATION}/report.html": [["report", "--run", "root"]],
    "root/metadata.sqlite": [["runs", "--root", "root"]],
    "root/samples/step-00000002.png": [
        ["timelapse", "--run", "root", "--output", "new.gif", "--force"]
    ],
    "root/Transform/transformed_examples/1/Split-train/part-0.gz": [
        ["real", "--run", "root", "--output", "new.png", "--force"],
    ],
    "serving/7/saved_model.pb": [["info", "--model", "serving"]],
    "serving/7/variables/variables.index": [["info", "--model", "serving"]],
    "serving/7/variables/variables.data-00000-of-00001": [
        ["info", "--model", "serving"]
    ],
    "serving/7/README.md": [["info", "--model", "serving"]],
}


@pytest.fixture(scope="module")
def intact(serving_dir: pathlib.Path, write_examples, make_pyramids, tmp_path_factory):
    """A pipeline root and a serving directory."""
    place = tmp_path_factory.mktemp("intact")
    shutil.copytree(serving_dir, place / "serving")
    root = place / "root"
    write_examples(
        root / "Transform/transformed_examples/1/Split-train/part-0.gz",
        make_pyramids(4),
    )
    (root / EVALUATION).mkdir(parents=True)
    (root / EVALUATION / "metrics.json").write_text(json.dumps(METRICS))
    (root / EVALUATION / "report.html").write_text("<html></html>")
    (place / "serving/7/README.md").write_text(_card(CARD))
    (root / "samples").mkdir()
    for step in (1, 2):
        picture = PIL.Image.fromarray(np.full([28, 28], step, np.uint8))
        picture.save(root / "samples" / f"step-{step:08d}.png")
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(root / "metadata.sqlite")
    store = metadata_store.MetadataStore(config)
    kind = store.put_artifact_type(
        metadata_store_pb2.ArtifactType(name="ModelEvaluation")
    )
    store.put_artifacts(
        [metadata_store_pb2.Artifact(type_id=kind, uri=str(root / EVALUATION))]
    )
    return place


@pytest.fixture
def place(
    intact: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> pathlib.Path:
    monkeypatch.setattr(webbrowser, "open", lambda url: True)
    copy = tmp_path / "place"
    shutil.copytree(intact, copy)
    monkeypatch.chdir(copy)
    return copy


def _card(front: Any) -> str:
    return f"---\n{yaml.safe_dump(front)}---\n# Generator\n"


@pytest.mark.parametrize("name", READERS)
def test_all_files_are_read(place: pathlib.Path, name: str):
    for words in READERS[name]:
        ended = fuzzing.run(cli.main, words)
        if words[0] == "evaluate":
            assert "none/classifier" in ended.error
        else:
            assert ended.status == 0, ended.error


@pytest.mark.parametrize("name", READERS)
@hypothesis.given(data=st.data())
def test_a_damaged_file_is_named(place: pathlib.Path, name: str, data: st.DataObject):
    words = data.draw(st.sampled_from(READERS[name]))
    write = {".json": json.dumps, ".md": _card}.get(pathlib.Path(name).suffix)
    document = {".json": METRICS, ".md": CARD}.get(pathlib.Path(name).suffix)
    with fuzzing.damaged(place / name, data, document, write):
        ended = fuzzing.run(cli.main, words)
    fuzzing.check_outcome(ended, words)
    if ended.status:
        # A directory of files that belong together, or a pattern of them.
        parts = [name.rpartition("/")[2], name.rpartition("/")[0], name.split("/")[0]]
        # Where the damage does not matter, or is to the classifier's path.
        parts.append("The classifier in ")
        assert any(part in ended.error for part in parts), ended.error
