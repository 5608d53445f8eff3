"""Prometheus metrics of the server."""

from __future__ import annotations

import time

import prometheus_client
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Figures:
    """The metrics of a server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        self.requests = prometheus_client.Counter(
            "msg_gan_requests",
            "Requests answered.",
            ["handler", "status"],
            registry=self.registry,
        )
        self.seconds = prometheus_client.Histogram(
            "msg_gan_request_seconds",
            "From the headers of a request to the end of its response.",
            ["handler"],
            registry=self.registry,
        )
        self.batches = prometheus_client.Histogram(
            "msg_gan_batch_images",
            "Images per batch.",
            buckets=[2**power for power in range(11)],
            registry=self.registry,
        )
        self.version = prometheus_client.Gauge(
            "msg_gan_model_version",
            "Version being served, if its name is a number.",
            registry=self.registry,
        )
        self.loads = prometheus_client.Counter(
            "msg_gan_model_loads",
            "Attempts to load a version.",
            ["result"],
            registry=self.registry,
        )


class Observed:
    """ASGI middleware that counts and times requests."""

    def __init__(self, app: ASGIApp, figures: Figures):
        """Wraps an application."""
        self._app = app
        self._figures = figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request; see ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), "none"

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        finally:
            # Labelled by function, since clients could make up any number of paths.
            handler = getattr(scope.get("endpoint"), "__name__", "none")
            self._figures.requests.labels(handler, status).inc()
            seconds = time.perf_counter() - began
            self._figures.seconds.labels(handler).observe(seconds)
