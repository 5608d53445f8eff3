"""Dynamic batching of requests."""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Pyramid = tuple[np.ndarray, ...]
Draw = Callable[[np.ndarray], Pyramid]

# One thread computes while the other waits for the GIL.
_THREADS = 2


class _Request(NamedTuple):
    draw: Draw
    codes: np.ndarray
    pyramid: asyncio.Future[Pyramid]


class Batcher:
    """Collects requests into batches, and splits the results.

    Requests that arrive during a batch form the next one, so batches grow with the
    load; only the first request of a batch waits briefly for more. Threads collect the
    batches, not the event loop, which may be busy writing responses.
    """

    def __init__(
        self, batch_images: int, wait_seconds: float, observe: Callable[[int], None]
    ):
        """Starts the threads; requires a running event loop.

        Args:
          batch_images: A batch with this many images is closed.
          wait_seconds: How long the first request of a batch waits for more.
          observe: Called with the number of images of each batch that was drawn.
        """
        self._batch_images = batch_images
        self._wait_seconds = wait_seconds
        self._observe = observe
        self._loop = asyncio.get_running_loop()
        self._waiting: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, daemon=True) for _ in range(_THREADS)
        ]
        for thread in self._threads:
            thread.start()

    async def generate(self, draw: Draw, codes: np.ndarray) -> Pyramid:
        """Generates images, batched with other requests that use the same function.

        Args:
          draw: Codes -> pyramid; called in a thread.
          codes: `[num_images, code_dim]`, the input of `draw`.
        """
        pyramid = self._loop.create_future()
        self._waiting.put(_Request(draw, codes, pyramid))
        return await pyramid

    async def close(self) -> None:
        """Completes pending requests and stops; no new ones may follow."""
        self._waiting.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _work(self) -> None:
        while self._draw_next():
            pass

    def _draw_next(self) -> bool:
        """Waits for a batch and computes it; returns False after `close`."""
        # In a function of its own, so that a waiting thread keeps no version alive.
        first = self._waiting.get()
        if first is None:
            self._waiting.put(None)
            return False
        # Skip requests that timed out while waiting.
        batch = [r for r in self._gather(first) if not r.pyramid.done()]
        # A batch can span two versions after a switch.
        for draw, requests in itertools.groupby(batch, lambda request: request.draw):
            self._answer(draw, list(requests))
        return True

    def _gather(self, first: _Request) -> list[_Request]:
        batch, count = [first], len(first.codes)
        until = time.monotonic()
        if self._waiting.empty():
            until += self._wait_seconds
        while count < self._batch_images:
            seconds = max(0.0, until - time.monotonic())
            try:
                request = self._waiting.get(seconds > 0, seconds)
            except queue.Empty:
                break
            if request is None:
                self._waiting.put(None)
                break
            batch.append(request)
            count += len(request.codes)
        return batch

    def _answer(self, draw: Draw, batch: list[_Request]) -> None:
        try:
            codes = np.concatenate([request.codes for request in batch])
            pyramid = draw(codes)
            self._observe(len(codes))
        except Exception as e:
            # Any error fails its request only, not the server.
            if len(batch) == 1:
                self._loop.call_soon_threadsafe(_fail, batch[0], e)
                return
        else:
            self._loop.call_soon_threadsafe(_hand_out, batch, pyramid)
            return
        # It may be the error of one of them.
        for request in batch:
            if not request.pyramid.done():
                self._answer(draw, [request])


def _fail(request: _Request, error: Exception) -> None:
    if not request.pyramid.done():
        request.pyramid.set_exception(error)


def _hand_out(batch: list[_Request], pyramid: Pyramid) -> None:
    start = 0
    for request in batch:
        end = start + len(request.codes)
        if not request.pyramid.done():
            request.pyramid.set_result(tuple(scale[start:end] for scale in pyramid))
        start = end
