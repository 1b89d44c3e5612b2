"""A served dashboard, and the system's Chromium to look at it."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.dashboard.served import Served
from tests.databases import Databases

PATIENCE_SECONDS = 60.0
"""How long anything is waited for: a test waits for what is to be seen, not for a
clock, and the machine may be slow."""
expect.set_options(timeout=1000 * PATIENCE_SECONDS)

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
]


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser() -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine: the dashboard is not looked at")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(
            executable_path=chromium, args=FLAGS, timeout=1000 * PATIENCE_SECONDS
        )
        yield opened
        await opened.close()


Look = Callable[[], Awaitable[Page]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One browser serves all tests here, so they share its loop; give them time."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="package"), append=False)
            item.add_marker(pytest.mark.timeout(600))


@pytest_asyncio.fixture(loop_scope="package")
async def look(browser: Browser, served: Served) -> AsyncIterator[Look]:
    """Open the page by the link that is printed; no script of it may fail."""
    failed: list[str] = []
    pages: list[Page] = []

    async def opened() -> Page:
        page = await browser.new_page(viewport={"width": 1280, "height": 1240})
        pages.append(page)
        page.set_default_timeout(1000 * PATIENCE_SECONDS)
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("console", lambda said: failed.append(said.text))
        await page.goto(served.link)
        await expect(page.locator("#link")).to_have_text("live")
        return page

    yield opened
    for page in pages:
        await page.close()
    # a service that is away is said by the browser, and is no failure of the page
    assert [said for said in failed if "Failed to load resource" not in said] == []


@pytest.fixture(scope="package")
def served(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """One service for all tests of the pages: each has a device of its own."""
    if shutil.which("chromium") is None:
        pytest.skip("no chromium on this machine: the dashboard is not looked at")
    with databases.lend() as url:
        service = Served(tmp_path_factory.mktemp("dashboard"), url)
        try:
            service.start()
            yield service
        finally:
            service.stop()


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Folder where the pictures of the pages go; git ignores it."""
    folder = Path(__file__).resolve().parents[2] / "output" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def until(is_so: Callable[[], Awaitable[object]]) -> None:
    """Wait for something that only asking tells.

    Asked from here: a page that asks again by itself is forbidden to by its content
    security policy.
    """
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await is_so():  # noqa: ASYNC110 - a page has no event for it
            await asyncio.sleep(0.03)


async def photograph(page: Page, pictures: Path, name: str) -> None:
    """Take a picture by day and by night, and look whether it fits a telephone."""
    size = page.viewport_size
    for scheme in ("dark", "light"):
        await page.emulate_media(color_scheme=scheme)
        await page.screenshot(path=pictures / f"{name}-{scheme}.png")
    await page.set_viewport_size({"width": 390, "height": 844})
    # what is drawn follows its new place with the next frame
    fits = "document.documentElement.scrollWidth <= 390"
    await until(lambda: page.evaluate(fits))
    await page.screenshot(path=pictures / f"{name}-small.png")
    assert size is not None
    await page.set_viewport_size(size)
