"""Small trainings, a pushed model and images that several test files share."""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from specs import FASHION
from stripes import make_stripes, stripes_classifier  # noqa: F401

from msg_modules.configs import ModelConfig, TrainConfig

if TYPE_CHECKING:
    import keras
    from server_process import Server

    from msg_modules.data.examples import Examples
    from msg_modules.generator.sampling import Generator

MODEL = ModelConfig(network="compact", latent_dim=8)
# The penalty is strong and the average short, so that both show in six steps. Without
# momentum, six steps of Adam would make much of little differences.
RECIPE = TrainConfig(
    steps=6,
    batch_size=8,
    beta_1=0.5,
    r1_gamma=5.0,
    penalty_interval=2,
    ema_half_life=20,
    strategy="one_device",
    seed=3,
    report_every=2,
    sample_every=2,
    checkpoint_every=3,
    # However slow the machine is.
    checkpoint_seconds=1e9,
)


class Trained(NamedTuple):
    """A finished training and what it was made from."""

    gan: object
    model: ModelConfig
    recipe: TrainConfig
    examples: Examples
    directory: pathlib.Path


def _make_examples(num_images: int, seed: int = 0) -> Examples:
    from msg_modules.data.examples import Examples

    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, [num_images, 28, 28, 1], np.uint8)
    return Examples(images, None, FASHION)


@pytest.fixture(scope="session")
def make_examples() -> Callable[..., Examples]:
    """A function (num_images, seed) -> noise."""
    return _make_examples


@pytest.fixture(scope="session")
def make_pyramids() -> Callable[..., tuple[np.ndarray, ...]]:
    """A function (num_images, seed) -> the noise of `make_examples` at its scales."""
    return lambda *args, **kwargs: _make_examples(*args, **kwargs).pyramid(slice(None))


@pytest.fixture(scope="session")
def write_examples() -> Callable[..., None]:
    """A function that writes pyramids as Transform does: gzipped tf.Examples."""
    import tensorflow as tf

    def write(
        path: pathlib.Path,
        pyramids: Sequence[np.ndarray],
        labels: Sequence[int] | None = None,
    ) -> None:
        labels = labels or [0] * len(pyramids[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for *images, label in zip(*pyramids, labels, strict=True):
                features = {
                    f"image_{size}": tf.train.Feature(
                        float_list=tf.train.FloatList(value=image.ravel())
                    )
                    for size, image in zip(FASHION.sizes, images, strict=True)
                }
                features["label"] = tf.train.Feature(
                    int64_list=tf.train.Int64List(value=[label])
                )
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())

    return write


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Six steps on one device without interruption. Copy its directory."""
    from msg_modules.training import loop

    directory = tmp_path_factory.mktemp("trained")
    examples = _make_examples(20, seed=1)
    gan = loop.train(MODEL, RECIPE, examples, directory)
    return Trained(gan, MODEL, RECIPE, examples, directory)


@pytest.fixture
def trained_copy(trained: Trained, tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of the training's directory that a test may change."""
    return pathlib.Path(shutil.copytree(trained.directory, tmp_path / "work"))


@pytest.fixture(scope="session")
def serving_dir(
    trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    """A serving directory with the trained generator as version 7."""
    from msg_modules.generator import export

    directory = tmp_path_factory.mktemp("serving")
    export.export(
        trained.gan.ema_generator, trained.model.latent_dim, str(directory / "7")
    )
    return directory


@pytest.fixture(scope="session")
def pushed(serving_dir: pathlib.Path) -> Generator:
    """The generator of `serving_dir`."""
    from msg_modules.generator import sampling

    return sampling.load_generator(serving_dir)


@pytest.fixture(scope="session")
def conditional_network() -> keras.Model:
    """A fresh generator of images of three classes: codes -> pyramid."""
    from specs import FASHION

    from msg_modules.gan import networks

    generator, _ = networks.build("compact", 8, FASHION, num_classes=3)
    return generator


@pytest.fixture(scope="session")
def conditional_dir(
    conditional_network: keras.Model, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    """A serving directory with the conditional generator as version 8."""
    from msg_modules.data.class_spec import ClassSpec
    from msg_modules.generator import export

    directory = tmp_path_factory.mktemp("conditional")
    classes = ClassSpec(("Bag", "Ankle boot", "T-shirt/top"), (0.1, 0.6, 0.3))
    export.export(conditional_network, 8, str(directory / "8"), classes)
    return directory


@pytest.fixture(scope="session")
def conditional(conditional_dir: pathlib.Path) -> Generator:
    """The generator of `conditional_dir`."""
    from msg_modules.generator import sampling

    return sampling.load_generator(conditional_dir)


@pytest.fixture(scope="session")
def server(
    serving_dir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """`msg-gan serve` on a copy of `serving_dir`."""
    pytest.importorskip("fastapi")
    from server_process import Server

    directory = tmp_path_factory.mktemp("served")
    shutil.copytree(serving_dir / "7", directory / "7")
    server = Server(directory)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def repository() -> str:
    """Where a process must run that shall import what is tested."""
    import msg_modules

    return str(pathlib.Path(msg_modules.__file__).parents[1])
