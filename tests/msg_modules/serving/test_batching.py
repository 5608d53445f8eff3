"""Requests are drawn together, and each gets what it asked for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine

import numpy as np
import pytest

pytest.importorskip("fastapi")

from msg_modules.serving import batching
from msg_modules.serving.batching import Batcher, Draw


def _latents(*values: float) -> np.ndarray:
    return np.array(values, np.float32)[:, np.newaxis]


def _times(factor: float) -> Draw:
    return lambda latents: (factor * latents,)


def _run(
    ask: Callable[[Batcher], Coroutine],
    batch_images: int = 64,
    wait_seconds: float = 0.2,
) -> tuple[list, list[int]]:
    """What the requests were answered, and how many images were drawn together."""
    sizes: list[int] = []

    async def main() -> list:
        batcher = Batcher(batch_images, wait_seconds, observe=sizes.append)
        try:
            return await asyncio.wait_for(ask(batcher), 30)
        finally:
            await batcher.close()

    return asyncio.run(main()), sizes


def test_what_comes_together_is_drawn_together_and_handed_out_apart():
    double, counts = _times(2), range(1, 31)

    async def ask(batcher: Batcher) -> list:
        return await asyncio.gather(
            *(batcher.generate(double, _latents(*range(n))) for n in counts)
        )

    answers, sizes = _run(ask, batch_images=1000)
    for count, (images,) in zip(counts, answers, strict=True):
        np.testing.assert_array_equal(images, 2 * _latents(*range(count)))
    assert sum(sizes) == sum(counts)
    assert len(sizes) < len(counts) / 2


def test_no_request_joins_a_full_batch():
    async def ask(batcher: Batcher) -> list:
        requests = (batcher.generate(_times(1), _latents(n, n)) for n in range(4))
        return await asyncio.gather(*requests)

    assert _run(ask, batch_images=2)[1] == [2, 2, 2, 2]


def test_two_versions_that_meet_draw_each_their_own():
    """As when one follows another while requests wait for the one before."""
    old, new = _times(2), _times(-1)

    async def ask(batcher: Batcher) -> list:
        return await asyncio.gather(
            *(
                batcher.generate(draw, _latents(number))
                for number, draw in enumerate([old, old, new, old, new, new])
            )
        )

    answers, _ = _run(ask)
    factors = [2, 2, -1, 2, -1, -1]
    for number, (factor, (images,)) in enumerate(zip(factors, answers, strict=True)):
        np.testing.assert_array_equal(images, [[factor * number]])


def test_a_failure_is_its_requests_own_and_not_the_end():
    def fail(latents: np.ndarray) -> tuple[np.ndarray, ...]:
        raise ValueError("no luck")

    async def ask(batcher: Batcher) -> list:
        failed = [batcher.generate(fail, _latents(1)) for _ in range(5)]
        errors = await asyncio.gather(*failed, return_exceptions=True)
        return [*errors, await batcher.generate(_times(3), _latents(1))]

    (*errors, (images,)), _ = _run(ask)
    assert [str(error) for error in errors] == ["no luck"] * 5
    np.testing.assert_array_equal(images, [[3]])


def test_a_request_that_fails_does_not_fail_those_that_came_with_it(
    monkeypatch: pytest.MonkeyPatch,
):
    # Or two threads may share the requests.
    monkeypatch.setattr(batching, "_THREADS", 1)

    def draw(latents: np.ndarray) -> tuple[np.ndarray, ...]:
        if latents.max() > 100:
            raise ValueError("too large")
        return (3 * latents,)

    async def ask(batcher: Batcher) -> list:
        requests = [batcher.generate(draw, _latents(n)) for n in (1, 1000, 2)]
        return await asyncio.gather(*requests, return_exceptions=True)

    # The third request ends the wait.
    ((one,), error, (two,)), sizes = _run(ask, batch_images=3, wait_seconds=30)
    np.testing.assert_array_equal([one, two], [[[3]], [[6]]])
    assert str(error) == "too large"
    assert error.__context__ is None  # Or its traceback would be logged twice.
    assert sizes == [1, 1]


def test_who_has_gone_is_not_drawn_for():
    begun, may_end = threading.Event(), threading.Event()

    def wait(latents: np.ndarray) -> tuple[np.ndarray, ...]:
        begun.set()
        assert may_end.wait(30)
        return (latents,)

    async def ask(batcher: Batcher) -> list:
        # Both threads are busy while a client gives up.
        busy = [
            asyncio.create_task(batcher.generate(wait, _latents(n, n))) for n in (1, 2)
        ]
        await asyncio.to_thread(begun.wait, 30)
        gone = asyncio.create_task(batcher.generate(_times(1), _latents(1, 2, 3)))
        await asyncio.sleep(0.3)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        may_end.set()
        return await asyncio.gather(*busy)

    answers, sizes = _run(ask, batch_images=2)
    assert [float(images[0, 0]) for (images,) in answers] == [1, 2]
    assert sizes == [2, 2]
