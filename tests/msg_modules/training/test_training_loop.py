from __future__ import annotations

import dataclasses
import io
import pathlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from specs import FASHION

from msg_modules.common.errors import RunError
from msg_modules.configs import ModelConfig, TrainConfig
from msg_modules.data.batches import training_dataset
from msg_modules.data.examples import Examples
from msg_modules.gan import compiled_steps, networks
from msg_modules.gan.step import METRICS, Gan
from msg_modules.pictures import sheets
from msg_modules.training import loop, reporting

Weights = dict[str, list[np.ndarray]]


def _weights(gan: Gan) -> Weights:
    """All that training changes, the moments of both optimizers included."""
    return {
        "generator": gan.generator.get_weights(),
        "discriminator": gan.discriminator.get_weights(),
        "average": gan.ema_generator.get_weights(),
        "generator moments": _moments(gan.generator_optimizer),
        "discriminator moments": _moments(gan.discriminator_optimizer),
    }


def _moments(optimizer: keras.optimizers.Optimizer) -> list[np.ndarray]:
    return [
        variable.numpy()
        for variable in optimizer.variables
        if "momentum" in variable.path or "velocity" in variable.path
    ]


def _distance(seen: list[np.ndarray], wanted: list[np.ndarray]) -> float:
    """Largest relative distance of any tensor from what it should be.

    As a norm, since one activation that rounding puts on the other side of a
    ReLU's kink changes single entries, and another order of additions is enough
    for that.
    """
    assert len(seen) == len(wanted) > 0
    return max(
        float(np.linalg.norm(one - other) / (np.linalg.norm(other) + 1e-8))
        for one, other in zip(seen, wanted, strict=True)
    )


def _assert_same(seen: Weights, wanted: Weights, tolerance: float = 0.02) -> None:
    distances = {name: _distance(seen[name], wanted[name]) for name in wanted}
    # Six steps of Adam make of another rounding a few percent of a moment. Losses
    # that are divided wrongly double or halve it.
    allowed = {name: tolerance * (10 if "moments" in name else 1) for name in distances}
    assert {name: d for name, d in distances.items() if not d < allowed[name]} == {}


# ---------------------------------------------------------------------------
# A second, plain implementation: two tapes, Keras's Adam and cross entropy.


def _plain_training(
    model: ModelConfig,
    recipe: TrainConfig,
    examples: Examples,
    steps: int,
    penalty_weights: dict[int, float],
) -> tuple[Weights, np.ndarray]:
    """Trains as the article does, with `penalty_weights[step] * R1` added.

    Returns:
      What `_weights` returns, and generator and discriminator loss of each step.
    """
    keras.utils.set_random_seed(recipe.seed)
    generator, discriminator = networks.build(model.network, model.latent_dim, FASHION)
    adams = {
        name: keras.optimizers.Adam(
            learning_rate=rate, beta_1=recipe.beta_1, beta_2=recipe.beta_2
        )
        for name, rate in (
            ("generator", recipe.generator_learning_rate),
            ("discriminator", recipe.discriminator_learning_rate),
        )
    }
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    average = generator.get_weights()
    batches = training_dataset(
        examples, replica_batch_size=recipe.batch_size, num_replicas=1, seed=recipe.seed
    )
    history = []
    for step, (images, _) in enumerate(batches.take(steps)):
        latents = tf.random.stateless_normal(
            [recipe.batch_size, model.latent_dim],
            seed=tf.constant([recipe.seed, step], tf.int64),
        )
        with tf.GradientTape() as generator_tape, tf.GradientTape() as judge_tape:
            fakes = generator(latents, training=True)
            real_logits = discriminator(images, training=True)
            fake_logits = discriminator(fakes, training=True)
            generator_loss = entropy(tf.ones_like(fake_logits), fake_logits)
            judge_loss = entropy(tf.ones_like(real_logits), real_logits) + entropy(
                tf.zeros_like(fake_logits), fake_logits
            )
            objective = judge_loss + penalty_weights.get(step, 0.0) * _mean_r1(
                discriminator, images
            )
        for name, network, tape, loss in (
            ("generator", generator, generator_tape, generator_loss),
            ("discriminator", discriminator, judge_tape, objective),
        ):
            gradients = tape.gradient(loss, network.trainable_variables)
            adams[name].apply_gradients(
                zip(gradients, network.trainable_variables, strict=True)
            )
        history.append([float(generator_loss), float(judge_loss)])
        seen = recipe.batch_size * (step + 1)
        half_life = min(recipe.ema_half_life, 0.05 * seen)
        keep = 2.0 ** (-recipe.batch_size / half_life)
        average = [
            keep * old + (1 - keep) * new
            for old, new in zip(average, generator.get_weights(), strict=True)
        ]
    weights = {
        "generator": generator.get_weights(),
        "discriminator": discriminator.get_weights(),
        "average": average,
        "generator moments": _moments(adams["generator"]),
        "discriminator moments": _moments(adams["discriminator"]),
    }
    return weights, np.array(history)


def _mean_r1(discriminator: keras.Model, images: Iterable[tf.Tensor]) -> tf.Tensor:
    """Half the squared gradient norm, image by image, averaged over the scales."""
    images = list(images)
    total = 0.0
    for scale in range(len(images)):
        with tf.GradientTape() as tape:
            tape.watch(images[scale])
            logits = discriminator(images, training=True)
        gradient = tape.gradient(logits, images[scale])
        total += tf.reduce_sum(gradient**2) / 2 / len(gradient)
    return total / len(images)


@pytest.fixture(scope="module")
def plain(trained: Any) -> tuple[Weights, np.ndarray]:
    """The same training by the plain implementation: R1 in steps 0, 2 and 4."""
    strong = trained.recipe.r1_gamma * trained.recipe.penalty_interval
    return _plain_training(
        trained.model,
        trained.recipe,
        trained.examples,
        trained.recipe.steps,
        {0: strong, 2: strong, 4: strong},
    )


def test_training_equals_a_plain_implementation_of_the_articles_loop(
    trained: Any, plain: tuple[Weights, np.ndarray]
):
    # Wider than for three steps below: rounding has had time to grow.
    _assert_same(_weights(trained.gan), plain[0], 0.1)
    assert int(trained.gan.step) == 6


def test_reported_losses_are_the_means_since_the_line_before(
    trained: Any, plain: tuple[Weights, np.ndarray]
):
    lines = reporting.read_stats(trained.directory)

    assert [line["step"] for line in lines] == [2, 4, 6]
    assert [line["images"] for line in lines] == [16, 32, 48]
    wanted = plain[1].reshape([3, 2, 2]).mean(axis=1)
    for place, name in enumerate(("generator_loss", "discriminator_loss")):
        np.testing.assert_allclose(
            [line[name] for line in lines], wanted[:, place], rtol=1e-3
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    "penalty_weights",
    [
        {1: 10.0, 3: 10.0, 5: 10.0},
        {0: 5.0, 2: 5.0, 4: 5.0},
    ],
    ids=["odd-steps", "not-times-the-interval"],
)
def test_another_schedule_of_the_penalty_gives_other_weights(
    trained: Any, penalty_weights: dict[int, float]
):
    # The plain implementation tells these schedules apart: that it agrees with
    # the training above is then no accident.
    weights, _ = _plain_training(
        trained.model, trained.recipe, trained.examples, 6, penalty_weights
    )

    for name in ("generator moments", "discriminator moments"):
        assert _distance(weights[name], _weights(trained.gan)[name]) > 0.2


@pytest.mark.slow
def test_two_replicas_train_like_one_with_the_same_global_batch(
    trained: Any, tmp_path: pathlib.Path
):
    # The compact network has no dropout, and its batch norm shares its
    # statistics between the replicas.
    # Differences in rounding, 1e-7 after a step, grow tenfold with each further step.
    alone = dataclasses.replace(trained.recipe, steps=3)
    shared = dataclasses.replace(alone, batch_size=4, strategy="mirrored", replicas=2)

    one, two = (
        loop.train(trained.model, recipe, trained.examples, tmp_path / name)
        for name, recipe in (("one", alone), ("two", shared))
    )

    _assert_same(_weights(two), _weights(one))
    for line, wanted in zip(
        reporting.read_stats(tmp_path / "two"),
        reporting.read_stats(tmp_path / "one"),
        strict=True,
    ):
        assert line["images"] == wanted["images"]
        # Of gradients it is the mean of each replica's own norm.
        for name in (m for m in METRICS if not m.endswith("gradient_norm")):
            assert line[name] == pytest.approx(wanted[name], rel=1e-3)


@pytest.mark.slow
def test_a_stopped_training_goes_on_as_if_nothing_had_been(
    trained: Any, tmp_path: pathlib.Path
):
    # The sheet of step 4 cannot be written: the training stops there, after the
    # checkpoint of step 3 and the report of step 4.
    # A directory lies where the picture is first written.
    obstacle = tmp_path / "samples" / ".step-00000004.png.part.png"
    obstacle.mkdir(parents=True)
    with pytest.raises(OSError, match="step-00000004"):
        loop.train(trained.model, trained.recipe, trained.examples, tmp_path)
    assert [line["step"] for line in reporting.read_stats(tmp_path)] == [2, 4]
    obstacle.rmdir()
    with (tmp_path / "stats.jsonl").open("a") as f:
        f.write('{"step": 6, "ima')

    gan = loop.train(trained.model, trained.recipe, trained.examples, tmp_path)

    assert int(gan.step) == 6
    _assert_same(_weights(gan), _weights(trained.gan))
    lines = reporting.read_stats(tmp_path)
    assert [line["step"] for line in lines] == [2, 4, 6]
    assert [line["images"] for line in lines] == [16, 32, 48]
    seconds = [line["seconds"] for line in lines]
    assert seconds == sorted(seconds)
    assert lines[0] != lines[1]


def test_a_finished_training_is_not_trained_again(
    trained: Any, trained_copy: pathlib.Path
):
    before = (trained_copy / "stats.jsonl").read_text()

    gan = loop.train(trained.model, trained.recipe, trained.examples, trained_copy)

    _assert_same(_weights(gan), _weights(trained.gan), 1e-12)
    assert (trained_copy / "stats.jsonl").read_text() == before


def test_sheets_are_drawn_from_the_average_by_the_same_latents(trained: Any):
    samples = trained.directory / "samples"

    names = sorted(path.name for path in samples.iterdir())
    assert names == [
        "real.png",
        *(f"step-{step:08d}.png" for step in (2, 4, 6)),
    ]
    latents = tf.random.stateless_normal([40, 8], seed=[trained.recipe.seed, -1])
    pyramid = trained.gan.ema_generator(latents, training=False)
    last = np.asarray(sheets.read_steps(samples)[-1]).astype(int)
    wanted = np.asarray(sheets.pyramid_sheet([scale.numpy() for scale in pyramid]))
    # Beside what the file took from float32, a level here or there.
    assert np.max(np.abs(last - wanted)) <= 1
    real = np.asarray(sheets.read_real(samples))
    np.testing.assert_array_equal(
        real, sheets.pyramid_sheet(trained.examples.pyramid(slice(None)))
    )


def test_tensorboard_gets_the_reports(trained: Any):
    (path,) = trained.directory.glob("tensorboard/events*")

    seen: dict[str, dict[int, float]] = {}
    for event in tf.compat.v1.train.summary_iterator(str(path)):
        for value in event.summary.value:
            content = tf.make_ndarray(value.tensor)
            if not content.shape:
                seen.setdefault(value.tag, {})[event.step] = float(content)
    lines = reporting.read_stats(trained.directory)
    for name in (
        *METRICS,
        "images_per_second",
        "data_seconds",
        "generator_learning_rate",
    ):
        assert seen[name] == pytest.approx({line["step"]: line[name] for line in lines})


def test_tensorboard_gets_the_sheets(trained: Any):
    (path,) = trained.directory.glob("tensorboard/events*")

    pictures = {}
    for event in tf.compat.v1.train.summary_iterator(str(path)):
        for value in event.summary.value:
            if value.tag == "samples":
                # Width and height in digits, then the PNG.
                png = tf.make_ndarray(value.tensor)[2]
                pictures[event.step] = np.asarray(PIL.Image.open(io.BytesIO(png)))
    assert sorted(pictures) == [2, 4, 6]
    for picture, sheet in zip(
        pictures.values(), sheets.read_steps(trained.directory / "samples"), strict=True
    ):
        np.testing.assert_array_equal(picture, sheet)


@pytest.mark.slow
def test_the_time_spent_waiting_for_images_is_told_from_that_of_the_step():
    recipe = TrainConfig(batch_size=8, r1_gamma=0.0, strategy="one_device")
    gan = Gan(ModelConfig(latent_dim=8), recipe, FASHION, 1)
    run_steps = compiled_steps.compile_steps(
        tf.distribute.get_strategy(), gan, recipe, has_clock=True
    )

    def batches(seconds: float) -> Iterator:
        def images():
            while True:
                time.sleep(seconds)
                pyramid = (np.zeros([8, size, size, 1], "f") for size in (7, 14, 28))
                yield tuple(pyramid), np.zeros([8, 0], "f")

        pyramid = (tf.TensorSpec([8, size, size, 1]) for size in (7, 14, 28))
        signature = tuple(pyramid), tf.TensorSpec([8, 0])
        return iter(tf.data.Dataset.from_generator(images, output_signature=signature))

    slow = run_steps(batches(0.5), tf.constant(3))
    start = time.monotonic()
    quick = run_steps(batches(0.0), tf.constant(3))
    whole = time.monotonic() - start

    # Most of three waits: a stream may begin before it is asked.
    assert float(slow.data_seconds) > 2 * 0.5
    assert 0 < float(quick.data_seconds) < whole


@pytest.mark.slow
def test_the_tutorial_trains_through_the_same_loop(
    make_examples: Callable, tmp_path: pathlib.Path
):
    recipe = TrainConfig(
        steps=1,
        batch_size=2,
        r1_gamma=0.0,
        ema_half_life=0,
        strategy="one_device",
        seed=5,
    )
    model = ModelConfig(network="tutorial", latent_dim=16)
    fresh = Gan(model, recipe, FASHION, 1)

    gan = loop.train(model, recipe, make_examples(4), tmp_path)

    for was, now in (
        (fresh.generator, gan.generator),
        (fresh.discriminator, gan.discriminator),
    ):
        for before, after in zip(
            was.trainable_variables, now.trainable_variables, strict=True
        ):
            assert np.any(before.numpy() != after.numpy()), after.path
    assert gan.ema_generator is gan.generator
    (line,) = reporting.read_stats(tmp_path)
    assert line["step"] == 1
    assert line["images"] == 2


def _checkpoint_steps(directory: pathlib.Path) -> list[int]:
    return sorted(
        int(path.stem.rsplit("-", 1)[1])
        for path in directory.glob("checkpoints/*.index")
    )


def _without_numbers(in_step: int) -> Callable[..., tf.data.Dataset]:
    """A `training_dataset` whose images are not numbers in one step."""

    def stream(*args: Any, first_step: int = 0, **options: Any) -> tf.data.Dataset:
        def spoil(number: tf.Tensor, batch: tuple) -> tuple:
            is_bad = number == in_step - 1 - first_step
            pyramid, classes = batch
            spoilt = tuple(
                tf.where(is_bad, tf.fill(tf.shape(scale), np.nan), scale)
                for scale in pyramid
            )
            return spoilt, classes

        batches = training_dataset(*args, first_step=first_step, **options)
        return batches.enumerate().map(lambda number, batch: spoil(number, batch))

    return stream


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
@pytest.mark.parametrize("step", [7, 8])
def test_images_that_are_not_numbers_stop_the_training_and_leave_its_checkpoints(
    trained: Any,
    trained_copy: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
):
    recipe = dataclasses.replace(trained.recipe, steps=9)

    with monkeypatch.context() as patch, pytest.raises(RunError) as caught:
        patch.setattr(loop, "training_dataset", _without_numbers(step))
        loop.train(trained.model, recipe, trained.examples, trained_copy)

    message = str(caught.value)
    assert "discriminator_loss" in message
    assert f"in step {step}." in message
    assert "of step 6, is in" in message
    assert "--train.generator-learning-rate" in message
    assert "--train.discriminator-learning-rate" in message
    assert "--train.divergence-retries" in message
    assert str(trained_copy) in message
    assert "\n" not in message
    assert _checkpoint_steps(trained_copy) == [3, 6]
    # What is left can be gone on from.
    gan = loop.train(trained.model, trained.recipe, trained.examples, trained_copy)
    _assert_same(_weights(gan), _weights(trained.gan), 1e-12)


ABSURD = TrainConfig(
    steps=4,
    batch_size=4,
    discriminator_learning_rate=1e30,
    r1_gamma=0.0,
    strategy="one_device",
    report_every=1,
    checkpoint_every=4,
    checkpoint_seconds=1e9,
)


def test_an_absurd_learning_rate_stops_the_training(
    make_examples: Callable, tmp_path: pathlib.Path
):
    with pytest.raises(RunError, match=r"_loss.*became NaN or infinite in step 2") as e:
        loop.train(
            ModelConfig(latent_dim=8), ABSURD, make_examples(8, seed=2), tmp_path
        )

    assert "lower --train.generator-learning-rate" in str(e.value)
    assert _checkpoint_steps(tmp_path) == []
    assert [line["step"] for line in reporting.read_stats(tmp_path)] in ([], [1])


@pytest.mark.slow
def test_retries_halve_the_learning_rates_as_often_as_allowed(
    make_examples: Callable,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
):
    recipe = dataclasses.replace(ABSURD, divergence_retries=2)

    with pytest.raises(RunError, match="in step 2 with learning rates halved 2 times"):
        loop.train(
            ModelConfig(latent_dim=8), recipe, make_examples(8, seed=2), tmp_path
        )

    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert shown.count("Resuming from step 0 with half the learning rates") == 2
    assert "(retry 2 of 2)" in shown


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_a_retry_goes_on_from_the_last_good_checkpoint_with_half_the_rates(
    trained: Any, tmp_path: pathlib.Path
):
    # At this rate the weights overflow in the first steps; halved often enough,
    # they do not. A checkpoint half-way would keep what is ruined already.
    recipe = dataclasses.replace(
        trained.recipe,
        discriminator_learning_rate=1e9,
        checkpoint_every=trained.recipe.steps,
        divergence_retries=40,
    )

    gan = loop.train(trained.model, recipe, trained.examples, tmp_path)

    assert int(gan.step) == recipe.steps
    lines = reporting.read_stats(tmp_path)
    assert [line["step"] for line in lines] == [2, 4, 6]
    halvings = np.log2(1e9 / lines[-1]["discriminator_learning_rate"])
    assert halvings == pytest.approx(round(halvings))
    assert round(halvings) > 0
    assert lines[-1]["generator_learning_rate"] == pytest.approx(
        recipe.generator_learning_rate / 2 ** round(halvings)
    )


@pytest.mark.slow
def test_a_checkpoint_is_made_after_so_many_seconds(
    trained: Any, tmp_path: pathlib.Path
):
    recipe = dataclasses.replace(
        trained.recipe,
        checkpoint_every=10**6,
        checkpoint_seconds=1e-3,
        checkpoint_keep=2,
        report_every=1,
    )

    loop.train(trained.model, recipe, trained.examples, tmp_path)

    assert _checkpoint_steps(tmp_path) == [5, 6]


def test_other_training_in_the_process_is_not_made_deterministic(
    trained: Any, trained_copy: pathlib.Path
):
    recipe = dataclasses.replace(trained.recipe, deterministic=True)
    # Such as an operation without a seed, which deterministic TensorFlow refuses.
    tf.random.normal([1])

    loop.train(trained.model, recipe, trained.examples, trained_copy)

    tf.random.normal([1])


@pytest.mark.slow
def test_a_deterministic_training_that_was_stopped_ends_with_the_same_bits(
    trained: Any, tmp_path: pathlib.Path
):
    recipe = dataclasses.replace(trained.recipe, deterministic=True)
    whole = loop.train(trained.model, recipe, trained.examples, tmp_path / "whole")

    for steps in (1, 3, 6):
        gan = loop.train(
            trained.model,
            dataclasses.replace(recipe, steps=steps),
            trained.examples,
            tmp_path / "parts",
        )

    seen, wanted = _weights(gan), _weights(whole)
    for name in wanted:
        for one, other in zip(seen[name], wanted[name], strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_dropout_goes_on_as_if_nothing_had_been(
    make_examples: Callable, tmp_path: pathlib.Path
):
    model = ModelConfig("tutorial", latent_dim=8)
    recipe = TrainConfig(
        steps=2, batch_size=2, r1_gamma=0.0, strategy="one_device", deterministic=True
    )
    examples = make_examples(4)
    whole = loop.train(model, recipe, examples, tmp_path / "whole")

    loop.train(
        model, dataclasses.replace(recipe, steps=1), examples, tmp_path / "parts"
    )
    gan = loop.train(model, recipe, examples, tmp_path / "parts")

    seen, wanted = _weights(gan), _weights(whole)
    for one, other in zip(seen["discriminator"], wanted["discriminator"], strict=True):
        np.testing.assert_array_equal(one, other)


def test_too_few_images_are_told_before_anything_is_trained(
    make_examples: Callable, tmp_path: pathlib.Path
):
    recipe = TrainConfig(steps=1, batch_size=8, strategy="one_device")

    with pytest.raises(RunError, match="more than the 5 training images"):
        loop.train(ModelConfig(latent_dim=8), recipe, make_examples(5), tmp_path)
