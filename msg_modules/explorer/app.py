"""The explorer's HTTP API; stateless, apart from the model."""

from __future__ import annotations

import pathlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

from msg_modules.common.asgi import ErrorsAnswered
from msg_modules.common.errors import ConfigError
from msg_modules.explorer import views
from msg_modules.explorer.real_images import RealImages
from msg_modules.generator.sampling import Generator
from msg_modules.pictures import scales, sheets

_MAX_IMAGES, _MAX_STEPS = 256, 64
_PAGE = pathlib.Path(__file__).parent / "page"
_HEADERS = {
    # The same URL returns something else for another model.
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:",
}

_Seed = Annotated[int, Query(ge=-(2**63), lt=2**63)]
_Count = Annotated[int, Query(ge=1, le=_MAX_IMAGES)]
_Steps = Annotated[int, Query(ge=2, le=_MAX_STEPS)]
_Truncation = Annotated[float, Query(ge=0, le=1)]
_Label = Annotated[int | None, Query(ge=0)]


def create_app(
    generator: Generator, directions: np.ndarray, real: RealImages | None
) -> FastAPI:
    """Creates the application.

    Args:
      generator: The generator to explore.
      directions: float32 `[num_directions, latent_dim + num_classes]`, orthonormal; 0
        for classes.
      real: Its training images; None if no run was given.
    """
    app = FastAPI(title="MSG-GAN explorer", docs_url=None, redoc_url=None)

    app.add_middleware(ErrorsAnswered)

    @app.middleware("http")
    async def add_headers(
        request: Request, answer: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        response = await answer(request)
        response.headers.update(_HEADERS)
        return response

    @app.exception_handler(ConfigError)
    async def wrong(request: Request, error: ConfigError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 400)

    def parse(code: str) -> np.ndarray:
        return generator.check_codes([code.split(",")])

    def walk(start: str, end: str, steps: int) -> np.ndarray:
        return generator.interpolate_codes(parse(start)[0], parse(end)[0], steps)

    def show(codes: np.ndarray) -> dict[str, Any]:
        images = generator.generate(codes)[-1]
        return {"codes": codes.tolist(), "images": views.to_data_uris(images)}

    @app.get("/about")
    def about() -> dict[str, Any]:
        """Describes the generator to the page."""
        return {
            "model": str(generator.path),
            "sizes": generator.images.sizes,
            "latent_dim": generator.latent_dim,
            "classes": generator.classes.names,
            "directions": directions.tolist(),
            "map_ticks": views.MAP_TICKS.tolist(),
            "num_real": 0 if real is None else len(real),
        }

    @app.get("/samples")
    def samples(
        num_images: _Count, seed: _Seed, truncation: _Truncation, label: _Label = None
    ) -> Any:
        """Returns the images of a seed and their codes."""
        return show(generator.draw_codes(num_images, seed, truncation, label))

    @app.get("/samples.png")
    def samples_png(
        num_images: _Count,
        seed: _Seed,
        truncation: _Truncation,
        scale: scales.Scale,
        label: _Label = None,
    ) -> Response:
        """Returns the sheet of a seed, identical to that of `msg-gan sample`."""
        drawn = generator.sample(num_images, seed, truncation, label)
        pyramid = scales.choose(drawn, scale)
        return _png(sheets.pyramid_sheet(pyramid, sheets.count_columns(num_images)))

    @app.get("/image")
    def image(code: str) -> dict[str, list[str]]:
        """Returns an image at all scales, smallest first."""
        pyramid = generator.generate(parse(code))
        return {"scales": [views.to_data_uris(scale)[0] for scale in pyramid]}

    @app.get("/image.png")
    def image_png(code: str) -> Response:
        """Returns a picture of an image at all scales, side by side."""
        return _png(views.scales_beside(generator.generate(parse(code))))

    @app.get("/map")
    def plane(code: str, across: int, up: int) -> dict[str, str]:
        """Returns a picture of the plane spanned by two directions at a code."""
        if not {across, up} <= set(range(len(directions))):
            raise ConfigError(
                f"across and up are {across} and {up}; they must be between 0 and"
                f" {len(directions) - 1}."
            )
        drawn = views.draw_map(
            generator, parse(code)[0], directions[across], directions[up]
        )
        return {"image": views.to_data_uri(drawn)}

    @app.get("/walk")
    def walk_images(start: str, end: str, steps: _Steps) -> Any:
        """Returns images along the way between two codes, with their codes."""
        return show(walk(start, end, steps))

    @app.get("/walk.png")
    def walk_png(start: str, end: str, steps: _Steps) -> Response:
        """Returns a picture of the interpolation, side by side."""
        drawn = generator.generate(walk(start, end, steps))[-1]
        return _png(sheets.pyramid_sheet([drawn], steps))

    @app.get("/walk.gif")
    def walk_gif(start: str, end: str, steps: _Steps) -> Response:
        """Returns an animation of the interpolation."""
        drawn = generator.generate(walk(start, end, steps))[-1]
        return Response(views.to_gif(drawn), media_type="image/gif")

    if real is not None:
        _show_real_images(app, generator, real, parse)
    app.mount("/", StaticFiles(directory=_PAGE, html=True))
    return app


def _show_real_images(
    app: FastAPI,
    generator: Generator,
    real: RealImages,
    parse: Callable[[str], np.ndarray],
) -> None:
    @app.get("/neighbours")
    def neighbours(code: str) -> dict[str, list[Any]]:
        """Returns the training images nearest to an image, and their differences."""
        found = real.nearest(generator.generate(parse(code))[-1][0])
        return {
            "images": views.to_data_uris(found.images),
            "differences": found.differences.tolist(),
        }

    @app.get("/real")
    def real_images(num_images: _Count) -> dict[str, list[str]]:
        """Returns the first training images."""
        return {"images": views.to_data_uris(real.first(num_images))}

    @app.get("/real.png")
    def real_png(num_images: _Count) -> Response:
        """Returns a sheet of the first training images."""
        images = real.first(num_images)
        return _png(sheets.pyramid_sheet([images], sheets.count_columns(len(images))))


def _png(picture: Any) -> Response:
    return Response(views.to_png(picture), media_type="image/png")
