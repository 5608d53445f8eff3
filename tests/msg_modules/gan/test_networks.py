from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from specs import FASHION

from msg_modules.common.errors import ConfigError
from msg_modules.data.image_spec import ImageSpec
from msg_modules.gan.networks import build

SIZES = (7, 14, 28)
LATENT_DIM = {"compact": 8, "tutorial": 100}


@pytest.fixture(scope="module", params=["compact", "tutorial"])
def networks(request: pytest.FixtureRequest):
    keras.utils.set_random_seed(0)
    return (
        *build(request.param, LATENT_DIM[request.param], FASHION),
        LATENT_DIM[request.param],
    )


def _latents(num: int, latent_dim: int) -> tf.Tensor:
    return tf.random.stateless_normal([num, latent_dim], seed=[1, 2])


def _images(num: int) -> tuple[tf.Tensor, ...]:
    return tuple(
        tf.random.stateless_uniform([num, size, size, 1], [size, 0], -1, 1)
        for size in SIZES
    )


def test_tutorial_has_the_articles_numbers_of_parameters():
    generator, discriminator = build("tutorial", 100, FASHION)

    assert generator.count_params() == 4_197_763
    assert discriminator.count_params() == 988_865


def _outline(model: keras.Model) -> list[tuple[object, ...]]:
    """What each layer is, in the order of the computation."""
    outline = []
    for layer in model.layers:
        kind, settings = type(layer).__name__, layer.get_config()
        if kind in ("Conv2D", "Conv2DTranspose"):
            assert settings["padding"] == "same"
            assert settings["use_bias"]
            assert settings["kernel_initializer"]["class_name"] == "GlorotUniform"
            height, width = settings["kernel_size"]
            assert height == width
            outline.append(
                (
                    kind,
                    settings["filters"],
                    height,
                    settings["strides"][0],
                    settings["activation"],
                )
            )
        elif kind == "Dense":
            assert settings["use_bias"]
            outline.append((kind, settings["units"], settings["activation"]))
        elif kind == "LeakyReLU":
            outline.append((kind, pytest.approx(settings["negative_slope"])))
        elif kind == "BatchNormalization":
            outline.append((kind, settings["momentum"], settings["epsilon"]))
        elif kind == "Dropout":
            outline.append((kind, settings["rate"]))
        elif kind == "InputLayer":
            outline.append((kind, *layer.batch_shape[1:]))
        else:
            outline.append((kind,))
    return outline


def test_tutorial_generator_is_the_articles_layer_by_layer():
    generator, _ = build("tutorial", 100, FASHION)

    norm_leaky = [("BatchNormalization", 0.99, 1e-3), ("LeakyReLU", 0.3)]

    def block(strides: int) -> list[tuple[object, ...]]:
        return [
            ("Conv2DTranspose", 128, 5, strides, "linear"),
            *norm_leaky,
            ("Conv2D", 128, 5, 1, "linear"),
            *norm_leaky,
        ]

    to_image = ("Conv2DTranspose", 1, 5, 1, "tanh")
    body = [
        ("InputLayer", 100),
        ("Dense", 7 * 7 * 256, "linear"),
        *norm_leaky,
        ("Reshape",),
        *block(1),
        *block(2),
        *block(2),
    ]
    # Keras sorts by depth, so the heads may stand anywhere behind their block.
    outline = _outline(generator)
    assert [layer for layer in outline if layer != to_image] == body
    assert outline.count(to_image) == 3


def test_tutorial_discriminator_is_the_articles_layer_by_layer():
    _, discriminator = build("tutorial", 100, FASHION)

    def conv(
        filters: int, kernel: int, strides: int, inputs: int
    ) -> dict[str, tuple[int, ...]]:
        return {"kernel": (kernel, kernel, inputs, filters), "strides": (strides,) * 2}

    convolutions = [
        {"kernel": tuple(layer.kernel.shape), "strides": layer.strides}
        for layer in _in_order_of_use(discriminator)
        if isinstance(layer, keras.layers.Conv2D)
    ]
    # Each scale enters through 64 5x5 filters with stride 2 and is joined to
    # what came from the larger one.
    assert convolutions == [
        conv(64, 5, 2, 1),
        conv(128, 3, 1, 64),
        conv(64, 5, 2, 128),
        conv(64, 5, 2, 1),
        conv(128, 3, 1, 64 + 64),
        conv(64, 5, 2, 128),
        conv(64, 5, 2, 1),
        conv(128, 3, 1, 64 + 64),
        conv(64, 5, 2, 128),
    ]
    outline = _outline(discriminator)
    assert outline.count(("LeakyReLU", 0.3)) == 9
    assert outline.count(("Dropout", 0.3)) == 9
    assert outline.count(("Concatenate",)) == 2
    assert outline[-2:] == [("Flatten",), ("Dense", 1, "linear")]
    assert discriminator.layers[-1].kernel.shape == (2 * 2 * 64, 1)


def _in_order_of_use(model: keras.Model) -> list[keras.Layer]:
    """Layers from the largest image on: those of a scale before the next one's."""
    ordered: list[keras.Layer] = []

    def visit(tensor: keras.KerasTensor) -> None:
        layer, node_index, _ = tensor._keras_history
        if layer not in ordered:
            for parent in layer._inbound_nodes[node_index].input_tensors:
                visit(parent)
            ordered.append(layer)

    visit(model.outputs[0])
    return ordered


def test_every_conv_block_of_the_tutorial_is_convolution_leaky_relu_dropout():
    _, discriminator = build("tutorial", 100, FASHION)

    kinds = [
        type(layer).__name__
        for layer in _in_order_of_use(discriminator)
        if not isinstance(layer, keras.layers.InputLayer | keras.layers.Concatenate)
    ]

    assert kinds == ["Conv2D", "LeakyReLU", "Dropout"] * 9 + ["Flatten", "Dense"]


def test_generator_draws_the_pyramid_smallest_first(networks):
    generator, _, latent_dim = networks

    pyramid = generator(_latents(3, latent_dim), training=False)

    assert [scale.shape.as_list() for scale in pyramid] == [
        [3, size, size, 1] for size in SIZES
    ]
    assert [scale.dtype for scale in pyramid] == [tf.float32] * 3
    assert generator.output_names == ["image_7", "image_14", "image_28"]


@pytest.mark.parametrize("training", [False, True])
def test_generator_stays_in_the_range_of_tanh(networks, training: bool):
    generator, _, latent_dim = networks

    before = generator.get_weights()
    far = generator(1e6 * _latents(4, latent_dim), training=training)
    generator.set_weights(before)  # Batch norm took the latents' statistics.

    for scale in far:
        assert np.all(np.isfinite(scale))
        assert np.max(np.abs(scale)) <= 1.0
    # With such latents the untrained network must use the range, on both sides.
    assert np.max(far[2]) > 0.0
    assert np.min(far[2]) < 0.0


def test_latents_make_a_difference_at_every_scale(networks):
    generator, _, latent_dim = networks

    for scale in generator(_latents(2, latent_dim), training=False):
        assert np.max(np.abs(scale[0] - scale[1])) > 1e-3


def test_discriminator_takes_the_pyramid_smallest_first(networks):
    _, discriminator, _ = networks

    logits = discriminator(_images(3), training=False)

    assert logits.shape == [3, 1]
    assert logits.dtype == tf.float32
    assert [tensor.shape[1] for tensor in discriminator.inputs] == [7, 14, 28]
    with pytest.raises(ValueError, match="shape"):
        discriminator(_images(3)[::-1], training=False)


def test_logits_are_not_squashed(networks):
    _, discriminator, _ = networks

    logits = discriminator([1e4 * scale for scale in _images(8)], training=False)

    assert np.max(np.abs(logits)) > 1.0


def test_every_image_is_judged_by_itself(networks):
    _, discriminator, _ = networks
    images = _images(4)

    together = discriminator(images, training=False)
    alone = discriminator([scale[2:3] for scale in images], training=False)

    np.testing.assert_allclose(together[2:3], alone, atol=1e-4)


@pytest.mark.parametrize("scale", range(3))
def test_the_logit_depends_on_every_scale(networks, scale: int):
    _, discriminator, _ = networks
    images = _images(2)
    with tf.GradientTape() as tape:
        tape.watch(images[scale])
        logits = discriminator(images, training=False)

    gradient = tape.gradient(logits, images[scale])
    assert np.count_nonzero(gradient) > 0.5 * np.size(gradient)


def test_gradients_reach_every_variable_of_both_networks(networks):
    generator, discriminator, latent_dim = networks
    variables = generator.trainable_variables + discriminator.trainable_variables
    with tf.GradientTape() as tape:
        logits = discriminator(
            generator(_latents(4, latent_dim), training=False), training=False
        )
        loss = tf.reduce_sum(tf.nn.softplus(-logits))

    for variable, gradient in zip(
        variables, tape.gradient(loss, variables), strict=True
    ):
        assert gradient is not None, variable.path
        assert np.any(gradient != 0), variable.path


@pytest.mark.parametrize("scale", range(3))
def test_each_scale_alone_teaches_the_generator_down_to_the_latents(
    networks, scale: int
):
    generator, discriminator, latent_dim = networks
    variables = generator.trainable_variables
    with tf.GradientTape() as tape:
        pyramid = [
            image if place == scale else tf.stop_gradient(image)
            for place, image in enumerate(
                generator(_latents(4, latent_dim), training=False)
            )
        ]
        logits = discriminator(pyramid, training=False)
        loss = tf.reduce_sum(tf.nn.softplus(-logits))
    gradients = dict(
        zip(
            [variable.path for variable in variables],
            tape.gradient(loss, variables),
            strict=True,
        )
    )

    reached = {path for path, gradient in gradients.items() if gradient is not None}
    for path in reached:
        assert np.any(gradients[path] != 0), path
    # The first layer is always reached; of the heads only that of this scale.
    assert variables[0].path in reached
    heads = {size: f"image_{size}/kernel" for size in SIZES}
    for place, size in enumerate(SIZES):
        assert (heads[size] in reached) == (place == scale)
    # The larger the image, the more of the generator it reaches: for each scale
    # down to the latents what the smaller ones use, but for their heads.
    if scale == 2:
        unreached = set(gradients) - reached
        assert unreached == {
            f"image_{size}/{name}" for size in (7, 14) for name in ("kernel", "bias")
        }


def test_each_image_is_drawn_from_features_of_its_own_size(networks):
    generator, _, latent_dim = networks
    variables = generator.trainable_variables
    counts = []
    for scale in range(3):
        with tf.GradientTape() as tape:
            image = generator(_latents(2, latent_dim), training=False)[scale]
        counts.append(sum(grad is not None for grad in tape.gradient(image, variables)))

    assert counts[0] < counts[1] < counts[2]


def test_two_builds_share_no_variable():
    first, _ = build("compact", 8, FASHION)
    second, _ = build("compact", 8, FASHION)
    before = second.get_weights()

    first.set_weights([weight + 1 for weight in first.get_weights()])

    for weight, kept in zip(second.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)


@pytest.mark.parametrize("network", ["compact", "tutorial"])
def test_bfloat16_changes_what_layers_calculate_in_and_nothing_else(network: str):
    plain, reduced = (
        build(network, 16, FASHION, precision) for precision in ("float32", "bfloat16")
    )
    for one, other in zip(plain, reduced, strict=True):
        other.set_weights(one.get_weights())
    latents = tf.random.stateless_normal([8, 16], [0, 0])

    images, rough = plain[0](latents), reduced[0](latents)
    logits, rough_logits = plain[1](images), reduced[1](images)

    assert {scale.dtype for scale in rough} == {tf.float32}
    assert rough_logits.dtype == tf.float32
    for one, other in zip([*images, logits], [*rough, rough_logits], strict=True):
        error = np.max(np.abs(one - other))
        assert 0 < error < 0.02 * np.max(np.abs(one)) + 1e-3
    weights = [w for net in reduced for w in net.get_weights() if w.dtype != np.int64]
    assert {weight.dtype for weight in weights} == {np.dtype(np.float32)}
    assert build(network, 16, FASHION)[0].layers[1].compute_dtype == "float32"


def test_compact_is_for_fashion_mnist_what_it_was():
    generator, discriminator = build("compact", 16, FASHION)

    shapes = [
        [
            tuple(weight.shape)
            for weight in network.trainable_variables
            if weight.ndim > 1
        ]
        for network in (generator, discriminator)
    ]

    assert shapes == [
        [
            (16, 7 * 7 * 64),
            (3, 3, 64, 64),
            (3, 3, 64, 32),
            (3, 3, 32, 16),
            (1, 1, 64, 1),
            (1, 1, 32, 1),
            (3, 3, 16, 1),
        ],
        [
            (3, 3, 1, 16),
            (4, 4, 16, 32),
            (1, 1, 1, 8),
            (4, 4, 40, 64),
            (1, 1, 1, 16),
            (3, 3, 80, 64),
            (4 * 4 * 64, 1),
        ],
    ]


@pytest.mark.parametrize(
    "images",
    [
        ImageSpec(32, 3, 3),
        ImageSpec(64, 3, 5),
        ImageSpec(64, 1, 3),
        ImageSpec(30, 3, 2),
        ImageSpec(8, 1, 2),
    ],
    ids=str,
)
def test_compact_generates_and_judges_images_of_any_size(images: ImageSpec):
    generator, discriminator = build("compact", 8, images)

    pyramid = generator(_latents(2, 8), training=False)
    with tf.GradientTape() as tape:
        tape.watch(pyramid)
        logits = discriminator(pyramid, training=False)

    shapes = [tuple(scale.shape) for scale in pyramid]
    assert shapes == [(2, *shape) for shape in images.shapes.values()]
    assert logits.shape == [2, 1]
    for gradient in tape.gradient(logits, pyramid):
        assert np.any(gradient != 0)


def test_compact_grows_with_the_images():
    grey, colour, large, huge = (
        sum(network.count_params() for network in build("compact", 16, images))
        for images in (
            FASHION,
            ImageSpec(28, 3, 3),
            ImageSpec(56, 3, 4),
            ImageSpec(112, 3, 5),
        )
    )

    assert grey < colour < large < huge < 20 * colour


@pytest.mark.parametrize(
    "images",
    [ImageSpec(32, 1, 3), ImageSpec(28, 3, 3), ImageSpec(28, 1, 2)],
    ids=["size", "channels", "scales"],
)
def test_tutorial_refuses_other_images_than_the_articles(images: ImageSpec):
    with pytest.raises(ConfigError) as caught:
        build("tutorial", 100, images)

    message = str(caught.value)
    assert f"28x28 grayscale images in 3 scales only, but the images are {images}" in (
        message
    )
    assert message.endswith("use --model.network compact.")


def test_an_unknown_network_is_refused():
    with pytest.raises(ConfigError, match=r"'huge'.*one of compact, tutorial"):
        build("huge", 8, FASHION)


def test_the_fused_batch_norm_computes_what_keras_does():
    from msg_modules.gan.networks.normalization import FusedBatchNormalization

    generator = np.random.default_rng(3)
    fused, plain = (
        kind(momentum=0.9)
        for kind in (FusedBatchNormalization, keras.layers.BatchNormalization)
    )
    for layer in (fused, plain):
        layer.build([None, 7, 7, 4])
        layer.set_weights(
            [np.linspace(0.5, 2, 4), np.linspace(-1, 1, 4), np.zeros(4), np.ones(4)]
        )
    for _ in range(3):
        images = tf.constant(generator.normal(2, 3, [6, 7, 7, 4]), tf.float32)
        gradients = []
        for layer in (fused, plain):
            with tf.GradientTape() as tape:
                tape.watch(images)
                loss = tf.reduce_sum(layer(images, training=True) ** 3)
            gradients.append(tape.gradient(loss, images))
        np.testing.assert_allclose(*gradients, atol=2e-3)
    for seen, wanted in zip(fused.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(seen, wanted, rtol=1e-5)
    np.testing.assert_allclose(
        fused(images, training=False), plain(images, training=False), atol=1e-5
    )
