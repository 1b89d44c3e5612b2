"""A served dashboard, and the system's Chromium to look at it."""

import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect
from psycopg import sql

from tests.dashboard.served import Served

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


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine: the dashboard is not looked at")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        await opened.close()


Look = Callable[[], Awaitable[Page]]


@pytest.fixture
async def look(browser: Browser, served: Served) -> AsyncIterator[Look]:
    """Open the page by the link that is printed; no script of it may fail."""
    failed: list[str] = []

    async def opened() -> Page:
        page = await browser.new_page(viewport={"width": 1280, "height": 1240})
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("console", lambda said: failed.append(said.text))
        await page.goto(served.link)
        await expect(page.locator("#link")).to_have_text("live", timeout=15_000)
        return page

    yield opened
    # a service that is away is said by the browser, and is no failure of the page
    assert [said for said in failed if "Failed to load resource" not in said] == []


@pytest.fixture(scope="module")
def served(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """One service for all tests of a file: each has a device of its own."""
    if shutil.which("chromium") is None:
        pytest.skip("no chromium on this machine: the dashboard is not looked at")
    name = f"onset_dashboard_{secrets.token_hex(4)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        copy = sql.SQL("create database {} template {}")
        connection.execute(copy.format(*map(sql.Identifier, (name, template_database))))
    url = urlsplit(server_url)._replace(path=f"/{name}").geturl()
    service = Served(tmp_path_factory.mktemp("dashboard"), url)
    try:
        service.start()
        yield service
    finally:
        service.stop()
        with psycopg.connect(server_url, autocommit=True) as connection:
            drop = sql.SQL("drop database {} with (force)")
            connection.execute(drop.format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Folder where the pictures of the pages go; git ignores it."""
    folder = Path(__file__).resolve().parents[2] / "output" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
