"""From the printed link to a better model and back, in one sitting."""

from dataclasses import replace
from pathlib import Path

from playwright.async_api import Page, expect

from app.client import Onset
from tests.dashboard.conftest import Look, photograph
from tests.dashboard.scene import CLASSES, PROFILE, add_history, streaming
from tests.dashboard.served import Served
from tests.dashboard.test_dashboard import asked, see_it_move
from tests.dashboard.test_models_page import say_why, training

PATH = replace(PROFILE, name="path")
LABELS = 20


async def test_the_whole_path_from_the_link_to_a_rollback(
    look: Look, served: Served, pictures: Path
):
    await add_history(served, "path-0", 24, noise=0.7, profile=PATH)
    truth = await add_history(served, "path-1", 30, labelled=False, profile=PATH)
    async with (
        Onset(served.url, served.key) as client,
        training(served),
        streaming(served, "path-2", PATH),
    ):
        first = await client.retrain("path")
        await client.wait_job(first["id"])

        page = await look()  # by the link that is printed
        await page.select_option("#profile", "path")
        band = page.get_by_role("button", name="path-2")
        await expect(band).to_have_attribute("data-state", "streaming")
        await band.click()
        await see_it_move(page)
        await expect(
            page.locator("#events tr", has_text="path-2").first
        ).to_be_visible()

        await page.keyboard.press("l")
        begun = await page.evaluate("performance.now()")
        await label(page, truth)
        assert await page.evaluate("performance.now()") - begun < 60_000
        await expect(page.locator("#desk-count")).to_have_text(f"{LABELS} labelled")
        await photograph(page, pictures, "desk")
        await page.keyboard.press("Escape")

        await page.keyboard.press("g")
        await page.keyboard.press("m")
        await expect(page.locator(".version")).to_have_count(1)
        await page.keyboard.press("t")
        await say_why(page, "twenty more labels")
        await expect(page.locator(".job-card progress")).to_be_visible()
        await expect(page.locator(".version")).to_have_count(2)
        await expect(page.locator(".job-card progress")).to_be_hidden()
        newest = page.locator(".version").last
        if "champion" not in await newest.inner_text():  # not better by enough
            await page.keyboard.press("p")
            await say_why(page, "it knows more")
        await expect(newest).to_contain_text("champion")
        await page.keyboard.press("b")
        await say_why(page, "the old one was calmer")
        await expect(page.locator("#toast")).to_contain_text("serves again")
        await expect(page.locator(".version").first).to_contain_text("champion")
        acts = (await client.history("path"))["items"]
    assert [one["act"] for one in acts[:2]] == ["rollback", "promote"]


async def label(page: Page, truth: dict[str, str]) -> None:
    """Label events by keyboard, one after the other."""
    said: dict[str, str] = {}
    while len(said) < LABELS:
        event = await asked(page, said)
        said[event] = truth.get(event, CLASSES[0])  # of the band nobody knows
        async with page.expect_response("**/labels"):
            await page.keyboard.press(str(1 + CLASSES.index(said[event])))
