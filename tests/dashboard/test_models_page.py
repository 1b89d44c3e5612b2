"""The page of the models: compared, retrained, promoted and rolled back."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from playwright.async_api import Page, expect

from app.client import Onset
from app.service.jobs import trainer
from app.service.jobs.trainer import Pace
from app.store.artefacts import Artefacts
from tests.dashboard.conftest import Look, photograph
from tests.dashboard.scene import PROFILE, add_history
from tests.dashboard.served import Served

GLOVE = replace(PROFILE, name="glove")


@contextlib.asynccontextmanager
async def training(served: Served) -> AsyncIterator[None]:
    """Let a trainer work."""
    work = trainer.run(
        served.database_url, Artefacts(served.models), pace=Pace(poll=0.2, report=0.1)
    )
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_challenger_is_trained_judged_in_a_sentence_and_rolled_back(
    look: Look, served: Served, pictures: Path
):
    await add_history(served, "glove-1", 24, noise=0.7, profile=GLOVE)
    async with Onset(served.url, served.key) as client, training(served):
        first = await client.retrain("glove")
        await client.wait_job(first["id"])
        await add_history(served, "glove-2", 60, noise=0.5, profile=GLOVE)
        await add_history(served, "glove-3", 6, labelled=False, profile=GLOVE)
        page = await look()
        await page.select_option("#profile", "glove")
        await page.get_by_role("link", name="Models").click()
        await expect(page.locator(".version")).to_have_count(1)

        await page.keyboard.press("t")
        await say_why(page, "sixty more")
        await expect(page.locator(".job-card")).to_contain_text("refreshed")
        await expect(page.locator(".version")).to_have_count(2)
        sentence = page.locator(".sentence")
        await expect(sentence).to_contain_text(
            "is no worse and fresher: it is right on"
        )
        await expect(page.locator(".matrix .hit")).to_have_count(3)
        worth = re.compile(r"Next 50 labels: about \+\d+\.\d points")
        await expect(page.locator(".place")).to_contain_text(worth)
        newest, oldest = (
            one["version"] for one in (await client.history("glove"))["items"]
        )
        mistakes = (await client.report(newest))["mistakes"]
        wrong = page.locator(".mistakes li")
        await expect(wrong).to_have_count(len(mistakes))
        for row, one in enumerate(mistakes):
            await expect(wrong.nth(row)).to_contain_text(f"it was {one['label']}")
            link = wrong.nth(row).get_by_role("link")
            await expect(link).to_have_attribute("href", f"#/events/{one['event']}")
        await photograph(page, pictures, "models")

        await page.keyboard.press("j")  # to the first version, which serves no more
        await page.get_by_role("button", name="Let it serve some").click()
        await page.fill("dialog [name=share]", "50")
        await say_why(page, "half of them, for a day")
        card = page.locator(".canary.card")
        await expect(card).to_contain_text("half of them, for a day")
        await expect(page.locator("h3 .badge")).to_have_text("canary")
        assert (await client.canary(oldest))["share"] == 0.5
        await page.get_by_role("button", name="End the canary").click()
        await expect(card).to_have_count(0)
        await expect(page.locator("h3 .badge")).not_to_have_text("canary")

        await client.add_alert_rule("taken back", "rollback", profile="glove")
        await page.keyboard.press("b")
        await say_why(page, "the sixty were mislabelled")
        await expect(page.locator("#toast")).to_contain_text("serves again")
        former = page.locator(".version").first
        await expect(former).to_contain_text("champion")
        await expect(former).to_have_attribute("aria-pressed", "true")
        right = page.locator(".expected")  # before anybody has labelled them
        await expect(right).to_contain_text("of its last 6 answers that nobody")
        await page.keyboard.press("k")
        await page.keyboard.press("p")
        await say_why(page, "they were not")
        await expect(page.locator(".version").last).to_contain_text("champion")
        await page.keyboard.press("g")
        await page.keyboard.press("r")
        found = page.locator("[data-alert]").filter(has_text="taken back")
        await expect(found).to_contain_text(
            "the sixty were mislabelled", timeout=15_000
        )
        served_by = (await client.history("glove"))["items"]
    assert [one["reason"] for one in served_by[:2]] == [
        "they were not",
        "the sixty were mislabelled",
    ]
    assert [one["act"] for one in served_by[:2]] == ["promote", "rollback"]


async def say_why(page: Page, reason: str) -> None:
    """Fill in the reason that the open dialog asks for."""
    await page.fill("dialog [name=reason]", reason)
    await page.keyboard.press("Enter")
