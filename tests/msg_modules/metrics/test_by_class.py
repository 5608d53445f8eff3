from __future__ import annotations

import pathlib

import numpy as np
import pytest
from eight_bits import examples_of
from striped_generator import CLASSES, striped_generator

from msg_modules.configs import EvaluateConfig
from msg_modules.metrics import by_class, judge
from msg_modules.metrics.yardstick import Yardstick


@pytest.fixture(scope="module")
def data(make_stripes):
    return [examples_of(*make_stripes(600, seed=seed)) for seed in (1, 2)]


def test_a_generator_that_draws_what_is_asked_for(
    tmp_path: pathlib.Path, stripes_classifier, data
):
    generator = striped_generator(tmp_path / "1")

    found = by_class.measure(generator, stripes_classifier, *data, seed=0)

    assert [each.name for each in found] == list(CLASSES.names)
    counts = [np.bincount(each.labels) for each in data]
    assert [each.num_images for each in found] == np.minimum(*counts).tolist()
    for each in found:
        assert each.accuracy > 0.9
        assert each.real_accuracy > 0.9
        # They lack the noise of the real ones.
        assert 0 <= each.real_frechet < each.frechet


def test_classes_that_are_confused_are_told(
    tmp_path: pathlib.Path, stripes_classifier, data
):
    honest, confused = (
        by_class.measure(
            striped_generator(tmp_path / name, patterns),
            stripes_classifier,
            *data,
            seed=0,
        )
        for name, patterns in (("1", [0, 1, 2]), ("2", [0, 2, 1]))
    )

    assert confused[0] == honest[0]
    for right, wrong in zip(honest[1:], confused[1:], strict=True):
        assert wrong.accuracy < 0.1
        assert wrong.frechet > 5 * right.frechet
        assert wrong.real_accuracy == right.real_accuracy
        assert wrong.real_frechet == right.real_frechet


@pytest.mark.parametrize(
    "collapsed", [pytest.param((0, 0, 0), marks=pytest.mark.slow), (0, 1, 0)]
)
def test_a_class_whose_images_are_all_the_same_is_not_blessed(
    tmp_path: pathlib.Path, stripes_classifier, data, collapsed: tuple[int, ...]
):
    path = striped_generator(tmp_path / "1", collapsed=collapsed).path
    config = EvaluateConfig(num_seeds=1, max_frechet_share=None, accuracy_score=False)

    found, generator = judge.evaluate(
        path, Yardstick(stripes_classifier, *data), config
    )

    assert found["blessed"] is not any(collapsed)
    assert len(found["by_class"]) == (0 if any(collapsed) else 3)
    assert (generator is None) is any(collapsed)
    reasons = " ".join(found["reasons"])
    assert ("are the same, so the generator has collapsed" in reasons) is any(collapsed)


def test_without_classes_the_accuracy_score_is_left_out_and_that_is_said(
    pushed, stripes_classifier, data, capsys: pytest.CaptureFixture[str]
):
    config = EvaluateConfig(num_seeds=1, accuracy_score=True)

    found, _ = judge.evaluate(pushed.path, Yardstick(stripes_classifier, *data), config)

    assert (found["by_class"], found["accuracy_scores"]) == ([], {})
    assert "no accuracy score" in capsys.readouterr().out
