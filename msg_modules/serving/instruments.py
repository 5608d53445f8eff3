"""What Prometheus is told of the server."""

from __future__ import annotations

import time

import prometheus_client
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Figures:
    """The figures of one server."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        self.requests = prometheus_client.Counter(
            "msg_gan_requests",
            "Requests that were answered.",
            ["handler", "status"],
            registry=self.registry,
        )
        self.seconds = prometheus_client.Histogram(
            "msg_gan_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ["handler"],
            registry=self.registry,
        )
        self.batches = prometheus_client.Histogram(
            "msg_gan_batch_images",
            "Images that were drawn together.",
            buckets=[2**power for power in range(11)],
            registry=self.registry,
        )
        self.version = prometheus_client.Gauge(
            "msg_gan_model_version",
            "The version that is served, where its name is a number.",
            registry=self.registry,
        )
        self.loads = prometheus_client.Counter(
            "msg_gan_model_loads",
            "Versions that were loaded, or could not be.",
            ["result"],
            registry=self.registry,
        )


class Observed:
    """Counts and times the requests of an application."""

    def __init__(self, app: ASGIApp, figures: Figures):
        """Wraps an application."""
        self._app = app
        self._figures = figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; see ASGI."""
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
            # Names of functions are few, paths that clients make up are not.
            handler = getattr(scope.get("endpoint"), "__name__", "none")
            self._figures.requests.labels(handler, status).inc()
            seconds = time.perf_counter() - began
            self._figures.seconds.labels(handler).observe(seconds)
