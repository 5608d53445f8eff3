"""Requests that come at nearly the same time are drawn as one."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Pyramid = tuple[np.ndarray, ...]


class _Request(NamedTuple):
    latents: np.ndarray
    pyramid: asyncio.Future[Pyramid]


class Batcher:
    """Gathers requests, draws them together and gives each its own.

    What comes while a batch is drawn makes the next one, so that batches grow with
    the load by themselves; only the first of a batch waits a little for others.
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
          draw: Latents -> pyramid; called in a thread of its own.
          batch_images: No request joins a batch that has so many images.
          wait_seconds: How long the first request of a batch waits for others.
          observe: Is told how many images each batch has.
        """
        self._draw = draw
        self._batch_images = batch_images
        self._wait_seconds = wait_seconds
        self._observe = observe
        self._waiting: asyncio.Queue[_Request | None] = asyncio.Queue()
        self._thread = concurrent.futures.ThreadPoolExecutor(1)
        self._task = asyncio.create_task(self._work())

    async def generate(self, latents: np.ndarray) -> Pyramid:
        """Draws the images of checked latents `[num_images, latent_dim]`."""
        pyramid = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait(_Request(latents, pyramid))
        return await pyramid

    async def close(self) -> None:
        """Draws what waits, and ends. Nothing may be asked for after it."""
        self._waiting.put_nowait(None)
        await self._task
        self._thread.shutdown()

    async def _work(self) -> None:
        while (first := await self._waiting.get()) is not None:
            if self._wait_seconds and self._waiting.empty():
                await asyncio.sleep(self._wait_seconds)
            batch = [first]
            while not self._waiting.empty() and _count(batch) < self._batch_images:
                request = self._waiting.get_nowait()
                if request is None:
                    self._waiting.put_nowait(None)
                    break
                batch.append(request)
            # Some have timed out while they waited.
            batch = [request for request in batch if not request.pyramid.done()]
            if batch:
                await self._answer(batch)

    async def _answer(self, batch: list[_Request]) -> None:
        latents = np.concatenate([request.latents for request in batch])
        self._observe(len(latents))
        loop = asyncio.get_running_loop()
        try:
            pyramid = await loop.run_in_executor(self._thread, self._draw, latents)
        except Exception as e:
            # Whatever it is, it is the requests' failure and not the server's end.
            for request in batch:
                if not request.pyramid.done():
                    request.pyramid.set_exception(e)
            return
        start = 0
        for request in batch:
            end = start + len(request.latents)
            if not request.pyramid.done():
                request.pyramid.set_result(tuple(s[start:end] for s in pyramid))
            start = end


def _count(batch: list[_Request]) -> int:
    return sum(len(request.latents) for request in batch)
