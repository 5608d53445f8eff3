"""Whoever asks for bfloat16 on a CPU that computes it slowly is told so."""

from __future__ import annotations

import pathlib

import pytest
import tensorflow as tf

from msg_modules.common import cpu
from msg_modules.training import precision


@pytest.mark.skipif(
    bool(tf.config.list_physical_devices("GPU")), reason="trains on the GPU"
)
@pytest.mark.parametrize(
    ("flags", "asked", "is_told"),
    [
        ("fpu avx2", "bfloat16", True),
        ("fpu avx2 avx512f avx512_vnni", "bfloat16", True),
        ("fpu avx2 avx512f avx512_bf16", "bfloat16", False),
        ("fpu avx2 avx512f amx_bf16 amx_tile", "bfloat16", False),
        ("fpu avx2", "float32", False),
        (None, "bfloat16", False),  # Not an x86.
    ],
)
def test_a_slow_cpu_is_told(
    flags: str | None,
    asked: str,
    is_told: bool,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    lines = ["processor\t: 0", *([f"flags\t\t: {flags}"] if flags else []), ""]
    (tmp_path / "cpuinfo").write_text("\n".join(lines))
    monkeypatch.setattr(cpu, "_INFO", tmp_path / "cpuinfo")

    precision.warn_if_slow(asked, "auto")

    assert ("--train.precision" in capsys.readouterr().out) == is_told
