"""The list of events and the page of one, in a real browser."""

import re
from pathlib import Path

from playwright.async_api import expect

from app.client import Onset
from tests.dashboard.conftest import Look, photograph
from tests.dashboard.scene import add_champion, add_history
from tests.dashboard.served import Served

ROWS = "#place tbody tr"


async def test_events_are_filtered_and_the_list_goes_on_while_one_scrolls(
    look: Look, served: Served, pictures: Path
):
    await add_champion(served, 60, "learnt from 60 movements")
    await add_history(served, "arm-1", 130, noise=0.4)
    page = await look()
    await page.select_option("#profile", "wrist")
    await page.keyboard.press("g")
    await page.keyboard.press("e")
    await page.fill("[name=device]", "arm-1")
    await page.keyboard.press("Enter")
    await expect(page.locator(ROWS)).to_have_count(100)
    await expect(page.locator(".counts .count")).to_have_count(4)
    counts = page.locator("details", has=page.locator(".counts"))
    await expect(counts.locator("summary")).to_contain_text("with a prediction")
    hours = counts.get_by_role("img", name="By the hour: most")
    assert await hours.locator("i").count() in (24, 25)
    await photograph(page, pictures, "events")
    await page.locator(ROWS).last.scroll_into_view_if_needed()
    await expect(page.locator(ROWS)).to_have_count(130)
    await page.select_option("[name=label]", "turn")
    await expect(page.locator(ROWS)).to_have_count(43)
    assert page.url.endswith("#/events?device=arm-1&label=turn")
    await page.reload()
    await expect(page.locator(ROWS)).to_have_count(43)
    await expect(page.locator("[name=label]")).to_have_value("turn")


async def test_an_event_is_looked_at_labelled_and_moved_by_keyboard(
    look: Look, served: Served, pictures: Path
):
    truth = await add_history(served, "arm-2", 3)
    older, newest = list(truth)[-2:]
    page = await look()
    await page.select_option("#profile", "wrist")
    await page.goto(f"{served.url}/#/events?device=arm-2")
    await expect(page.locator(ROWS)).to_have_count(3)
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(f"#/events/{newest}$"))
    await expect(page.locator(".said .probabilities li")).to_have_count(3)
    await expect(page.locator(".why .probabilities li")).to_have_count(6)
    await photograph(page, pictures, "event")
    near = page.locator(".why .alike a")
    await expect(near).to_have_count(5)
    link = await near.first.get_attribute("href")
    assert link is not None
    assert link.startswith("#/events/")
    assert not link.endswith(newest)
    await page.keyboard.press("j")
    await expect(page).to_have_url(re.compile(f"#/events/{older}$"))
    said = page.locator(".choice[aria-pressed=true]")
    await expect(said).to_contain_text(truth[older])
    async with page.expect_response("**/labels"):
        await page.keyboard.press("3")
    await expect(page.locator(".steps .old")).to_have_text(truth[older])

    await page.get_by_role("slider", name="onset").focus()
    for _ in range(4):
        await page.keyboard.press("ArrowLeft")
    await page.get_by_role("button", name="Move the borders").click()
    await expect(page.locator("#toast")).to_have_text("The borders are moved.")
    async with Onset(served.url, served.key) as client:
        event = await client.event(older)
    assert event["label"]["label"] == "wave"
    assert event["onset_seq"] == event["revisions"][0]["onset_seq"] - 4
