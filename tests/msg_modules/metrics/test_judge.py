"""The decision, threshold by threshold."""

from __future__ import annotations

from typing import Any

import pytest

from msg_modules.common.errors import ConfigError
from msg_modules.configs import EvaluateConfig
from msg_modules.metrics import judge

OFF: dict[str, Any] = {
    "max_frechet": None,
    "max_frechet_share": None,
    "min_coverage": None,
    "max_class_distance": None,
    "max_worsening": None,
}


def _figures(baseline: float | None = None) -> dict[str, judge.Figure]:
    return {
        "frechet_28": judge.Figure(20.0, 0.1, 1.0, 100.0, baseline, "Frechet", "lower"),
        "coverage": judge.Figure(0.4, 0.1, 0.9, 0.0, None, "Coverage", "higher"),
        "class_distance": judge.Figure(
            0.3, 0.1, 0.0, 0.9, None, "Class distance", "lower"
        ),
    }


@pytest.mark.parametrize(
    ("name", "passes", "fails", "words"),
    [
        ("max_frechet", 20.0, 19.9, ["20", "19.9"]),
        ("max_frechet_share", 0.2, 0.19, ["20", "19", "noise"]),
        ("min_coverage", 0.4, 0.41, ["0.4", "0.41"]),
        ("max_class_distance", 0.3, 0.29, ["0.3", "0.29"]),
    ],
)
def test_threshold(name: str, passes: float, fails: float, words: list[str]) -> None:
    assert judge.decide(_figures(), EvaluateConfig(**{**OFF, name: passes})).blessed
    verdict = judge.decide(_figures(), EvaluateConfig(**{**OFF, name: fails}))
    assert not verdict.blessed
    (reason,) = verdict.reasons
    for word in (*words, f"--evaluate.{name.replace('_', '-')}"):
        assert word in reason


@pytest.mark.parametrize(
    ("baseline", "blessed"), [(None, True), (30.0, True), (18.2, True), (18.0, False)]
)
def test_may_be_worse_than_the_last_blessed_by_a_share(
    baseline: float | None, blessed: bool
) -> None:
    config = EvaluateConfig(**{**OFF, "max_worsening": 0.1})
    verdict = judge.decide(_figures(baseline), config)
    assert verdict.blessed is blessed
    assert blessed or "18 of the last blessed generator" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("name", "value"), [("max_frechet_share", 0.5), ("max_worsening", 0.1)]
)
def test_the_second_opinion_must_agree(name: str, value: float) -> None:
    config = EvaluateConfig(**{**OFF, name: value})
    agrees, differs = (
        judge.Figure(seen, 0.1, 1.0, 10.0, 4.0, "Rotations", "lower")
        for seen in (4.3, 5.1)
    )

    def decide(second: judge.Figure) -> judge.Verdict:
        return judge.decide({**_figures(), "frechet_rotations": second}, config)

    assert decide(agrees).blessed
    (reason,) = decide(differs).reasons
    assert reason.startswith("Rotations is 5.1")


def test_all_reasons_are_given() -> None:
    config = EvaluateConfig(
        max_frechet=1,
        max_frechet_share=0.1,
        min_coverage=0.9,
        max_class_distance=0.1,
        max_worsening=0,
    )
    assert len(judge.decide(_figures(1.0), config).reasons) == 5


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_images", 9),
        ("num_seeds", 0),
        ("seed", -1),
        ("max_frechet", -1.0),
        ("max_frechet_share", -0.1),
        ("max_worsening", -0.1),
        ("min_coverage", 1.1),
        ("max_class_distance", -0.1),
    ],
)
def test_wrong_setting(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"evaluate.{field}"):
        EvaluateConfig(**{field: value})
