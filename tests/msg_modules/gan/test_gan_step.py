from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from specs import FASHION

from msg_modules.configs import ModelConfig, TrainConfig
from msg_modules.gan import augmentation, networks, penalties
from msg_modules.gan.losses import LOSSES, AdversarialLoss
from msg_modules.gan.step import METRICS, Gan

COMPACT = ModelConfig(network="compact", latent_dim=8)
TUTORIAL = ModelConfig(network="tutorial", latent_dim=16)


def _noise_weights(network: keras.Model, seed: int) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [
        generator.normal(size=weight.shape).astype(np.float32)
        for weight in network.get_weights()
    ]


def _tensors(pyramids: tuple[np.ndarray, ...]) -> tuple[tf.Tensor, ...]:
    return tuple(tf.constant(scale) for scale in pyramids)


def test_the_seed_decides_the_first_weights():
    first, same, other = (
        Gan(COMPACT, TrainConfig(seed=seed), FASHION, 1) for seed in (4, 4, 5)
    )

    def weights(gan: Gan) -> np.ndarray:
        return np.concatenate(
            [
                weight.ravel()
                for network in (gan.generator, gan.discriminator)
                for weight in network.get_weights()
            ]
        )

    np.testing.assert_array_equal(weights(first), weights(same))
    assert np.max(np.abs(weights(first) - weights(other))) > 0.01


def test_the_average_begins_as_a_copy_of_the_generator():
    gan = Gan(COMPACT, TrainConfig(ema_half_life=100), FASHION, 1)

    assert gan.ema_generator is not gan.generator
    for average, weight in zip(
        gan.ema_generator.get_weights(), gan.generator.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(average, weight)


def test_without_half_life_the_generator_itself_is_exported():
    gan = Gan(COMPACT, TrainConfig(ema_half_life=0), FASHION, 1)
    gan.step.assign(10)
    before = gan.generator.get_weights()

    gan.update_average()

    assert gan.ema_generator is gan.generator
    for kept, weight in zip(before, gan.generator.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, weight)


@pytest.mark.parametrize("half_life", [0, 100])
def test_what_bfloat16_trains_is_exported_in_float32(half_life: int):
    train = TrainConfig(batch_size=8, precision="bfloat16", ema_half_life=half_life)
    gan = Gan(COMPACT, train, FASHION, 1)
    gan.step.assign(1)
    latents = tf.random.stateless_normal([16, 8], [0, 0])
    plain, _ = networks.build("compact", 8, FASHION)

    if not half_life:
        gan.generator.set_weights(_noise_weights(gan.generator, seed=0))
        gan.update_average()
    plain.set_weights(gan.generator.get_weights())

    for exported, wanted in zip(
        gan.ema_generator(latents), plain(latents), strict=True
    ):
        np.testing.assert_allclose(exported, wanted, atol=1e-6)


@pytest.mark.parametrize(
    "model",
    [COMPACT, pytest.param(TUTORIAL, marks=pytest.mark.slow)],
    ids=["compact", "tutorial"],
)
def test_a_step_in_bfloat16_is_nearly_one_in_float32(model: ModelConfig):
    norms = {}
    for precision in ("float32", "bfloat16"):
        gan = Gan(model, TrainConfig(batch_size=32, precision=precision), FASHION, 1)
        images = tuple(
            tf.random.stateless_uniform([32, size, size, 1], [1, size], -1, 1)
            for size in (7, 14, 28)
        )
        metrics = gan.replica_step(images, with_penalty=True)
        norms[precision] = metrics.numpy()
    # bfloat16 has 8 bits of precision.
    np.testing.assert_allclose(norms["bfloat16"][:2], norms["float32"][:2], rtol=0.02)
    if model.network == "compact":  # the other one's dropout draws by dtype
        np.testing.assert_allclose(norms["bfloat16"], norms["float32"], rtol=0.1)
        assert np.max(np.abs(norms["bfloat16"] - norms["float32"])) > 1e-6


@pytest.mark.parametrize(
    ("step", "replicas", "half_life"),
    [
        # The half-life is at most a twentieth of the images seen so far.
        (1, 1, 0.05 * 8),
        (100, 1, 0.05 * 800),
        (100, 2, 0.05 * 1600),
        (10_000, 1, 2000),
        (10_000, 2, 2000),
    ],
)
def test_the_average_moves_by_its_half_life_in_images(
    step: int, replicas: int, half_life: float
):
    gan = Gan(COMPACT, TrainConfig(batch_size=8, ema_half_life=2000), FASHION, replicas)
    old, new = _noise_weights(gan.generator, 0), _noise_weights(gan.generator, 1)
    gan.ema_generator.set_weights(old)
    gan.generator.set_weights(new)
    gan.step.assign(step)

    gan.update_average()

    keep = 0.5 ** (8 * replicas / half_life)
    names = [variable.path for variable in gan.generator.variables]
    assert any("moving_mean" in name for name in names)
    assert any("moving_variance" in name for name in names)
    for name, average, was, weight in zip(
        names, gan.ema_generator.get_weights(), old, new, strict=True
    ):
        np.testing.assert_allclose(
            average, keep * was + (1 - keep) * weight, atol=1e-6, err_msg=name
        )
    for weight, kept in zip(gan.generator.get_weights(), new, strict=True):
        np.testing.assert_array_equal(weight, kept)


def test_after_as_many_images_as_the_half_life_half_of_the_way_is_left():
    gan = Gan(COMPACT, TrainConfig(batch_size=8, ema_half_life=80), FASHION, 1)
    start = gan.generator.get_weights()
    target = _noise_weights(gan.generator, 2)
    gan.generator.set_weights(target)
    gan.step.assign(100_000)

    for _ in range(10):
        gan.update_average()

    for average, was, goal in zip(
        gan.ema_generator.get_weights(), start, target, strict=True
    ):
        np.testing.assert_allclose(average, (was + goal) / 2, atol=1e-5)


def test_an_eager_step_reports_losses_and_accuracies_of_the_networks_before_it(
    make_pyramids: Callable,
):
    # Without a batch norm in the discriminator its logits can be had again.
    config = TrainConfig(batch_size=6, seed=2)
    images = _tensors(make_pyramids(6))
    gan, twin = Gan(COMPACT, config, FASHION, 1), Gan(COMPACT, config, FASHION, 1)

    metrics = dict(zip(METRICS, gan.replica_step(images, False).numpy(), strict=True))
    norms = [
        metrics.pop(f"{side}_gradient_norm") for side in ("generator", "discriminator")
    ]

    real = twin.discriminator(images).numpy()[:, 0].astype(np.float64)
    latents = tf.random.stateless_normal([6, 8], seed=tf.constant([2, 0], tf.int64))
    fakes = twin.generator(latents, training=True)
    fake = twin.discriminator(fakes).numpy()[:, 0].astype(np.float64)
    assert metrics == {
        "generator_loss": pytest.approx(np.mean(np.log1p(np.exp(-fake))), rel=1e-5),
        "discriminator_loss": pytest.approx(
            np.mean(np.log1p(np.exp(-real)) + np.log1p(np.exp(fake))), rel=1e-5
        ),
        "real_accuracy": pytest.approx(np.mean(real > 0)),
        "fake_accuracy": pytest.approx(np.mean(fake < 0)),
    }
    for norm, gradients in zip(
        norms, _plain_gradients(twin, images, latents), strict=True
    ):
        squares = [np.sum(np.square(g.numpy().astype(np.float64))) for g in gradients]
        assert norm == pytest.approx(np.sqrt(np.sum(squares)), rel=1e-4)


def _plain_gradients(
    gan: Gan,
    images: tuple[tf.Tensor, ...],
    latents: tf.Tensor,
    loss: str = "non_saturating",
    change: Callable = lambda images, stream: images,
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """Those of both networks as everybody writes it: a tape for each of them."""
    sides = LOSSES[loss]
    with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
        fakes = gan.generator(latents, training=True)
        real = gan.discriminator(change(images, 2), training=True)
        fake = gan.discriminator(change(fakes, 3), training=True)
        if loss == "average_hinge":
            real, fake = real - tf.reduce_mean(fake), fake - tf.reduce_mean(real)
        generator_loss = tf.reduce_mean(sides.generator(real, fake))
        discriminator_loss = tf.reduce_mean(sides.discriminator(real, fake))
    return (
        generator_tape.gradient(generator_loss, gan.generator.trainable_variables),
        discriminator_tape.gradient(
            discriminator_loss, gan.discriminator.trainable_variables
        ),
    )


@pytest.mark.parametrize(
    ("model", "loss"),
    [
        (COMPACT, "relativistic"),
        *(
            pytest.param(COMPACT, loss, marks=pytest.mark.slow)
            for loss in LOSSES
            if loss != "relativistic"
        ),
        pytest.param(TUTORIAL, "non_saturating", marks=pytest.mark.slow),
    ],
)
def test_one_pass_back_through_the_discriminator_serves_both_networks(
    make_pyramids: Callable, model: ModelConfig, loss: str
):
    config = TrainConfig(batch_size=4, seed=6, loss=loss, beta_1=0.5, r1_gamma=0.0)
    images = _tensors(make_pyramids(4))
    gan = Gan(model, config, FASHION, 1)
    _without_dropout(gan)
    latents = tf.random.stateless_normal(
        [4, model.latent_dim], seed=tf.constant([6, 0], tf.int64)
    )
    generator, discriminator = _plain_gradients(gan, images, latents, loss)

    gan.replica_step(images, False)

    assert all(np.max(np.abs(gradient)) > 0 for gradient in generator)
    _assert_same_gradients(
        _gradients(gan), [gradient.numpy() for gradient in (*generator, *discriminator)]
    )


def test_augmented_images_are_what_both_networks_learn_from(make_pyramids: Callable):
    config = TrainConfig(batch_size=4, seed=6, beta_1=0.5, augment=True, r1_gamma=0.5)
    images = _tensors(make_pyramids(4))

    def change(pyramid: tuple[tf.Tensor, ...], stream: int) -> tuple[tf.Tensor, ...]:
        seed = tf.constant([6 + (stream << 32), 0], tf.int64)
        randoms = tf.random.stateless_uniform([4, augmentation.NUM_RANDOMS], seed)
        return augmentation.augment(pyramid, randoms)

    gan = Gan(COMPACT, config, FASHION, 1)
    latents = tf.random.stateless_normal([4, 8], seed=tf.constant([6, 0], tf.int64))
    generator, discriminator = _plain_gradients(gan, images, latents, change=change)
    with tf.GradientTape() as tape:
        penalty = penalties.squared_norm_penalty(gan.discriminator, change(images, 2))
        total = config.penalty_interval * 0.5 * tf.reduce_mean(penalty)
    extra = tape.gradient(total, gan.discriminator.trainable_variables)

    gan.replica_step(images, True)

    penalized = [
        gradient if more is None else gradient + more
        for gradient, more in zip(discriminator, extra, strict=True)
    ]
    _assert_same_gradients(
        _gradients(gan), [gradient.numpy() for gradient in (*generator, *penalized)]
    )


def _at_fake_logits(loss: AdversarialLoss, value: float) -> AdversarialLoss:
    """The same loss, evaluated as if every generated image had this logit."""

    def moved(side: Callable) -> Callable:
        return lambda real, fake: side(real, fake + tf.stop_gradient(value - fake))

    return loss._replace(
        generator=moved(loss.generator), discriminator=moved(loss.discriminator)
    )


@pytest.mark.parametrize(
    "loss",
    [
        "non_saturating",
        *(
            pytest.param(loss, marks=pytest.mark.slow)
            for loss in LOSSES
            if loss != "non_saturating"
        ),
    ],
)
def test_a_step_equals_two_separate_passes_however_far_the_logits_are(
    make_pyramids: Callable, monkeypatch: pytest.MonkeyPatch, loss: str
):
    config = TrainConfig(batch_size=4, seed=6, loss=loss, r1_gamma=0.0)
    images = _tensors(make_pyramids(4))
    gan = Gan(COMPACT, config, FASHION, 1)
    taken: list[list[tf.Tensor]] = []
    # Nothing is updated, so that each logit meets the same weights.
    for optimizer in (gan.discriminator_optimizer, gan.generator_optimizer):
        monkeypatch.setattr(optimizer, "apply", lambda g, _: taken.append(list(g)))
    latents = tf.random.stateless_normal([4, 8], seed=tf.constant([6, 0], tf.int64))
    plain = LOSSES[loss]

    for value in (-1000.0, -120.0, -90.0, -84.0, -80.0, -75.0, 0.0, 1.0, 1000.0):
        moved = _at_fake_logits(plain, value)
        monkeypatch.setitem(LOSSES, loss, moved)
        monkeypatch.setattr(gan, "_loss", moved)
        wanted = _plain_gradients(gan, images, latents, loss)
        taken.clear()
        gan.replica_step(images, False)
        for seen, gradients in zip(taken, reversed(wanted), strict=True):
            largest = max(float(np.max(np.abs(g))) for g in gradients)
            for one, other in zip(seen, gradients, strict=True):
                np.testing.assert_allclose(
                    one, other, rtol=1e-4, atol=2e-6 * largest + 1e-15
                )


def test_penalties_are_multiplied_by_their_interval_and_weight(
    make_pyramids: Callable,
):
    images = _tensors(make_pyramids(4))

    def gradients(with_penalty: bool, **recipe: float) -> list[np.ndarray]:
        config = TrainConfig(batch_size=4, seed=6, beta_1=0.5, **recipe)
        gan = Gan(COMPACT, config, FASHION, 1)
        gan.replica_step(images, with_penalty)
        return _gradients(gan)

    plain = gradients(False)
    twin = Gan(COMPACT, TrainConfig(batch_size=4, seed=6), FASHION, 1)
    seed = tf.constant([6, 0], tf.int64)
    fakes = twin.generator(tf.random.stateless_normal([4, 8], seed), training=True)
    epsilon = tf.random.stateless_uniform([4], tf.constant([6 + 2**32, 0], tf.int64))
    for recipe, penalty in (
        (
            {"r1_gamma": 0.5},
            lambda: 0.5 * penalties.squared_norm_penalty(twin.discriminator, images),
        ),
        (
            {"r1_gamma": 0.0, "r2_gamma": 0.7},
            lambda: 0.7 * penalties.squared_norm_penalty(twin.discriminator, fakes),
        ),
        (
            {"r1_gamma": 0.0, "gradient_penalty": 10.0},
            lambda: (
                10
                * penalties.gradient_penalty(twin.discriminator, images, fakes, epsilon)
            ),
        ),
    ):
        seen = gradients(True, penalty_interval=3, **recipe)
        with tf.GradientTape() as tape:
            total = 3 * tf.reduce_mean(penalty())
        wanted = tape.gradient(total, twin.discriminator.trainable_variables)
        number = len(twin.generator.trainable_variables)
        _assert_same_gradients(seen[:number], plain[:number])
        _assert_same_gradients(
            seen[number:],
            [
                gradient + (0 if extra is None else extra.numpy())
                for gradient, extra in zip(plain[number:], wanted, strict=True)
            ],
        )


@pytest.mark.parametrize("with_penalty", [False, True])
def test_a_step_of_the_tutorial_changes_every_weight(
    make_pyramids: Callable, with_penalty: bool
):
    gan = Gan(TUTORIAL, TrainConfig(batch_size=2, seed=1), FASHION, 1)
    networks = (gan.generator, gan.discriminator)
    before = [
        variable.numpy()
        for network in networks
        for variable in network.trainable_variables
    ]
    statistics = [v.numpy() for v in gan.generator.non_trainable_variables]

    metrics = gan.replica_step(_tensors(make_pyramids(2)), with_penalty)

    assert np.all(np.isfinite(metrics))
    after = [
        variable for network in networks for variable in network.trainable_variables
    ]
    for was, variable in zip(before, after, strict=True):
        assert np.all(np.isfinite(variable.numpy())), variable.path
        assert np.any(variable.numpy() != was), variable.path
    # The counters of random seeds apart, these are batch norm's.
    assert any(
        np.any(was != variable.numpy())
        for was, variable in zip(
            statistics, gan.generator.non_trainable_variables, strict=True
        )
    )


def _without_chance_and_statistics(gan: Gan) -> None:
    """Takes out of the networks what depends on how a batch is divided.

    Dropout draws another mask on each replica, and the article's batch norm
    normalises by each replica's own images: trained as it is, that network
    depends on the number of replicas, whatever the averaging.
    """
    _without_dropout(gan)
    for layer in gan.generator.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            # Frozen, it normalises by its fixed statistics.
            layer.trainable = False


def _without_dropout(gan: Gan) -> None:
    for layer in gan.discriminator.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0


def _gradients(gan: Gan) -> list[np.ndarray]:
    """Those of the first step: Adam's first moments are (1 - beta_1) times them."""
    variables = [
        variable
        for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer)
        for variable in optimizer.variables
        if "momentum" in variable.path
    ]
    assert len(variables) == sum(
        len(network.weights) - _num_statistics(network)
        for network in (gan.generator, gan.discriminator)
    )
    return [variable.numpy() / (1 - 0.5) for variable in variables]


def _num_statistics(network: keras.Model) -> int:
    return sum(
        "moving_" in variable.path or "seed" in variable.path
        for variable in network.weights
    )


# All that a step does: a loss that takes means over the batch, every penalty.
_EVERYTHING = {
    "seed": 1,
    "loss": "average_hinge",
    "r1_gamma": 1.0,
    "r2_gamma": 0.5,
    "gradient_penalty": 2.0,
    "beta_1": 0.5,
}


def _classes_in_turn(num_images: int, num_classes: int) -> np.ndarray:
    if not num_classes:
        return np.zeros([num_images, 0], np.float32)
    return np.eye(num_classes, dtype=np.float32)[np.arange(num_images) % num_classes]


def _gradients_of_one_replica(
    model: ModelConfig,
    images: tuple[np.ndarray, ...],
    num_classes: int = 0,
    **recipe: float,
) -> list[np.ndarray]:
    config = TrainConfig(batch_size=len(images[0]), **(recipe or _EVERYTHING))
    gan = Gan(model, config, FASHION, 1, num_classes)
    _without_chance_and_statistics(gan)
    classes = _classes_in_turn(len(images[0]), num_classes)
    gan.replica_step(_tensors(images), True, tf.constant(classes))
    return _gradients(gan)


def _gradients_of_two_replicas(
    model: ModelConfig,
    images: tuple[np.ndarray, ...],
    num_classes: int = 0,
    kind: type[Gan] = Gan,
    **recipe: float,
) -> list[np.ndarray]:
    half = len(images[0]) // 2
    config = TrainConfig(batch_size=half, **(recipe or _EVERYTHING))
    # Without collectives, whose keys other strategies of this process use as well.
    strategy = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice()
    )
    with strategy.scope():
        gan = kind(model, config, FASHION, 2, num_classes)
    _without_chance_and_statistics(gan)

    def part(scale: np.ndarray) -> tf.distribute.DistributedValues:
        halves = scale[:half], scale[half:]
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(halves[context.replica_id_in_sync_group])
        )

    parts = tuple(map(part, images))
    classes = part(_classes_in_turn(len(images[0]), num_classes))
    tf.function(lambda: strategy.run(gan.replica_step, (parts, True, classes)))()
    return _gradients(gan)


def _assert_same_gradients(
    seen: list[np.ndarray], wanted: list[np.ndarray], tolerance: float = 1e-3
) -> None:
    for one, other in zip(seen, wanted, strict=True):
        np.testing.assert_allclose(
            one, other, rtol=0, atol=1e-6 + tolerance * np.max(np.abs(other))
        )


@pytest.mark.parametrize(
    ("model", "num_classes"),
    [
        pytest.param(COMPACT, 0, id="compact", marks=pytest.mark.slow),
        pytest.param(COMPACT, 3, id="compact with classes", marks=pytest.mark.slow),
        pytest.param(TUTORIAL, 0, id="tutorial", marks=pytest.mark.slow),
    ],
)
def test_gradients_of_two_replicas_are_those_of_the_mean_over_the_global_batch(
    make_pyramids: Callable, model: ModelConfig, num_classes: int
):
    images = make_pyramids(4)

    wanted = _gradients_of_one_replica(model, images, num_classes)
    seen = _gradients_of_two_replicas(model, images, num_classes)

    assert max(np.max(np.abs(gradient)) for gradient in wanted) > 0.01
    _assert_same_gradients(seen, wanted)


@pytest.mark.slow
def test_dividing_by_the_number_of_replicas_once_more_halves_the_gradients(
    make_pyramids: Callable,
):
    # The mistake that the test above is there for; Adam, which hardly minds the
    # size of gradients, would hide it in the weights.
    class DividedTwice(Gan):
        def _mean(self, values: tf.Tensor) -> tf.Tensor:
            return super()._mean(values) / 2

    images = make_pyramids(4)
    recipe = {"seed": 1, "r1_gamma": 1.0, "beta_1": 0.5}
    wanted = _gradients_of_one_replica(COMPACT, images, **recipe)
    mistaken = _gradients_of_two_replicas(COMPACT, images, kind=DividedTwice, **recipe)

    _assert_same_gradients([2 * gradient for gradient in mistaken], wanted)
    with pytest.raises(AssertionError):
        _assert_same_gradients(mistaken, wanted)
