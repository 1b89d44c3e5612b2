"""Devices, keys, the audit trail and health, in a real browser."""

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from app.client import Onset
from app.errors import Unauthenticated
from tests.dashboard.conftest import Look, photograph
from tests.dashboard.scene import add_history, streaming
from tests.dashboard.served import Served

SHARES = """() => [...document.querySelectorAll(".stage-of")].map((stage) => {
  const [rail, fill] = [".rail", ".fill"].map((one) => stage.querySelector(one));
  const bar = (100 * fill.offsetWidth) / rail.offsetWidth;
  return [bar, Number.parseFloat(stage.querySelector("b").textContent)];
})"""
"""How long the bar of each stage is, and what is said beside it, in percent."""


async def go(page: Page, served: Served, name: str) -> None:
    """Open a page by its address, and wait until it shows something."""
    await page.goto(f"{served.url}/#/{name}")
    await expect(page.locator(f"#nav [data-page={name}]")).to_have_attribute(
        "aria-current", "page"
    )


async def test_a_device_is_registered_gets_a_key_and_is_deleted_again(
    look: Look, served: Served, pictures: Path
):
    await add_history(served, "arm-4", 1)
    page = await look()
    await go(page, served, "devices")
    await expect(page.locator("tr[data-device=arm-4] .state")).to_have_text(
        "never seen"
    )
    await photograph(page, pictures, "devices")
    await page.keyboard.press("c")
    await page.fill("dialog [name=id]", "arm-5")
    await page.select_option("dialog [name=profile]", "wrist")
    await page.focus("dialog [name=id]")
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Make the key").click()
    key = await page.locator("dialog .secret").inner_text()
    async with Onset(served.url, key) as client:
        assert (await client.call("GET", "/devices/arm-5"))["profile"] == "wrist"
    await page.get_by_role("button", name="I have it").click()

    await page.get_by_role("button", name="Delete arm-5").click()
    await page.fill("dialog [name=id]", "arm-4")
    await page.get_by_role("button", name="Delete it all").click()
    assert await page.locator("dialog [name=id]:invalid").count() == 1
    await page.fill("dialog [name=id]", "arm-5")
    await page.keyboard.press("Enter")
    await expect(page.locator("#toast")).to_have_text("arm-5 is deleted.")
    await expect(page.locator("tr[data-device=arm-5]")).to_have_count(0)


async def test_a_device_is_paused_says_so_and_is_resumed(look: Look, served: Served):
    async with streaming(served, "arm-9") as client:
        page = await look()
        await go(page, served, "devices")
        state = page.locator("tr[data-device=arm-9] .state")
        await expect(state).to_have_text("streaming")
        await page.get_by_role("button", name="Pause arm-9").click()
        await page.get_by_role("button", name="Cancel").click()
        await expect(state).to_have_text("streaming")
        await page.get_by_role("button", name="Pause arm-9").click()
        await page.fill("dialog [name=reason]", "the strap is loose")
        await page.keyboard.press("Enter")
        await expect(state).to_have_text("paused")
        resume = page.get_by_role("button", name="Resume arm-9")
        await expect(resume).to_be_focused()
        held = (await client.call("GET", "/devices/arm-9"))["paused"]
        assert held["reason"] == "the strap is loose"
        await page.keyboard.press("Enter")
        await expect(page.locator("dialog[open]")).to_contain_text("strap is loose")
        await page.get_by_role("button", name="Resume", exact=True).last.click()
        await expect(state).not_to_have_text("paused")
        assert (await client.call("GET", "/devices/arm-9"))["paused"] is None


async def test_a_key_is_shown_once_works_is_revoked_and_the_trail_says_so(
    look: Look, served: Served, pictures: Path
):
    page = await look()
    await go(page, served, "keys")
    await page.keyboard.press("c")
    await page.fill("dialog [name=name]", "ada")
    await page.select_option("dialog [name=role]", "labeler")
    await page.get_by_role("button", name="Make the key").click()
    secret = await page.locator("dialog .secret").inner_text()
    await page.get_by_role("button", name="I have it").click()
    await photograph(page, pictures, "keys")
    assert secret not in await page.content()
    async with Onset(served.url, secret) as client:
        await client.call("GET", "/labels/queue?profile=wrist")
        await page.get_by_role("button", name="Revoke ada").click()
        await page.get_by_role("button", name="Revoke", exact=True).last.click()
        await expect(page.locator("#toast")).to_have_text("ada is revoked.")
        with pytest.raises(Unauthenticated):
            await client.call("GET", "/profiles")
    await go(page, served, "audit")
    newest = page.locator("#place tbody tr")
    await expect(newest.nth(0)).to_contain_text("revoke")
    await expect(newest.nth(1)).to_contain_text("role: labeler")
    await photograph(page, pictures, "audit")


async def test_health_names_the_busiest_stage(
    look: Look, served: Served, pictures: Path
):
    async with streaming(served, "band-h"):
        page = await look()
        await go(page, served, "health")
        await expect(page.locator(".stage-of")).to_have_count(3)
        verdict = page.locator(".sentence").last
        await expect(verdict).to_contain_text("at work")
        await expect(page.locator(".sentence").first).to_contain_text("Ready, up for")
        shares = await page.evaluate(SHARES)
        assert all(abs(bar - said) < 1.5 for bar, said in shares), shares
        await photograph(page, pictures, "health")


async def test_a_rule_is_made_what_it_finds_is_listed_and_somebody_looks_after_it(
    look: Look, served: Served, pictures: Path
):
    await add_history(served, "arm-8", 1)  # before anybody looked
    page = await look()
    await go(page, served, "alerts")
    await page.keyboard.press("c")
    await page.fill("dialog [name=name]", "anything")
    await page.get_by_role("button", name="Look from now on").click()
    await expect(page.locator("[data-rule]")).to_contain_text("anything")
    await add_history(served, "arm-7", 3)
    found = page.locator("[data-alert]").first
    await expect(found).to_contain_text("arm-7")
    await photograph(page, pictures, "alerts")
    await page.get_by_role("button", name="I look after anything of arm-7").click()
    await page.fill("dialog [name=note]", "soon")
    await page.keyboard.press("Enter")
    await expect(page.locator("#place")).to_contain_text("Nothing to look at.")
    await page.get_by_label("acknowledged, too").check()
    await expect(page.locator("[data-alert]").first).to_contain_text("soon")
    await page.get_by_role("button", name="Delete anything").click()
    await page.get_by_role("button", name="Delete", exact=True).last.click()
    await expect(page.locator("[data-rule]")).to_have_count(0)
