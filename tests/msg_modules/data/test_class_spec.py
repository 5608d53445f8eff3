from __future__ import annotations

import numpy as np
import pytest

from msg_modules.common.errors import ConfigError, RunError
from msg_modules.data.class_spec import ClassSpec

CLASSES = ClassSpec(("Bag", "Ankle boot", "1"), (0.5, 0.25, 0.25))


@pytest.mark.parametrize(
    ("label", "number"),
    [("Bag", 0), ("ankle BOOT", 1), ("0", 0), (1, 1), (2, 2), ("1", 2), ("2", 2)],
)
def test_a_class_is_found_by_name_or_number(label: str | int, number: int):
    assert CLASSES.find(label) == number


@pytest.mark.parametrize("label", ["Boot", "3", 3, -1, "-1", "", "1.0", "²"])
def test_a_class_that_is_not_there_is_refused(label: str | int):
    with pytest.raises(ConfigError, match="from 0 to 2 or one of Bag, Ankle boot, 1"):
        CLASSES.find(label)


def test_without_classes_no_label_is_taken():
    with pytest.raises(ConfigError, match=r"label is 0, .*unconditional"):
        ClassSpec().find(0)


def test_shares_are_those_of_the_labels():
    counted = ClassSpec.of_labels(np.array([0, 2, 2, 0, 2]), ["a", "b", "c"])

    assert counted == ClassSpec(("a", "b", "c"), (0.4, 0.0, 0.6))
    for labels in ([0, 3], [-1, 0]):
        with pytest.raises(RunError, match="there are 3 classes"):
            ClassSpec.of_labels(np.array(labels), ["a", "b", "c"])
