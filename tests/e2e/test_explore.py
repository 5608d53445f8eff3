"""`msg-gan explore` as a person uses it: in a browser, without a network."""

from __future__ import annotations

import base64
import io
import pathlib
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import PIL.Image
import pytest
import requests
from local_pipeline import Pipeline
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait
from specs import FASHION

from msg_modules.data import reading
from msg_modules.data.class_spec import ClassSpec
from msg_modules.gan import networks
from msg_modules.generator import export, sampling
from msg_modules.pictures import sheets
from msg_modules.runs import layout

pytest.importorskip("fastapi")

NUM_SLIDERS = 8


@pytest.fixture(scope="module")
def generator(pipeline: Pipeline) -> sampling.Generator:
    return sampling.load_generator(pipeline.root / "serving")


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen]]:
    """A function that starts the command with a model and further flags."""
    processes: list[subprocess.Popen] = []

    def start(model: pathlib.Path, *flags: str) -> subprocess.Popen:
        code = "import sys; from msg_modules import cli; sys.exit(cli.main())"
        model_flags = ["--model", str(model), "--port", "0"]
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", code, "explore", *model_flags, *flags],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def _read_url(process: subprocess.Popen) -> str:
    for line in process.stdout:
        if match := re.search(r"http://127\.0\.0\.1:\d+", line):
            return match[0]
    raise AssertionError(f"It ended with {process.wait()}.")


class Page:
    """The page in a browser."""

    def __init__(self, browser: webdriver.Chrome, url: str):
        self.browser = browser
        self.url = url
        self._wait = WebDriverWait(browser, 30, poll_frequency=0.05)
        browser.get(url)

    def find(self, name: str) -> WebElement:
        return self.browser.find_element(By.ID, name)

    def wait_until(self, is_so: Callable[[], object]) -> None:
        self._wait.until(lambda browser: is_so())

    def source(self, name: str) -> str:
        return self.find(name).get_attribute("src") or ""

    def gallery(self, name: str) -> list[str]:
        # At once, since the page may replace the images at any time.
        return self.browser.execute_script(
            "return [...document.getElementById(arguments[0])"
            ".querySelectorAll('img')].map((image) => image.src)",
            name,
        )

    def coordinates(self) -> np.ndarray:
        return np.array(
            [
                float(self.find(f"slider-{k}").get_property("value"))
                for k in range(NUM_SLIDERS)
            ]
        )

    def after(self, act: Callable[[], object]) -> None:
        """Acts, and waits until another image is shown."""
        before = self.source("scale-2")
        act()
        self.wait_until(lambda: self.source("scale-2") != before)

    def download(self, link: str, directory: pathlib.Path) -> pathlib.Path:
        path = directory / self.find(link).get_attribute("download")
        self.find(link).click()
        self.wait_until(path.exists)
        return path


def _pixels(uri: str) -> np.ndarray:
    content = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    return np.asarray(PIL.Image.open(io.BytesIO(content))).astype(int)


def _assert_shows(page: Page, pyramid: tuple[np.ndarray, ...]) -> None:
    for place, scale in enumerate(pyramid):
        page.wait_until(
            lambda place=place, levels=(scale[0, ..., 0] + 1) * 127.5: np.allclose(
                _pixels(page.source(f"scale-{place}")), levels, rtol=0, atol=0.6
            )
        )


@pytest.mark.slow
def test_a_person_explores(
    pipeline: Pipeline,
    generator: sampling.Generator,
    start: Callable[..., subprocess.Popen],
    browser: webdriver.Chrome,
    downloads: pathlib.Path,
) -> None:
    process = start(pipeline.root / "serving", "--run", str(pipeline.root))
    page = Page(browser, _read_url(process))

    # The page opens with the samples of a seed, of which the first one is picked.
    page.wait_until(lambda: len(page.gallery("sample-images")) == 48)
    page.wait_until(lambda: page.source("scale-2"))
    latent = generator.draw_codes(48, 0)[0]
    _assert_shows(page, generator.generate([latent]))

    # A slider moves, and all scales of the picture change with it.
    directions = np.array(requests.get(f"{page.url}/about").json()["directions"])
    before = page.coordinates()
    np.testing.assert_allclose(before, directions @ latent, atol=1e-4)
    slider = page.find("slider-0")
    page.after(lambda: slider.send_keys(*[Keys.ARROW_RIGHT] * 10))
    moved = page.coordinates()
    assert moved[0] > before[0] + 0.1
    np.testing.assert_allclose(moved[1:], before[1:], atol=1e-4)
    wanted = generator.generate([latent + (moved - before)[0] * directions[0]])
    _assert_shows(page, wanted)

    # What is shown is what is saved: scales beside each other, 280 pixels each.
    path = page.download("download-image", downloads)
    kind = generator.classes.names[latent[generator.latent_dim :].argmax()]
    kind = re.sub("[^A-Za-z0-9]+", "-", kind)
    assert path.name == f"seed-0-image-1-edited-{kind}.png"
    saved = np.asarray(PIL.Image.open(path))[::10, 576::10]
    np.testing.assert_array_equal(saved, _pixels(page.source("scale-2")))
    page.after(page.find("back").click)
    _assert_shows(page, generator.generate([latent]))

    # Another seed, as a grid.
    page.find("seed").send_keys(Keys.CONTROL, "a", Keys.NULL, "7")
    wanted = generator.sample(48, 7)[-1]
    page.wait_until(
        lambda: np.allclose(
            _pixels(page.gallery("sample-images")[47]),
            (wanted[47, ..., 0] + 1) * 127.5,
            rtol=0,
            atol=0.6,
        )
    )
    saved = np.asarray(PIL.Image.open(page.download("download-samples", downloads)))
    np.testing.assert_allclose(
        saved.astype(int), np.asarray(sheets.pyramid_sheet([wanted], 8)), atol=1
    )

    # The map: a click a quarter from the left and a quarter from the top.
    page.find("tab-map").click()
    page.wait_until(lambda: page.source("plane-image"))
    plane = page.find("plane")
    side = plane.size["width"]
    corner = ActionChains(browser).move_to_element_with_offset(
        plane, -side // 4, -side // 4
    )
    page.after(corner.click().perform)
    moved = page.coordinates()
    np.testing.assert_allclose(moved[:2], [-3.25 / 2, 3.25 / 2], atol=0.02)
    change = (moved - before)[:2] @ directions[:2]
    _assert_shows(page, generator.generate([latent + change]))

    # From there to the second sample of the first seed.
    page.find("use-a").click()
    page.wait_until(lambda: len(page.gallery("walk-images")) == 16)
    walk = [_pixels(source) for source in page.gallery("walk-images")]
    np.testing.assert_allclose(walk[0], _pixels(page.source("scale-2")), atol=1)
    end = generator.sample(2, 0)[-1][1, ..., 0]
    np.testing.assert_allclose(walk[-1], (end + 1) * 127.5, atol=0.6)
    page.wait_until(lambda: page.find("moving").get_property("naturalWidth") == 280)
    animation = PIL.Image.open(page.download("download-moving", downloads))
    assert (animation.format, animation.n_frames) == ("GIF", 16)

    # Beside real images.
    page.find("tab-real").click()
    page.wait_until(lambda: len(page.gallery("neighbours")) == 8)
    page.wait_until(lambda: len(page.gallery("beside-real")) == 48)
    pattern = f"{layout.newest_examples(pipeline.root)}/*"
    images = reading.load_examples(pattern).largest(slice(None))
    shown = generator.generate([latent + change])[-1]
    distances = np.sqrt(np.mean((images - shown) ** 2, axis=(1, 2, 3)))
    nearest = images[np.argmin(distances), ..., 0]
    np.testing.assert_allclose(
        _pixels(page.gallery("neighbours")[0]), (nearest + 1) * 127.5, atol=0.6
    )
    first = (images[0, ..., 0] + 1) * 127.5
    np.testing.assert_allclose(_pixels(page.gallery("beside-real")[0]), first, atol=0.6)

    assert browser.get_log("browser") == []
    addresses = browser.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    assert addresses
    for address in addresses:
        assert address.startswith((page.url, "data:")), address
    assert browser.execute_script(
        "return document.documentElement.scrollWidth <= window.innerWidth"
    )

    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert (process.returncode, rest) == (0, "")

    # The page says that nobody answers any more.
    page.find("use-b").click()
    page.wait_until(lambda: "still running" in page.find("problem").text)


@pytest.mark.slow
def test_without_classes_and_without_a_run(
    start: Callable[..., subprocess.Popen],
    browser: webdriver.Chrome,
    tmp_path: pathlib.Path,
) -> None:
    network, _ = networks.build("compact", 8, FASHION)
    export.export(network, 8, str(tmp_path / "serving" / "4"))
    page = Page(browser, _read_url(start(tmp_path / "serving")))

    page.wait_until(lambda: page.source("scale-2"))
    assert not page.find("label").is_displayed()
    assert not page.find("class").is_displayed()
    page.find("tab-real").click()

    assert "--run output/quickstart" in page.find("real").text
    assert browser.get_log("browser") == []


@pytest.mark.slow
def test_a_person_explores_classes(
    start: Callable[..., subprocess.Popen],
    browser: webdriver.Chrome,
    downloads: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    network, _ = networks.build("compact", 8, FASHION, num_classes=3)
    classes = ClassSpec(("Bag", "Ankle boot", "T-shirt/top"), (0.1, 0.6, 0.3))
    export.export(network, 8, str(tmp_path / "serving" / "4"), classes)
    generator = sampling.load_generator(tmp_path / "serving")
    page = Page(browser, _read_url(start(tmp_path / "serving")))

    # The classes that the seed draws; each image says which one it has.
    page.wait_until(lambda: len(page.gallery("sample-images")) == 48)
    page.wait_until(lambda: page.source("scale-2"))
    codes = generator.draw_codes(48, 0)
    _assert_shows(page, generator.generate(codes[:1]))
    name = classes.names[codes[0, 8:].argmax()]
    assert page.find("name").text == f"seed 0, image 1, {name}"
    assert Select(page.find("class")).first_selected_option.text == name
    latents = codes[0, :8]

    # Samples of one class.
    Select(page.find("label")).select_by_visible_text("Ankle boot")
    wanted = generator.sample(48, 0, label="Ankle boot")[-1]
    for place in (0, 47):
        page.wait_until(
            lambda place=place: np.allclose(
                _pixels(page.gallery("sample-images")[place]),
                (wanted[place, ..., 0] + 1) * 127.5,
                rtol=0,
                atol=0.6,
            )
        )
    path = page.download("download-samples", downloads)
    assert path.name == "seed-0-Ankle-boot.png"
    np.testing.assert_allclose(
        np.asarray(PIL.Image.open(path)).astype(int),
        np.asarray(sheets.pyramid_sheet([wanted], 8)),
        atol=1,
    )

    # The selected image in each of the classes; its sliders stay.
    before = page.coordinates()
    for number in (0, 2):
        Select(page.find("class")).select_by_index(number + 1)
        code = np.concatenate([latents, np.eye(3, dtype=np.float32)[number]])
        _assert_shows(page, generator.generate([code]))
        assert page.find("name").text.endswith(f", edited, {classes.names[number]}")
    np.testing.assert_allclose(page.coordinates(), before, atol=1e-5)
    slider = page.find("slider-0")
    page.after(lambda: slider.send_keys(*[Keys.ARROW_RIGHT] * 10))
    directions = np.array(requests.get(f"{page.url}/about").json()["directions"])
    assert directions.shape == (NUM_SLIDERS, 11)
    assert not np.any(directions[:, 8:])
    moved = (page.coordinates() - before)[0] * directions[0]
    _assert_shows(page, generator.generate([code + moved]))

    # The map is of this class.
    page.find("tab-map").click()
    page.wait_until(lambda: page.source("plane-image"))
    corner = [coordinate * axis for coordinate, axis in zip(
        (page.coordinates() * [0, 0, 1, 1, 1, 1, 1, 1]), directions, strict=True
    )]  # fmt: skip
    centre = np.sum(corner, axis=0)
    centre[8:] = code[8:]
    page.wait_until(
        lambda: np.allclose(
            _pixels(page.source("plane-image"))[6 * 28 : 7 * 28, 6 * 28 : 7 * 28],
            (generator.generate([centre])[-1][0, ..., 0] + 1) * 127.5,
            rtol=0,
            atol=0.6,
        )
    )

    # From this class to another one, with the mixtures in between.
    page.find("use-a").click()
    Select(page.find("class")).select_by_visible_text("Bag")
    page.find("use-b").click()
    page.wait_until(lambda: len(page.gallery("walk-images")) == 16)
    assert page.find("name-a").text.endswith("T-shirt/top")
    assert page.find("name-b").text.endswith("Bag")
    start_code = code + moved
    end_code = np.concatenate([start_code[:8], [1, 0, 0]])
    way = generator.interpolate_codes(start_code, end_code, 16)
    images = generator.generate(way)[-1]
    for step in (0, 5, 15):
        page.wait_until(
            lambda step=step: np.allclose(
                _pixels(page.gallery("walk-images")[step]),
                (images[step, ..., 0] + 1) * 127.5,
                rtol=0,
                atol=0.6,
            )
        )
    page.find("walk-images").find_elements(By.TAG_NAME, "button")[5].click()
    mixture = "67% T-shirt/top + 33% Bag"
    page.wait_until(lambda: page.find("name").text == f"step 6 from A to B, {mixture}")
    assert Select(page.find("class")).first_selected_option.text == mixture
    _assert_shows(page, generator.generate(way[5:6]))
    assert browser.get_log("browser") == []
    assert browser.execute_script(
        "return document.documentElement.scrollWidth <= window.innerWidth"
    )
