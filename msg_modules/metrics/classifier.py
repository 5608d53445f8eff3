"""The classifier that provides the features for the metrics.

Inception-v3 was trained on colour photographs of 299x299 pixels. A small network
trained on the dataset itself separates its images better and is fast on a CPU. Where
the images have no labels, it learns to tell by how much they were rotated (Gidaris et
al., arXiv 1803.07728), and metrics that need classes are left out. Metrics are only
comparable for the same classifier, identified by
`ClassifierInfo.content_hash`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from msg_modules.common import files
from msg_modules.common.errors import RunError
from msg_modules.configs import ClassifierConfig
from msg_modules.data.examples import Examples

# Increment the version when the network or its training changes.
EXTRACTOR = "cnn64-1"
FEATURE_DIM = 64

_MODEL_FILE, _INFO_FILE = "classifier.keras", "classifier.json"
_SECOND = "second_opinion"
_CHUNK = 250
_TURNS = 4
# A classifier that learned less than this share of what chance leaves is weak.
_WEAK = 0.25

Task = Literal["classes", "rotations"]


@dataclasses.dataclass(frozen=True)
class ClassifierInfo:
    """Identifies a classifier and describes how it was trained.

    Attributes:
      dataset: Dataset it was trained on, with the version: `fashion_mnist:3.0.1`.
      num_classes: Number of classes.
      num_train: Number of training images.
      num_held_out: Number of held-out images for `accuracy`.
      accuracy: Accuracy on the held-out images.
      seed: Seed for weight initialization and shuffling.
      epochs: Number of epochs; a fraction if `max_steps` ended the training.
      extractor: Version of the network.
      content_hash: Hash of the weights.
      task: What it tells: the `classes` of the dataset, or `rotations`.
      chance: Accuracy of always answering the most frequent class of the held-out
        images.
    """

    dataset: str
    num_classes: int
    num_train: int
    num_held_out: int
    accuracy: float
    seed: int
    epochs: float
    extractor: str
    content_hash: str
    task: Task = "classes"
    chance: float = 0.0

    @property
    def is_weak(self) -> bool:
        """Whether it is hardly better than chance, so that its features say little."""
        return self.accuracy - self.chance < _WEAK * (1 - self.chance)

    def __str__(self) -> str:
        kind = "" if self.task == "classes" else "rotation "
        return (
            f"{self.extractor} {self.content_hash[:8]} on {self.dataset}"
            f" ({self.accuracy:.1%} {kind}accuracy on {self.num_held_out:,} held-out"
            " images)"
        )


class Prediction(NamedTuple):
    """Outputs of the classifier.

    Attributes:
      features: float32 `[num_images, FEATURE_DIM]`, the penultimate layer.
      logits: float32 `[num_images, num_classes]`.
    """

    features: np.ndarray
    logits: np.ndarray


class Classifier:
    """A trained classifier.

    Attributes:
      info: Its description.
    """

    def __init__(self, model: keras.Model, info: ClassifierInfo):
        """Wraps a network; use `train_classifier` or `load_classifier`."""
        self.info = info
        self._model = model
        self._call = tf.function(
            lambda images: model(images, training=False),
            input_signature=[tf.TensorSpec(model.input_shape, tf.float32)],
        )

    def predict(self, images: np.ndarray) -> Prediction:
        """Runs the network on images, in chunks.

        Args:
          images: `[num_images, size, size, channels]` in [-1, 1], of the size and
            channels that it was trained on.
        """
        chunks = [
            self._call(tf.constant(images[start : start + _CHUNK], tf.float32))
            for start in range(0, len(images), _CHUNK)
        ]
        features, logits = zip(*chunks, strict=True)
        return Prediction(np.concatenate(features), np.concatenate(logits))

    def features(self, images: np.ndarray) -> np.ndarray:
        """Returns the features of `predict`."""
        return self.predict(images).features

    def save(self, directory: str | pathlib.Path) -> None:
        """Writes the classifier, through a temporary directory.

        Args:
          directory: Gets `classifier.keras` and `classifier.json`.
        """
        with files.directory_beside(pathlib.Path(directory)) as part:
            part.mkdir()
            self._model.save(part / _MODEL_FILE)
            info = json.dumps(dataclasses.asdict(self.info), indent=2)
            (part / _INFO_FILE).write_text(info + "\n")


class _Lesson:
    """What a classifier learns: images, with their classes or rotated.

    Attributes:
      labels: int `[num_images]`, classes or numbers of quarter turns.
    """

    def __init__(self, examples: Examples, task: Task, seed: int):
        self.labels: np.ndarray
        self._examples = examples
        self._is_rotated = task == "rotations"
        if self._is_rotated:
            turns = np.random.default_rng(seed).integers(0, _TURNS, len(examples))
            self.labels = turns.astype(np.uint8)
        else:
            assert examples.labels is not None
            self.labels = examples.labels

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Returns `[len(indices), size, size, channels]` in [-1, 1]."""
        images = self._examples.largest(indices)
        if not self._is_rotated:
            return images
        turns = self.labels[indices]
        return np.stack([np.rot90(*each) for each in zip(images, turns, strict=True)])


def train_classifier(
    examples: Examples,
    *,
    dataset: str,
    num_classes: int | None,
    config: ClassifierConfig,
    task: Task = "classes",
) -> Classifier:
    """Trains a classifier.

    Args:
      examples: The images, and for the task `classes` their labels, in
        [0, num_classes).
      dataset: Name and version of the dataset, for `ClassifierInfo`.
      num_classes: Number of classes of the images; None for the largest label plus
        one.
      config: Classifier settings.
      task: What to tell, as in `ClassifierInfo`.

    Returns:
      The classifier, with its accuracy on the held-out images.

    Raises:
      RunError: If there are too few images, or a label is out of range.
    """
    num_images = len(examples)
    num_held_out = round(num_images * config.held_out)
    if not 0 < num_held_out < num_images:
        raise RunError(
            f"{dataset} has {num_images} training images, too few to hold out"
            f" {config.held_out:.0%} of them; use more."
        )
    lesson = _Lesson(examples, task, config.seed)
    smallest, largest = int(lesson.labels.min()), int(lesson.labels.max())
    if task == "rotations":
        num_classes = _TURNS
    elif num_classes is None:
        num_classes = largest + 1
    if not 0 <= smallest <= largest < num_classes:
        raise RunError(
            f"{dataset} has labels from {smallest} to {largest}, but the"
            f" classifier has {num_classes} classes; correct --data.num-classes."
        )
    keras.utils.set_random_seed(config.seed)
    order = np.random.default_rng(config.seed).permutation(num_images)
    held_out, train = order[:num_held_out], order[num_held_out:]
    model = _build(examples.images.shape[1:], num_classes)
    epochs = _fit(model, lesson, train, config)
    info = ClassifierInfo(
        dataset=dataset,
        num_classes=num_classes,
        num_train=len(train),
        num_held_out=num_held_out,
        accuracy=0.0,
        seed=config.seed,
        epochs=epochs,
        extractor=EXTRACTOR,
        content_hash=_content_hash(model),
        task=task,
        chance=float(np.bincount(lesson.labels[held_out]).max() / num_held_out),
    )
    accuracy = _accuracy(Classifier(model, info), lesson, held_out)
    return Classifier(model, dataclasses.replace(info, accuracy=accuracy))


def train_judges(
    examples: Examples,
    *,
    dataset: str,
    num_classes: int | None,
    config: ClassifierConfig,
) -> tuple[Classifier, Classifier | None]:
    """Trains the classifier of a dataset, and the second opinion if it is wanted.

    Args:
      examples: The images. Without labels, the classifier learns rotations.
      dataset: See `train_classifier`.
      num_classes: See `train_classifier`.
      config: Classifier settings.

    Returns:
      The classifier; and one that learned rotations, None if it is not wanted or the
      first one did.

    Raises:
      RunError: If there are too few images, or a label is out of range.
    """
    tasks: tuple[Task, ...] = ("rotations",)
    if examples.labels is not None:
        tasks = ("classes", "rotations") if config.second_opinion else ("classes",)
    first, *others = (
        train_classifier(
            examples,
            dataset=dataset,
            num_classes=num_classes,
            config=config,
            task=task,
        )
        for task in tasks
    )
    return first, others[0] if others else None


def save_judges(
    judges: tuple[Classifier, Classifier | None], directory: str | pathlib.Path
) -> None:
    """Writes what `train_judges` returns."""
    first, second = judges
    first.save(directory)
    if second:
        second.save(pathlib.Path(directory) / _SECOND)


def load_judges(
    directory: str | pathlib.Path,
) -> tuple[Classifier, Classifier | None]:
    """Loads what `save_judges` wrote.

    Raises:
      RunError: See `load_classifier`.
    """
    second = pathlib.Path(directory) / _SECOND
    return load_classifier(directory), (
        load_classifier(second) if second.exists() else None
    )


def load_classifier(directory: str | pathlib.Path) -> Classifier:
    """Loads a classifier that `Classifier.save` wrote.

    Args:
      directory: The directory it was saved in.

    Raises:
      RunError: If it is missing or corrupt, has another version of the network, or its
        weights do not match its description.
    """
    path = pathlib.Path(directory)
    remedy = "delete its directory to train it again, or use another one."
    try:
        info = ClassifierInfo(**json.loads((path / _INFO_FILE).read_text()))
        model = keras.saving.load_model(path / _MODEL_FILE, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as e:
        reason = str(e).splitlines()[0][:200]
        raise RunError(
            f"The classifier in {str(path)!r} cannot be read ({reason}); {remedy}"
        ) from e
    if info.extractor != EXTRACTOR:
        raise RunError(
            f"The classifier in {str(path)!r} has version {info.extractor!r}; it must"
            f" be {EXTRACTOR!r}: {remedy}"
        )
    if (content_hash := _content_hash(model)) != info.content_hash:
        raise RunError(
            f"The weights of the classifier in {str(path)!r} have hash {content_hash},"
            f" but its description says {info.content_hash}; {remedy}"
        )
    return Classifier(model, info)


def _build(shape: Sequence[int], num_classes: int) -> keras.Model:
    """Builds the network: images -> features and logits."""
    layers = keras.layers
    images = keras.Input(shape, name="image")
    x = images
    for channels in (32, 64):
        x = layers.Conv2D(channels, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Dropout(0.25)(layers.Flatten()(x))
    features = layers.Dense(FEATURE_DIM, activation="relu", name="features")(x)
    logits = layers.Dense(num_classes, name="logits")(layers.Dropout(0.25)(features))
    return keras.Model(images, [features, logits], name=EXTRACTOR)


def _fit(
    model: keras.Model, lesson: _Lesson, train: np.ndarray, config: ClassifierConfig
) -> float:
    """Trains with Adam and cosine decay of the learning rate to 0.

    Returns:
      The number of epochs.
    """
    batches = -(-len(train) // config.batch_size)
    steps = config.epochs * batches
    if config.max_steps is not None:
        steps = min(steps, config.max_steps)
    schedule = keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
    classifier = keras.Model(model.input, model.output[1])
    classifier.compile(
        keras.optimizers.Adam(schedule),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    shuffle = np.random.default_rng(config.seed + 1)
    # Not `fit`, whose tf.data thread would delay shutdown by up to a minute.
    for batch in itertools.islice(_batches(train, batches, shuffle), steps):
        classifier.train_on_batch(lesson.images(batch), lesson.labels[batch])
    return steps / batches


def _batches(
    train: np.ndarray, batches: int, shuffle: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yields the batches, int `[batch_size]` from `train`, of epoch after epoch."""
    while True:
        yield from np.array_split(shuffle.permutation(train), batches)


def _accuracy(classifier: Classifier, lesson: _Lesson, held_out: np.ndarray) -> float:
    correct = 0
    for start in range(0, len(held_out), _CHUNK):
        indices = held_out[start : start + _CHUNK]
        logits = classifier.predict(lesson.images(indices)).logits
        correct += np.count_nonzero(logits.argmax(axis=1) == lesson.labels[indices])
    return correct / len(held_out)


def _content_hash(model: keras.Model) -> str:
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(str(weight.shape).encode() + weight.tobytes())
    return digest.hexdigest()
