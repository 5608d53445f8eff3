"""The FastAPI application of `msg-gan serve`."""

from __future__ import annotations

import asyncio
import contextlib
import io
import pathlib
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

import prometheus_client
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException as StarletteHTTPException

from msg_modules.common.asgi import ErrorsAnswered
from msg_modules.common.errors import ConfigError
from msg_modules.configs import ServeLimits, require
from msg_modules.generator.sampling import Generator
from msg_modules.pictures import scales, sheets
from msg_modules.serving import predicting, protocol
from msg_modules.serving.batching import Batcher
from msg_modules.serving.instruments import Figures, Observed
from msg_modules.serving.limits import Limited
from msg_modules.serving.versions import ServedModel, Version


# A colon begins the verb, as in `:predict`.
class _NameConvertor(StringConvertor):
    regex = "[^/:]+"


register_url_convertor("name", _NameConvertor())
_MODEL = "/v1/models/{name:name}"
_VERSION = _MODEL + "/versions/{version}"
_METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
_Seed = Annotated[int, Query(ge=-(2**63), lt=2**63)]
_Truncation = Annotated[float, Query(ge=0, le=1)]


def create_app(
    path: pathlib.Path, generator: Generator, name: str, limits: ServeLimits
) -> FastAPI:
    """Creates the application.

    Args:
      path: The serving directory, polled for newer versions, or a version directory.
      generator: The version to start with.
      name: Name of the model in URLs.
      limits: Request limits and batching.
    """
    figures = Figures()
    first = Version(generator)
    model: ServedModel
    batcher: Batcher

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        nonlocal model, batcher
        model = ServedModel(path, first, limits.poll_seconds, figures)
        batcher = Batcher(
            limits.batch_images, limits.batch_wait_ms / 1000, figures.batches.observe
        )
        watching = asyncio.create_task(model.watch())
        yield
        watching.cancel()
        await batcher.close()

    refusal = {"model": protocol.Refusal}
    app = FastAPI(
        title="MSG-GAN",
        lifespan=lifespan,
        responses={"4XX": refusal, "5XX": refusal},
        redirect_slashes=False,
    )
    app.add_middleware(protocol.AnyContentType)
    app.add_middleware(Limited, limits=limits)
    app.add_middleware(ErrorsAnswered)
    app.add_middleware(Observed, figures=figures)
    _answer_errors_like_tensorflow_serving(app)

    def find(asked_name: str, asked_version: str | None = None) -> Version:
        current = model.current
        if asked_name != name or asked_version not in (None, current.name):
            what = f"{asked_name!r}" + (f" {asked_version}" if asked_version else "")
            has = f"{name!r}, version {current.name}"
            raise HTTPException(404, f"Model {what} is not served; use {has}.")
        return current

    @app.get(_MODEL)
    @app.get(_VERSION, include_in_schema=False)
    def status(name: str, version: str | None = None) -> dict[str, Any]:
        """Returns the served version and its state."""
        return protocol.status(find(name, version).name)

    @app.get(_MODEL + "/metadata")
    @app.get(_VERSION + "/metadata", include_in_schema=False)
    def metadata(name: str, version: str | None = None) -> dict[str, Any]:
        """Returns the signatures, with their inputs and outputs."""
        found = find(name, version)
        return protocol.metadata(name, found.name, found.signatures)

    @app.post(_MODEL + ":predict")
    @app.post(_VERSION + ":predict", include_in_schema=False)
    async def predict(
        name: str, request: predicting.PredictRequest, version: str | None = None
    ) -> Response:
        """Generates images from latents or, with signature `sample`, from a seed.

        A conditional generator takes labels as well; signature `classes` names them.
        """
        found = find(name, version)
        inputs = predicting.read_inputs(request, found.generator)
        outputs: Mapping[str, Any]
        if isinstance(inputs, predicting.ClassesInputs):
            outputs = inputs.describe(found.generator.classes, limits.max_images)
        else:
            codes = inputs.to_codes(found.generator, limits.max_images)
            pyramid = await batcher.generate(found.generator.generate, codes)
            outputs = protocol.name_images(pyramid)
        content = protocol.to_json(outputs, is_row=request.instances is not None)
        return Response(content, media_type="application/json")

    @app.api_route("/v1/{path:path}", methods=_METHODS, include_in_schema=False)
    def malformed(request: Request) -> None:
        """Refuses what no other route has taken."""
        what = f"{request.method} {request.url.path}"
        raise HTTPException(400, f"Malformed request: {what}")

    @app.get(
        "/sample.png",
        response_class=Response,
        responses={200: {"content": {"image/png": {}}}},
    )
    async def sample(
        seed: _Seed = 0,
        num_images: int = 1,
        scale: scales.Scale = "all",
        truncation: _Truncation = 1.0,
        label: str | None = None,
    ) -> Response:
        """Returns a picture of the images of a seed, or of a seed and a class.

        The label is the name or number of a class.
        """
        wanted = f"between 1 and {limits.max_images}"
        require(0 < num_images <= limits.max_images, "num_images", num_images, wanted)
        found = model.current
        codes = found.generator.draw_codes(num_images, seed, truncation, label)
        pyramid = scales.choose(
            await batcher.generate(found.generator.generate, codes), scale
        )
        columns = sheets.count_columns(num_images)
        picture = await asyncio.to_thread(sheets.pyramid_sheet, pyramid, columns)
        content = io.BytesIO()
        picture.save(content, "png")
        return Response(content.getvalue(), media_type="image/png")

    @app.get("/healthz")
    async def health() -> dict[str, str]:
        """Returns the served version; answers even if the server is busy."""
        return {"status": "ok", "version": model.current.name}

    @app.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {prometheus_client.CONTENT_TYPE_LATEST: {}}}},
    )
    async def metrics() -> Response:
        """Returns the metrics in Prometheus format."""
        content = prometheus_client.generate_latest(figures.registry)
        return Response(content, media_type=prometheus_client.CONTENT_TYPE_LATEST)

    return app


def _answer_errors_like_tensorflow_serving(app: FastAPI) -> None:
    def answer(status: int, reason: str) -> JSONResponse:
        return JSONResponse({"error": reason}, status)

    @app.exception_handler(ConfigError)
    async def wrong(request: Request, error: ConfigError) -> JSONResponse:
        return answer(400, str(error))

    @app.exception_handler(RequestValidationError)
    async def malformed(
        request: Request, error: RequestValidationError
    ) -> JSONResponse:
        return answer(400, protocol.explain(error.errors()))

    @app.exception_handler(StarletteHTTPException)
    async def refused(request: Request, error: StarletteHTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)
