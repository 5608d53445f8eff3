"""The classifier whose features the metrics compare images in."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from eight_bits import examples_of

from msg_modules.common.errors import ConfigError, RunError
from msg_modules.configs import ClassifierConfig
from msg_modules.metrics import classifier


@pytest.fixture
def saved(
    stripes_classifier: classifier.Classifier, tmp_path: pathlib.Path
) -> pathlib.Path:
    """A directory with the classifier that a test may spoil."""
    stripes_classifier.save(tmp_path / "classifier")
    return tmp_path / "classifier"


def test_tells_new_images_apart(stripes_classifier, make_stripes) -> None:
    images, labels = make_stripes(300, seed=1)
    prediction = stripes_classifier.predict(images)
    assert np.mean(prediction.logits.argmax(axis=1) == labels) > 0.95
    assert prediction.features.shape == (300, classifier.FEATURE_DIM)
    assert prediction.logits.shape == (300, 3)


def test_says_where_it_comes_from(stripes_classifier) -> None:
    info = stripes_classifier.info
    assert (info.dataset, info.num_classes) == ("stripes:1.0.0", 3)
    assert (info.num_train, info.num_held_out) == (540, 60)
    assert info.accuracy > 0.9
    assert info.extractor == classifier.EXTRACTOR
    for word in ("stripes:1.0.0", info.content_hash[:8], "60 held-out"):
        assert word in str(info)


def test_features_do_not_depend_on_the_chunks(stripes_classifier, make_stripes) -> None:
    images, _ = make_stripes(503, seed=1)
    together = stripes_classifier.features(images)
    assert together.shape == (503, classifier.FEATURE_DIM)
    alone = np.concatenate(
        [stripes_classifier.features(images[i : i + 1]) for i in (0, 249, 250, 502)]
    )
    np.testing.assert_allclose(together[[0, 249, 250, 502]], alone, atol=1e-4)


@pytest.mark.slow
def test_another_process_loads_it_without_tfx(
    saved: pathlib.Path, stripes_classifier, make_stripes, repository: str
) -> None:
    images, _ = make_stripes(20, seed=2)
    np.save(saved.parent / "images.npy", images)
    code = (
        "import sys, numpy as np\n"
        "from msg_modules.metrics import classifier\n"
        "loaded = classifier.load_classifier(sys.argv[1])\n"
        "features = loaded.features(np.load(sys.argv[2]))\n"
        "np.save(sys.argv[3], features)\n"
        "print(loaded.info.content_hash)\n"
        "sys.exit('tfx' in sys.modules)\n"
    )
    files = [str(saved.parent / name) for name in ("images.npy", "features.npy")]
    run = subprocess.run(
        [sys.executable, "-c", code, str(saved), *files],
        capture_output=True,
        text=True,
        check=True,
        cwd=repository,
    )
    assert run.stdout.strip() == stripes_classifier.info.content_hash
    np.testing.assert_allclose(
        np.load(files[1]), stripes_classifier.features(images), atol=1e-4
    )


def test_saving_leaves_nothing_beside_it(saved: pathlib.Path) -> None:
    assert [path.name for path in saved.parent.iterdir()] == ["classifier"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("classifier.json", "{", "cannot be read"),
        ("classifier.json", "[]", "cannot be read"),
        ("classifier.keras", "no archive", "cannot be read"),
    ],
)
def test_damaged_file(saved, name: str, content: str, words: str) -> None:
    (saved / name).write_text(content)
    with pytest.raises(RunError, match=words) as e:
        classifier.load_classifier(saved)
    assert str(saved) in str(e.value)


def test_missing_directory(tmp_path: pathlib.Path) -> None:
    with pytest.raises(RunError, match="nowhere"):
        classifier.load_classifier(tmp_path / "nowhere")


@pytest.mark.parametrize("field", ["content_hash", "extractor"])
def test_weights_that_are_not_those_described(saved, field: str) -> None:
    path = saved / "classifier.json"
    info = json.loads(path.read_text())
    path.write_text(json.dumps({**info, field: "another"}))
    with pytest.raises(RunError, match="another") as e:
        classifier.load_classifier(saved)
    assert info[field] in str(e.value)


@pytest.mark.parametrize("labels", [[0, 1, 3, 2] * 3, [0, -1, 2, 1] * 3])
def test_label_out_of_range(labels: list[int]) -> None:
    with pytest.raises(RunError, match="3 classes"):
        classifier.train_classifier(
            examples_of(np.zeros([12, 28, 28, 1]), np.array(labels)),
            dataset="some",
            num_classes=3,
            config=ClassifierConfig(),
        )


def test_without_labels_it_learns_to_tell_by_how_much_images_are_turned() -> None:
    # Bright at the top, and at the left to a lesser degree.
    random = np.random.default_rng(0)
    y, x = np.mgrid[1:-1:28j, 1:-1:28j]
    slopes = random.uniform(0.2, 0.5, [400, 2, 1, 1])
    images = -slopes[:, 0] * y - 0.3 * slopes[:, 1] * x

    trained = classifier.train_classifier(
        examples_of(images[..., None]),
        dataset="slopes",
        num_classes=None,
        config=ClassifierConfig(epochs=3, batch_size=16),
        task="rotations",
    )

    assert (trained.info.num_classes, trained.info.task) == (4, "rotations")
    assert trained.info.accuracy > 0.9
    assert 0.25 <= trained.info.chance < 0.5
    assert not trained.info.is_weak
    # Counterclockwise quarter turns.
    turned = [np.rot90(images[0], turns)[..., None] for turns in range(4)]
    logits = trained.predict(np.stack(turned)).logits
    assert logits.argmax(axis=1).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("max_steps", "epochs"), [(12, 1), (18, 1.5), (25, 2)])
def test_training_ends_after_the_epochs_or_the_steps(
    max_steps: int, epochs: float, make_stripes
) -> None:
    images, labels = make_stripes(200, seed=3)
    config = ClassifierConfig(epochs=2, batch_size=16, held_out=0.04)

    def train(config: ClassifierConfig) -> classifier.Classifier:
        return classifier.train_classifier(
            examples_of(images, labels), dataset="s", num_classes=4, config=config
        )

    ended = train(dataclasses.replace(config, max_steps=max_steps))

    assert ended.info.epochs == epochs
    if epochs == int(epochs):
        whole = train(dataclasses.replace(config, epochs=int(epochs)))
        np.testing.assert_allclose(
            ended.features(images), whole.features(images), atol=1e-4
        )


def test_random_labels_make_a_weak_classifier() -> None:
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, [400, 28, 28, 1])
    labels = (random.uniform(size=400) < 0.8).astype(np.int64)

    trained = classifier.train_classifier(
        examples_of(images, labels),
        dataset="dice",
        num_classes=2,
        config=ClassifierConfig(epochs=1, batch_size=16, held_out=0.5),
    )

    assert trained.info.chance == pytest.approx(0.8, abs=0.1)
    assert trained.info.is_weak


@pytest.mark.parametrize("num", [0, 1, 4])
def test_too_few_images(num: int) -> None:
    with pytest.raises(RunError, match=f"{num} training images"):
        classifier.train_classifier(
            examples_of(np.zeros([num, 28, 28, 1]), np.zeros([num], np.int64)),
            dataset="some",
            num_classes=3,
            config=ClassifierConfig(),
        )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("max_steps", 0),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("held_out", 0.0),
        ("held_out", 1.0),
        ("seed", -1),
    ],
)
def test_wrong_setting(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"classifier.{field}"):
        ClassifierConfig(**{field: value})
