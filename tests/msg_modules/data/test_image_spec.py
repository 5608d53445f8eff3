from __future__ import annotations

import pytest
from specs import FASHION

from msg_modules.common.errors import ConfigError
from msg_modules.data.image_spec import ImageSpec


def test_each_scale_is_half_of_the_next():
    assert FASHION.sizes == (7, 14, 28)
    assert ImageSpec(64, 3, 5).sizes == (4, 8, 16, 32, 64)
    assert ImageSpec(30, 1, 2).shapes == {
        "image_15": (15, 15, 1),
        "image_30": (30, 30, 1),
    }


@pytest.mark.parametrize(
    ("size", "scales", "proposals"),
    [
        (30, 4, "--data.image-size 32 or --data.scales 2"),
        (100, 4, "--data.image-size 96 or --data.image-size 104 or --data.scales 3"),
        (8, 3, "--data.image-size 16 or --data.scales 2"),
        (3, 2, "--data.image-size 8"),
        (0, 3, "--data.image-size 16"),
    ],
)
def test_sizes_that_cannot_be_halved_are_refused_with_proposals(
    size: int, scales: int, proposals: str
):
    with pytest.raises(ConfigError) as caught:
        ImageSpec(size, 1, scales)

    assert f"is {size} with {scales} scales" in str(caught.value)
    assert str(caught.value).endswith(f"use {proposals}.")


@pytest.mark.parametrize(
    ("channels", "scales"), [(0, 3), (2, 3), (4, 3), (3, 1), (3, 0)]
)
def test_other_channels_and_scales_are_refused(channels: int, scales: int):
    with pytest.raises(ConfigError, match=r"data\.(channels|scales) is \d; it must be"):
        ImageSpec(32, channels, scales)


@pytest.mark.parametrize("spec", [FASHION, ImageSpec(64, 3, 5), ImageSpec(8, 3, 2)])
def test_names_tell_the_description(spec: ImageSpec):
    assert ImageSpec.of_keys(["label", *spec.shapes], spec.channels) == spec


def test_other_names_are_not_those_of_images():
    with pytest.raises(ConfigError, match="no images"):
        ImageSpec.of_keys(["label", "image", "image_0", "image_x"], 1)
