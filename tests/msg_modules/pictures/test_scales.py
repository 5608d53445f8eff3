from __future__ import annotations

import numpy as np
import pytest

from msg_modules.common.errors import ConfigError
from msg_modules.pictures import scales

PYRAMID = tuple(np.zeros([2, size, size, 3]) for size in (4, 8, 16))


@pytest.mark.parametrize(
    ("scale", "sizes"),
    [("all", [4, 8, 16]), ("largest", [16]), (8, [8]), (16, [16])],
)
def test_scales_are_chosen_by_size(scale: scales.Scale, sizes: list[int]):
    assert [chosen.shape[1] for chosen in scales.choose(PYRAMID, scale)] == sizes


def test_a_size_that_there_is_not_is_refused():
    with pytest.raises(ConfigError, match="scale is 28; it must be 4, 8, 16, `largest"):
        scales.choose(PYRAMID, 28)
