"""The dashboard in a real browser, against a real service and a streaming device."""

import asyncio
from pathlib import Path

from playwright.async_api import Browser, Page, expect

from app.client import Onset
from tests.dashboard.conftest import Look, until
from tests.dashboard.scene import CLASSES, add_champion, add_history, streaming
from tests.dashboard.served import Served

PICTURE = "document.getElementById('strip').toDataURL()"


async def see_it_move(page: Page) -> None:
    """Wait until the strip shows another picture than now."""
    before = await page.evaluate(PICTURE)

    async def moved() -> bool:
        return bool(await page.evaluate(PICTURE) != before)

    await until(moved)


async def test_the_link_logs_in_and_the_key_leaves_the_address_bar(
    look: Look, served: Served
):
    async with streaming(served, "band-1"):
        page = await look()
        assert page.url == f"{served.url}/"
        await page.reload()
        await expect(page.locator("#link")).to_have_text("live")
        await page.click("#logout")
        await expect(page.locator("#login")).to_be_visible()
        assert await page.evaluate("localStorage.length") == 0


async def test_a_signal_moves_and_an_event_is_labelled_by_the_picker(
    look: Look, served: Served
):
    async with streaming(served, "band-2") as client:
        page = await look()
        await page.get_by_role("button", name="band-2").click()
        await expect(page.locator("#strip-note")).to_contain_text("6 channels")
        await see_it_move(page)

        row = page.locator("#events tr", has_text="band-2").last
        async with page.expect_response("**/labels"):
            await row.locator("select").select_option("wave")
        found = [event async for event in client.events(device="band-2")]
        assert (found[0]["label"] or {}).get("label") == "wave"


async def test_another_label_is_asked_for_and_offered_from_then_on(
    look: Look, served: Served
):
    async with streaming(served, "band-6") as client:
        page = await look()
        row = page.locator("#events tr", has_text="band-6").last
        await row.locator("select").select_option(label="other …")
        await page.keyboard.type("a stumble")
        async with page.expect_response("**/labels"):
            await page.keyboard.press("Enter")
        found = [event async for event in client.events(device="band-6")]
        assert (found[0]["label"] or {}).get("label") == "a stumble"
        offered = page.locator("#events select").first.locator("option")
        assert "a stumble" in await offered.all_text_contents()


async def test_twenty_events_are_labelled_by_keyboard_in_under_a_minute(
    look: Look, served: Served, pictures: Path
):
    truth = await add_history(served, "band-7", 21, labelled=False)
    # the queue asks for events of every device: let nobody else's wait
    async with Onset(served.url, served.key) as client:
        others = [e["id"] async for e in client.events(labelled=False)]
        await client.labels({e: "wave" for e in others if e not in truth})
        page = await look()
        await page.keyboard.press("l")
        desk = page.locator("#desk")
        said: dict[str, str] = {}
        begun = asyncio.get_running_loop().time()
        while len(said) < 20:
            event = await asked(page, said)
            said[event] = truth[event]
            async with page.expect_response("**/labels"):
                await page.keyboard.press(str(1 + CLASSES.index(said[event])))
        assert asyncio.get_running_loop().time() - begun < 60
        await expect(page.locator("#desk-count")).to_have_text("20 labelled")
        await asked(page, said)
        await page.screenshot(path=pictures / "desk-light.png")
        async with page.expect_response("**/labels"):
            await page.keyboard.press("z")
        await expect(page.locator("#desk-count")).to_have_text("19 labelled")
        last = list(said)[-1]
        await expect(desk).to_have_attribute("data-event", last)
        async with page.expect_response("**/labels"):
            await page.keyboard.press("n")
        said[last] = "nothing"
        await page.keyboard.press("Escape")
        stored = {
            event["id"]: event["label"]["label"]
            async for event in client.events(device="band-7", labelled=True)
        }
        assert stored == said


async def asked(page: Page, said: dict[str, str]) -> str:
    """Wait for an event on the desk that nothing was said of, with its picture."""
    event: str | None = None

    async def fresh() -> bool:
        nonlocal event
        event = await page.locator("#desk").get_attribute("data-event")
        return bool(event) and event not in said

    await until(fresh)
    assert event
    return event


async def test_a_wrong_key_brings_the_login_with_a_message(
    browser: Browser, served: Served
):
    page = await browser.new_page()
    await page.goto(f"{served.url}/#key=ons_wrong")
    await expect(page.locator("#login-error")).to_have_text("This key is not valid.")
    await expect(page.locator("#page")).to_be_hidden()
    await page.fill("#key", served.key)
    await page.keyboard.press("Enter")
    await expect(page.locator("#link")).to_have_text("live")
    await expect(page.locator("#login")).to_be_hidden()


async def test_pictures_by_day_by_night_and_on_a_telephone(
    look: Look, served: Served, pictures: Path
):
    async with streaming(served, "band-3"), streaming(served, "band-4"):
        page = await look()
        await add_champion(served, 9, "first model, from 9 movements")
        await expect(page.locator("#models .champion")).to_be_visible()
        await add_history(served, "band-8", 12, noise=0.5)
        await add_champion(served, 60, "learnt from 60 movements, not 9")
        await add_history(served, "band-9", 12, noise=0.4)
        await expect(page.locator("#bars li").nth(1)).to_be_visible()
        await page.get_by_role("button", name="band-3").click()
        await expect(page.locator("#strip-note")).to_contain_text("6 channels")
        await asyncio.sleep(2)  # until the strip is well filled
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            await asyncio.sleep(0.1)
            await page.screenshot(path=pictures / f"dashboard-{scheme}.png")
        await page.set_viewport_size({"width": 390, "height": 844})
        await page.screenshot(path=pictures / "dashboard-small.png", full_page=True)
        beyond = "document.documentElement.scrollWidth - innerWidth"
        assert await page.evaluate(beyond) <= 0


async def test_the_page_goes_on_after_the_service_was_away(look: Look, served: Served):
    async with streaming(served, "band-5"):
        page = await look()
        await page.get_by_role("button", name="band-5").click()
        await expect(page.locator("#strip-note")).to_contain_text("6 channels")
        await asyncio.to_thread(served.kill)
        back = asyncio.create_task(asyncio.to_thread(served.start))
        await expect(page.locator("#link")).to_have_text("reconnecting")
        await back
        await expect(page.locator("#link")).to_have_text("live")
        await see_it_move(page)
        await expect(page.locator("#toast")).to_be_hidden()
