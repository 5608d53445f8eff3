"""Requests that come at nearly the same time are drawn as one."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Pyramid = tuple[np.ndarray, ...]
# One draws on while the other waits for Python's interpreter.
_THREADS = 2


class _Request(NamedTuple):
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
        self,
        draw: Callable[[np.ndarray], Pyramid],
        batch_images: int,
        wait_seconds: float,
        observe: Callable[[int], None],
    ):
        """Begins to wait for requests; in a running event loop.

        Args:
          draw: Latents -> pyramid; called in threads.
          batch_images: No request joins a batch that has so many images.
          wait_seconds: How long the first request of a batch waits for others.
          observe: Is told how many images each batch has.
        """
        self._draw = draw
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

    async def generate(self, latents: np.ndarray) -> Pyramid:
        """Draws the images of checked latents `[num_images, latent_dim]`."""
        pyramid = self._loop.create_future()
        self._waiting.put(_Request(latents, pyramid))
        return await pyramid

    async def close(self) -> None:
        """Draws what waits, and ends. Nothing may be asked for after it."""
        self._waiting.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = self._gather(first)
            # Some have timed out while they waited.
            batch = [request for request in batch if not request.pyramid.done()]
            if batch:
                self._answer(batch)
        self._waiting.put(None)

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

    def _answer(self, batch: list[_Request]) -> None:
        latents = np.concatenate([request.latents for request in batch])
        self._observe(len(latents))
        try:
            pyramid = self._draw(latents)
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
