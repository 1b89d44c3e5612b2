"""Naming what is alike: a whole cluster at once, on the desk, in a real browser."""

from dataclasses import replace
from pathlib import Path

from playwright.async_api import expect

from app.client import Onset
from tests.dashboard.conftest import Look
from tests.dashboard.scene import PROFILE, add_history
from tests.dashboard.served import Served

ANKLE = replace(PROFILE, name="ankle")


async def test_a_cluster_is_named_as_a_whole_and_taken_back(
    look: Look, served: Served, pictures: Path
):
    truth = await add_history(served, "foot-1", 30, labelled=False, profile=ANKLE)
    async with Onset(served.url, served.key) as client:
        found = [cluster async for cluster in client.clusters("ankle")]
        assert len(found) >= 3
        first = found[0]
        assert len({truth[event] for event in first["members"]}) == 1
        page = await look()
        await page.reload()
        await page.select_option("#profile", "ankle")
        await expect(page.locator("#events tr")).to_have_count(30)
        await page.get_by_role("button", name="Label l", exact=True).click()
        strip = page.locator("#desk-clusters button")
        await expect(strip).to_have_count(len(found))
        mine = page.locator(f"[data-cluster='{first['id']}']")
        async with page.expect_response("**/window"):
            await mine.click()
        await expect(mine).to_have_attribute("aria-pressed", "true")
        why = f"The most typical of {first['size']} unknown events"
        await expect(page.locator("#desk-why")).to_contain_text(why)
        await page.screenshot(path=pictures / "clusters-light.png")
        await page.keyboard.press("o")
        await page.fill("#other-label", "kick")
        async with page.expect_response("**/labels"):
            await page.keyboard.press("Enter")
        await expect(page.locator("#toast")).to_have_text(
            f"{first['size']} events are kick."
        )
        await expect(mine).to_have_count(0)
        kicks = {e["id"] async for e in client.events(device="foot-1", label="kick")}
        assert kicks == set(first["members"])
        await page.keyboard.press("z")
        await expect(mine).to_have_count(1)
        assert [e async for e in client.events(device="foot-1", label="kick")] == []
