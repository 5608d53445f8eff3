"""The worked examples of CONTRIBUTING.md, applied to a copy of the source and run."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).parents[1]
# At most so many files are touched by each example.
FILES = {
    "A loss": 2,
    "A network": 2,
    "A metric": 2,
    "A TFDS dataset": 2,
    "A preset": 1,
    "A serving endpoint": 1,
    "A Kubeflow flag": 2,
}
CHECK = """
import pathlib, sys
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from fastapi.testclient import TestClient

import components.tfds_example_gen.builders
from msg_modules.configs import ModelConfig, ServeLimits, TrainConfig
from msg_modules.data.image_spec import ImageSpec
from msg_modules.gan.step import Gan
from msg_modules.generator.export import export
from msg_modules.generator.sampling import load_generator
from msg_modules.metrics import yardstick
from msg_modules.serving.app import create_app
from pipeline import flags
from pipeline.kubeflow.configs import KubeflowConfig
from pipeline.kubeflow.pod_settings import platform_spec

here = pathlib.Path.cwd()
assert pathlib.Path(yardstick.__file__).is_relative_to(here), yardstick.__file__

FASHION = ImageSpec(size=28, channels=1, scales=3)
train = TrainConfig(loss="saturating", batch_size=4)
gan = Gan(ModelConfig(network="dense", latent_dim=8), train, FASHION, 1)
images = tuple(tf.zeros([4, size, size, 1]) for size in (7, 14, 28))
assert np.all(np.isfinite(gan.replica_step(images, with_penalty=True)))

halves = np.concatenate([np.full([2, 28, 14, 1], v) for v in (-1.0, 1.0)], axis=2)
assert yardstick.contrast.mean_contrast(halves) == 1.0
assert yardstick.metrics_of(FASHION)["contrast"].label == "Contrast"

builder = tfds.builder("noise", data_dir=here / "tfds")
builder.download_and_prepare()
assert builder.info.splits["train"].num_examples == 400

args = flags.parse(flags.RunnerArgs, ["--preset", "hinge"], "runner", "")
assert args.config.train.loss == "hinge"

export(gan.ema_generator, 8, str(here / "serving" / "1"))
generator = load_generator(here / "serving")
app = create_app(here / "serving", generator, "msg_gan", ServeLimits())
with TestClient(app) as client:
    assert client.get("/latent_dim").json() == {"latent_dim": 8}

config = KubeflowConfig(node_variable="NODE")
spec = platform_spec({"Pusher": "executor"}, config)
executors = spec["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
(field,) = executors["executor"]["fieldPathAsEnv"]
assert field == {"name": "NODE", "fieldPath": "spec.nodeName"}
"""


def _examples() -> dict[str, str]:
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    return dict(re.findall(r"### (.+?)\n.*?```diff\n(.*?)```", text, re.DOTALL))


def test_each_example_touches_few_files() -> None:
    examples = _examples()
    assert examples.keys() == FILES.keys()
    for title, patch in examples.items():
        assert len(re.findall(r"^\+\+\+ ", patch, re.MULTILINE)) <= FILES[title]


@pytest.mark.slow
def test_the_examples_work(tmp_path: pathlib.Path) -> None:
    for name in ("components", "msg_modules", "pipeline"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    for title, patch in _examples().items():
        applied = subprocess.run(
            ["git", "apply", "--whitespace=nowarn", "-"],
            input=patch,
            cwd=tmp_path,
            text=True,
            capture_output=True,
        )
        assert applied.returncode == 0, f"{title}: {applied.stderr}"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    subprocess.run(
        [sys.executable, "-c", CHECK], cwd=tmp_path, env=environment, check=True
    )
