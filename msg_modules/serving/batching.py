"""Requests that come at nearly the same time are drawn as one."""

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

# One draws on while the other waits for Python's interpreter.
_THREADS = 2


class _Request(NamedTuple):
    draw: Draw
    latents: np.ndarray
    pyramid: asyncio.Future[Pyramid]


class Batcher:
    """Gathers requests, draws them together and gives each its own.

    What comes while batches are drawn makes the next one, so that batches grow with
    the load by themselves; only the first of a batch waits a little for others.
    Threads gather them, and not the event loop, whose turn may come late: it has
    answers to write.
    """

    def __init__(
        self, batch_images: int, wait_seconds: float, observe: Callable[[int], None]
    ):
        """Begins to wait for requests; in a running event loop.

        Args:
          batch_images: No request joins a batch that has so many images.
          wait_seconds: How long the first request of a batch waits for others.
          observe: Is told how many images each batch has.
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

    async def generate(self, draw: Draw, latents: np.ndarray) -> Pyramid:
        """Draws images, together with others that are drawn in the same way.

        Args:
          draw: Latents -> pyramid; called in a thread.
          latents: `[num_images, latent_dim]`, as `draw` takes them.
        """
        pyramid = self._loop.create_future()
        self._waiting.put(_Request(draw, latents, pyramid))
        return await pyramid

    async def close(self) -> None:
        """Draws what waits, and ends. Nothing may be asked for after it."""
        self._waiting.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _work(self) -> None:
        while self._draw_next():
            pass

    def _draw_next(self) -> bool:
        """Waits for a batch and draws it; returns whether there may be another."""
        # Nothing here outlives a batch: a thread that waits holds no version.
        first = self._waiting.get()
        if first is None:
            self._waiting.put(None)
            return False
        # Some have timed out while they waited.
        batch = [r for r in self._gather(first) if not r.pyramid.done()]
        # Two ways to draw meet when a version follows another.
        for draw, requests in itertools.groupby(batch, lambda request: request.draw):
            self._answer(draw, list(requests))
        return True

    def _gather(self, first: _Request) -> list[_Request]:
        batch, count = [first], len(first.latents)
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
            count += len(request.latents)
        return batch

    def _answer(self, draw: Draw, batch: list[_Request]) -> None:
        latents = np.concatenate([request.latents for request in batch])
        self._observe(len(latents))
        try:
            pyramid = draw(latents)
        except Exception as e:
            # Whatever it is, it is the requests' failure and not the server's end.
            self._loop.call_soon_threadsafe(_fail, batch, e)
            return
        self._loop.call_soon_threadsafe(_hand_out, batch, pyramid)


def _fail(batch: list[_Request], error: Exception) -> None:
    for request in batch:
        if not request.pyramid.done():
            request.pyramid.set_exception(error)


def _hand_out(batch: list[_Request], pyramid: Pyramid) -> None:
    start = 0
    for request in batch:
        end = start + len(request.latents)
        if not request.pyramid.done():
            request.pyramid.set_result(tuple(scale[start:end] for scale in pyramid))
        start = end
