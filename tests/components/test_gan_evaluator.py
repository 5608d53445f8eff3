"""GanEvaluator blesses what is good, and says why it does not bless the rest."""

from __future__ import annotations

import dataclasses
import html
import json
import pathlib
import re
import shutil
from collections.abc import Callable
from typing import Any, NamedTuple

import huggingface_hub
import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf
from eight_bits import examples_of, quantised
from specs import FASHION
from tfx.dsl.components.base import base_executor
from tfx.dsl.input_resolution.strategies import latest_blessed_model_strategy
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import proto_utils

from components.card_pusher import executor as pusher_executor
from components.classifier_trainer import executor as classifier_trainer
from components.gan_evaluator import executor
from msg_modules.common.errors import RunError
from msg_modules.configs import (
    ClassifierConfig,
    EvaluateConfig,
    ModelConfig,
    TrainConfig,
)
from msg_modules.data.dataset_spec import DatasetSpec
from msg_modules.generator import sampling
from msg_modules.metrics import candidate
from msg_modules.metrics.classifier import load_classifier
from msg_modules.metrics.yardstick import metrics_of
from msg_modules.report import card

SIZES = (7, 14, 28)
DATASET = "stripes:1.0.0"
LATENT_DIM = 4
PREPARATION = "28x28 grayscale; resized from 32x32"
CONFIG = EvaluateConfig(num_seeds=2, num_images=200)


def _stripes(num: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Upright, lying and slanted stripes, smooth enough for 7x7 pixels."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, num)
    phase = generator.uniform(0, 2 * np.pi, [num, 1, 1])
    period = generator.uniform(10, 16, [num, 1, 1])
    y, x = np.mgrid[:28, :28].astype(np.float64)
    along = np.stack([x, y, (x + y) / np.sqrt(2)])[labels]
    values = np.sin(2 * np.pi * along / period + phase)
    return quantised(values[..., None]), labels


def _write_split(directory: pathlib.Path, num: int, seed: int) -> None:
    directory.mkdir(parents=True)
    images, labels = _stripes(num, seed)
    pyramid = examples_of(images).pyramid(slice(None))
    with tf.io.TFRecordWriter(str(directory / "examples-0.gz"), "GZIP") as writer:
        for label, *scales in zip(labels, *pyramid, strict=True):
            feature = {
                f"image_{size}": tf.train.Feature(
                    float_list=tf.train.FloatList(value=scale.ravel())
                )
                for size, scale in zip(SIZES, scales, strict=True)
            }
            feature["label"] = tf.train.Feature(
                int64_list=tf.train.Int64List(value=[label])
            )
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())


def schema_of(dataset: str) -> standard_artifacts.Schema:
    """A schema that describes the stripes, under a name."""
    schema = standard_artifacts.Schema()
    spec = DatasetSpec(
        dataset, FASHION, PREPARATION, 3, ("upright", "lying", "slanted")
    )
    spec.attach(schema)
    return schema


class Inputs(NamedTuple):
    """The artifacts that come before the judge."""

    examples: standard_artifacts.Examples
    classifier: standard_artifacts.Model


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """Transformed examples, and the classifier that was trained on them."""
    directory = tmp_path_factory.mktemp("inputs")
    _write_split(directory / "examples" / "Split-train", 800, seed=0)
    _write_split(directory / "examples" / "Split-eval", 300, seed=1)
    examples = standard_artifacts.Examples()
    examples.uri = str(directory / "examples")
    examples.split_names = artifact_utils.encode_split_names(["train", "eval"])
    classifier = standard_artifacts.Model()
    classifier.uri = str(directory / "classifier")
    classifier_trainer.Executor().Do(
        {"examples": [examples], "schema": [schema_of(DATASET)]},
        {"classifier": [classifier]},
        {
            "config": json.dumps(
                dataclasses.asdict(
                    ClassifierConfig(epochs=8, batch_size=32, second_opinion=True)
                )
            ),
            "code": "",
        },
    )
    return Inputs(examples, classifier)


Draw = Callable[[tf.Tensor, tf.Tensor], list[tf.Tensor]]


class Drawer(tf.Module):
    """A SavedModel that keeps the signatures and draws what a test wants."""

    def __init__(self, draw: Draw):
        super().__init__()
        self._draw = draw

    def _images(self, num_images: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        images = self._draw(num_images, tf.stack([seed, 0]))
        return {f"image_{s}": i for s, i in zip(SIZES, images, strict=True)}

    @tf.function(
        input_signature=[
            tf.TensorSpec([], tf.int32, "num_images"),
            tf.TensorSpec([], tf.int64, "seed"),
        ]
    )
    def sample(self, num_images: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._images(num_images, seed)

    @tf.function(
        input_signature=[tf.TensorSpec([None, LATENT_DIM], tf.float32, "latents")]
    )
    def generate(self, latents: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._images(tf.shape(latents)[0], tf.constant(0, tf.int64))


def _save(draw: Draw, directory: pathlib.Path) -> None:
    drawer = Drawer(draw)
    signatures = {"serving_default": drawer.generate, "sample": drawer.sample}
    tf.saved_model.save(drawer, str(directory), signatures=signatures)


def _down(images: tf.Tensor) -> list[tf.Tensor]:
    return [tf.image.resize(images, [size, size]) for size in SIZES]


def draw_stripes(num_images: tf.Tensor, seed: tf.Tensor) -> list[tf.Tensor]:
    """What a perfect generator draws."""
    uniform = tf.random.stateless_uniform([3, num_images, 1, 1], seed)
    kinds = tf.cast(uniform[0] * 3, tf.int32)
    y, x = np.mgrid[:28, :28].astype(np.float32)
    along = tf.where(kinds == 0, x, tf.where(kinds == 1, y, (x + y) / np.sqrt(2)))
    period = 10 + 6 * uniform[1]
    images = tf.sin(2 * np.pi * (along / period + uniform[2]))
    return _down(images[..., None])


def draw_blurred(num_images: tf.Tensor, seed: tf.Tensor) -> list[tf.Tensor]:
    images = draw_stripes(num_images, seed)[-1]
    return _down(0.6 * tf.nn.avg_pool2d(images, 3, 1, "SAME"))


def draw_noise(num_images: tf.Tensor, seed: tf.Tensor) -> list[tf.Tensor]:
    shape = tf.stack([num_images, 28, 28, 1])
    return _down(tf.random.stateless_uniform(shape, seed, -1, 1))


def draw_constant(num_images: tf.Tensor, seed: tf.Tensor) -> list[tf.Tensor]:
    return [tf.repeat(i, num_images, axis=0) for i in draw_stripes(1, seed * 0)]


def draw_one_class(num_images: tf.Tensor, seed: tf.Tensor) -> list[tf.Tensor]:
    _, x = np.mgrid[:28, :28].astype(np.float32)
    phase = tf.random.stateless_uniform([num_images, 1, 1], seed)
    return _down(tf.sin(2 * np.pi * (x / 13 + phase))[..., None])


def draw_nan(num_images: tf.Tensor, seed: tf.Tensor) -> list[tf.Tensor]:
    return [image * np.nan for image in draw_stripes(num_images, seed)]


def draw_too_bright(num_images: tf.Tensor, seed: tf.Tensor) -> list[tf.Tensor]:
    return [image * 2 for image in draw_stripes(num_images, seed)]


def draw_wrong_shape(num_images: tf.Tensor, seed: tf.Tensor) -> list[tf.Tensor]:
    small, middle, large = draw_stripes(num_images, seed)
    return [small, middle, large[:, :27]]


def draw_too_many(num_images: tf.Tensor, seed: tf.Tensor) -> list[tf.Tensor]:
    return draw_stripes(num_images + 1, seed)


class Outputs(NamedTuple):
    """What the judge leaves."""

    metrics: dict[str, Any]
    page: str
    blessing: standard_artifacts.ModelBlessing
    model: standard_artifacts.Model


@pytest.fixture
def judge(inputs: Inputs, tmp_path: pathlib.Path) -> Callable[..., Outputs]:
    """A function that judges what draws, or a SavedModel in a directory."""

    def run(
        model: Draw | pathlib.Path,
        config: EvaluateConfig = CONFIG,
        dataset: str = DATASET,
        serving_dir: pathlib.Path | None = None,
        number: int = 1,
    ) -> Outputs:
        root = tmp_path / f"run-{number}"
        exported = root / "model" / "Format-Serving"
        if callable(model):
            _save(model, exported)
        else:
            shutil.copytree(model, exported)
        artifact = standard_artifacts.Model()
        artifact.uri, artifact.id = str(root / "model"), number
        evaluation = standard_artifacts.ModelEvaluation()
        blessing = standard_artifacts.ModelBlessing()
        evaluation.uri, blessing.uri = str(root / "eval"), str(root / "blessing")
        executor.Executor().Do(
            {
                "model": [artifact],
                "schema": [schema_of(dataset)],
                **{k: [v] for k, v in inputs._asdict().items()},
            },
            {"evaluation": [evaluation], "blessing": [blessing]},
            {
                "test_split": "test[:300]",
                "config": json.dumps(dataclasses.asdict(config)),
                "serving_dir": None if serving_dir is None else str(serving_dir),
                "code": "",
            },
        )
        names = sorted(path.name for path in (root / "eval").iterdir())
        assert names == ["metrics.json", "report.html"]
        return Outputs(
            metrics=json.loads((root / "eval" / "metrics.json").read_text()),
            page=(root / "eval" / "report.html").read_text(),
            blessing=blessing,
            model=artifact,
        )

    return run


def _push(outputs: Outputs, serving_dir: pathlib.Path) -> None:
    """The Pusher of the pipeline."""
    pushed = standard_artifacts.PushedModel()
    pushed.uri = str(serving_dir.parent / "pushed")
    destination = pusher_pb2.PushDestination(
        filesystem=pusher_pb2.PushDestination.Filesystem(
            base_directory=str(serving_dir)
        )
    )
    context = base_executor.BaseExecutor.Context(
        tmp_dir=str(serving_dir.parent / "tmp"), unique_id="1"
    )
    pusher_executor.Executor(context).Do(
        {"model": [outputs.model], "model_blessing": [outputs.blessing]},
        {"pushed_model": [pushed]},
        {"push_destination": proto_utils.proto_to_json(destination)},
    )


def _resolve(outputs: Outputs) -> list[int]:
    """Which models TFX's own strategy takes for the last blessed one."""
    found = (
        latest_blessed_model_strategy.LatestBlessedModelStrategy().resolve_artifacts(
            None, {"model": [outputs.model], "model_blessing": [outputs.blessing]}
        )
    )
    return [artifact.id for artifact in found["model"]]


def test_a_good_generator_is_blessed_and_pushed(judge, tmp_path: pathlib.Path) -> None:
    outputs = judge(draw_stripes)
    found = outputs.metrics
    assert found["blessed"]
    assert found["reasons"] == []
    assert (pathlib.Path(outputs.blessing.uri) / "BLESSED").exists()
    serving = tmp_path / "serving"
    _push(outputs, serving)
    assert len(list(serving.glob("*/saved_model.pb"))) == 1
    assert _resolve(outputs) == [1]
    (version,) = serving.iterdir()
    assert sampling.load_generator(version).sample(3)[-1].shape == (3, 28, 28, 1)
    for name, figure in found["figures"].items():
        assert np.isfinite(list(figure.values())[:4]).all(), name
    assert set(found["figures"]) == set(metrics_of(FASHION, has_second=True))


def test_the_second_opinion_is_the_distance_in_features_without_labels(
    judge, inputs: Inputs, tmp_path: pathlib.Path
) -> None:
    config = dataclasses.replace(CONFIG, num_seeds=1, num_images=300)
    outputs = judge(draw_blurred, config)

    found = outputs.metrics["second_extractor"]
    assert (found["task"], found["num_classes"]) == ("rotations", 4)
    second = load_classifier(pathlib.Path(inputs.classifier.uri) / "second_opinion")
    _save(draw_blurred, tmp_path / "blurred")
    drawn = candidate.draw(sampling.load_generator(tmp_path / "blurred"), 300, 0)[-1]
    real, _ = _stripes(300, seed=1)
    features = [
        second.features(images)
        for images in (drawn, examples_of(real).largest(slice(None)))
    ]
    means = [each.mean(0) for each in features]
    covariances = [np.cov(each.astype(np.float64).T) for each in features]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    wanted = np.sum((means[0] - means[1]) ** 2) + np.trace(
        covariances[0] + covariances[1] - 2 * root
    )
    figure = outputs.metrics["figures"]["frechet_rotations"]
    assert figure["value"] == pytest.approx(wanted, rel=1e-3)
    assert figure["real"] < figure["value"] < figure["noise"]
    assert "never saw a label" in outputs.page
    assert outputs.metrics["notes"] == []


def test_a_classifier_that_learned_nothing_is_told_beside_the_verdict(
    judge, inputs: Inputs
) -> None:
    path = pathlib.Path(inputs.classifier.uri) / "classifier.json"
    before = path.read_text()
    path.write_text(json.dumps({**json.loads(before), "accuracy": 0.36, "chance": 0.3}))
    try:
        outputs = judge(draw_stripes)
    finally:
        path.write_text(before)

    (note,) = outputs.metrics["notes"]
    assert "36.0% accuracy on 80 held-out images, 30.0% by chance" in note
    assert note in outputs.page


def test_figures_lie_between_real_and_noise(judge) -> None:
    figures = judge(draw_blurred).metrics["figures"]
    for name, metric in metrics_of(FASHION).items():
        if metric.better == "lower" and name.startswith(("frechet", "kernel")):
            figure = figures[name]
            assert figure["real"] < figure["value"] < figure["noise"], name
    assert figures["coverage"]["noise"] < figures["coverage"]["real"]
    assert figures["inconsistency_14"]["real"] < 0.01
    assert figures["inconsistency_14"]["value"] < 0.01
    assert figures["inconsistency_14"]["noise"] > 0.3


def test_states_what_the_figures_were_made_of(judge, inputs: Inputs) -> None:
    found = judge(draw_stripes).metrics
    info = json.loads(
        (pathlib.Path(inputs.classifier.uri) / "classifier.json").read_text()
    )
    assert found["extractor"] == info
    assert info["dataset"] == found["dataset"] == DATASET
    assert found["split"] == "test[:300]"
    assert (found["num_images"], found["num_real_images"]) == (200, 200)
    assert found["seeds"] == [0, 1]
    assert found["versions"]["tensorflow"] == tf.__version__
    assert sum(found["class_shares"]["generated"]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (draw_noise, ["Coverage", "--evaluate.min-coverage"]),
        (draw_one_class, ["Class distance", "--evaluate.max-class-distance"]),
        (draw_constant, ["same", "collapsed"]),
        (draw_nan, ["NaN", "image_7"]),
        (draw_too_bright, ["must be in [-1, 1]", "image_"]),
        (draw_wrong_shape, ["image_28", "27", "28"]),
        (draw_too_many, ["image_7", "201", "200"]),
    ],
)
def test_a_bad_generator_is_neither_blessed_nor_pushed(
    judge,
    tmp_path: pathlib.Path,
    draw: Draw,
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    outputs = judge(draw)
    assert not outputs.metrics["blessed"]
    reason = outputs.blessing.get_string_custom_property("blessing_message")
    assert reason == "; ".join(outputs.metrics["reasons"])
    for word in words:
        assert word in reason
    # On Kubeflow, the step's log is all that there is to see.
    assert f"not blessed: {reason}" in capsys.readouterr().out
    assert "Not blessed" in outputs.page
    assert html.escape(words[0], quote=False) in outputs.page
    assert not (pathlib.Path(outputs.blessing.uri) / "README.md").exists()
    assert (pathlib.Path(outputs.blessing.uri) / "NOT_BLESSED").read_text() == reason
    _push(outputs, tmp_path / "serving")
    assert not (tmp_path / "serving").exists()
    assert _resolve(outputs) == []


def test_a_model_without_the_signatures(judge, tmp_path: pathlib.Path) -> None:
    tf.saved_model.save(tf.Module(), str(tmp_path / "other"))
    outputs = judge(tmp_path / "other")
    assert not outputs.metrics["blessed"]
    assert "sample, serving_default" in outputs.metrics["reasons"][0]


def test_a_model_with_other_arguments(judge, tmp_path: pathlib.Path) -> None:
    module = tf.Module()
    module.f = tf.function(
        lambda x: {"y": x}, input_signature=[tf.TensorSpec([], tf.int32, "x")]
    )
    tf.saved_model.save(
        module,
        str(tmp_path / "other"),
        signatures={"serving_default": module.f, "sample": module.f},
    )
    outputs = judge(tmp_path / "other")
    assert not outputs.metrics["blessed"]
    assert "latents" in outputs.metrics["reasons"][0]


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.index"])
@pytest.mark.parametrize("keep", [0.0, 0.5])
def test_a_damaged_model(judge, tmp_path: pathlib.Path, name: str, keep: float) -> None:
    _save(draw_stripes, tmp_path / "other")
    path = tmp_path / "other" / name
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(RunError, match=r"model' is corrupt .* delete that directory"):
        judge(tmp_path / "other")


@pytest.mark.slow
def test_is_compared_with_the_newest_pushed_version(
    judge, tmp_path: pathlib.Path
) -> None:
    serving = tmp_path / "serving"
    first = judge(draw_stripes, serving_dir=serving)
    assert first.metrics["baseline"] is None
    assert first.metrics["figures"]["frechet_28"]["baseline"] is None
    _save(draw_noise, serving / "3")
    _save(draw_stripes, serving / "20")
    lenient = dataclasses.replace(CONFIG, max_frechet_share=None)
    second = judge(draw_blurred, lenient, serving_dir=serving, number=2)
    assert second.metrics["baseline"] == str(serving / "20")
    figure = second.metrics["figures"]["frechet_28"]
    assert figure["baseline"] == pytest.approx(
        first.metrics["figures"]["frechet_28"]["value"], rel=1e-3
    )
    assert not second.metrics["blessed"]
    assert "--evaluate.max-worsening" in " ".join(second.metrics["reasons"])
    third = judge(draw_stripes, serving_dir=serving, number=3)
    assert third.metrics["blessed"]
    alone = dataclasses.replace(CONFIG, baseline="none")
    fourth = judge(draw_stripes, alone, serving_dir=serving, number=4)
    assert fourth.metrics["baseline"] is None


def test_the_card_beside_a_pushed_generator(judge, tmp_path: pathlib.Path) -> None:
    """Read by the Hub's own library."""
    outputs = judge(draw_stripes)
    _push(outputs, tmp_path / "serving")
    (path,) = (tmp_path / "serving").glob("*/README.md")

    card = huggingface_hub.ModelCard.load(path)

    assert card.data.license == "apache-2.0"
    assert card.data.pipeline_tag == "unconditional-image-generation"
    results = {result.metric_type: result for result in card.data.eval_results}
    figures = outputs.metrics["figures"]
    assert set(results) == set(figures)
    coverage = results["coverage"]
    assert coverage.metric_value == pytest.approx(figures["coverage"]["value"])
    assert coverage.dataset_name == DATASET
    assert coverage.dataset_split == "test[:300]"
    assert f"`latents`, float32 `[N, {LATENT_DIM}]`" in card.text
    assert PREPARATION in outputs.page
    # Its own instructions work.
    code = card.text.split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(code.replace('"."', repr(str(path.parent))), names)
    assert names["images"]["image_28"].shape == (16, 28, 28, 1)


def test_the_card_names_images_and_penalties(judge) -> None:
    metrics = judge(draw_stripes).metrics
    for weights, words in (
        ({"r1_gamma": 0.5}, "R1 0.5; batch size"),
        ({"r1_gamma": 0.5, "r2_gamma": 0.1}, "R1 0.5, R2 0.1; batch size"),
        ({"r1_gamma": 0, "gradient_penalty": 10}, "WGAN-GP 10; batch size"),
        ({"r1_gamma": 0}, "no gradient penalty; batch size"),
        ({"augment": True}, "batch size 128; differentiable augmentation; seed"),
        ({}, f"300 images; {PREPARATION}."),
    ):
        settings = {
            "model": dataclasses.asdict(ModelConfig()),
            "train": {
                **dataclasses.asdict(TrainConfig(**weights)),
                "global_batch_size": 128,
            },
            "images": {"number": 300},
        }
        training = {"config": settings, "step": 6, "images": 96, "seconds": 60.0}
        assert words in card.render_card({**metrics, "training": training})


def test_the_page_shows_what_was_measured(judge) -> None:
    outputs = judge(draw_stripes)
    for name, figure in outputs.metrics["figures"].items():
        label = metrics_of(FASHION, has_second=True)[name].label
        assert label.strip() in outputs.page
        assert f"{figure['value']:.3f}" in outputs.page
    for part in ("generated", "real", "interpolation", "neighbours", "classes"):
        assert f'<figure id="{part}">' in outputs.page
    # Nothing is fetched from anywhere.
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", outputs.page)


def test_an_unfit_generator_has_a_page_too(judge) -> None:
    page = judge(draw_nan).page
    assert '<figure id="real">' in page
    assert '<figure id="generated">' not in page


def _nothing_is_left(tmp_path: pathlib.Path) -> None:
    left = [path for path in (tmp_path / "run-1").rglob("*") if path.is_file()]
    assert not [path for path in left if "model" not in path.parts], left


def test_damaged_pushed_version(judge, tmp_path: pathlib.Path) -> None:
    serving = tmp_path / "serving"
    _save(draw_stripes, serving / "5")
    (serving / "5" / "saved_model.pb").write_bytes(b"no protobuf")
    with pytest.raises(RunError, match=r"serving/5.*--evaluate.baseline none"):
        judge(draw_stripes, serving_dir=serving)
    _nothing_is_left(tmp_path)


def test_classifier_of_another_dataset(judge, tmp_path: pathlib.Path) -> None:
    with pytest.raises(RunError, match=r"stripes:1.0.0.*mnist:3.0.1"):
        judge(draw_stripes, dataset="mnist:3.0.1")
    _nothing_is_left(tmp_path)


def test_fewer_test_images_than_asked_for(judge, tmp_path: pathlib.Path) -> None:
    config = dataclasses.replace(CONFIG, num_images=301)
    with pytest.raises(RunError, match=r"300 test images.*301.*--evaluate.num-images"):
        judge(draw_stripes, config)
    _nothing_is_left(tmp_path)
