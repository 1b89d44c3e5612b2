"""The page of the detectors: thresholds, verdicts, rollback, near misses."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import Page, expect

from app.client import Onset
from app.detection import Stream
from app.domain import Event, Profile, Readings
from app.store import devices, erasing, labels, profiles, streams
from app.store import engine as database
from app.store.streams import StreamCommit
from tests.dashboard.conftest import Look, photograph
from tests.dashboard.scene import PROFILE, RATE_HZ
from tests.dashboard.served import Served
from tests.dashboard.test_accessible import AXE, said
from tests.dashboard.test_models_page import say_why, training
from tests.store.rows import take_over

# Names behind that of the band: a page opens with the first profile.
SHOE = replace(PROFILE, name="x-shoe", record=True)
DEAF = {"kind": "energy", "on": 500.0}
QUIET = {"kind": "energy", "on": 9.0, "min_seconds": 1.5}


async def walk(
    served: Served,
    device: str,
    seed: int,
    *,
    loud: float,
    profile: Profile = SHOE,
    minutes: int = 1,
) -> list[Event]:
    """Record some minutes of a device: a burst every fourteen seconds, labelled."""
    random = np.random.default_rng(seed)
    n = int(minutes * 60 * RATE_HZ)
    values = random.normal(0, 0.1, (n, 6))
    for onset in range(1000, n - 200, 700):
        values[onset : onset + 120] *= loud
    times = 1_767_225_600.0 + np.arange(n) / RATE_HZ
    engine = database.create(served.database_url, pool_size=1)
    try:
        async with engine.begin() as conn:
            await devices.put(conn, device, profile.name)
            version = await profiles.detector(conn, profile.name, device)
            boot = f"step-{seed}"  # of fourteen, enough are held out
            row = await take_over(conn, device, boot, version.number)
            stream = Stream(profile, version, device, boot)
            readings = Readings(1, values.astype(np.float32), times, True)
            said = stream.receive(readings)
            found = [one for one in said if isinstance(one, Event)]
            commit = StreamCommit(
                device=device,
                boot=boot,
                generation=row.generation,
                old=0,
                new=n,
                state=stream.state(),
                detector_version=version.number,
                events=tuple(found),
                readings=(readings,),
            )
            await streams.commit(conn, [commit])
            for event in found:
                await labels.add(conn, event.id, "knock", "ann", "test")
    finally:
        await engine.dispose()
    return found


@contextlib.asynccontextmanager
async def shoes(served: Served) -> AsyncIterator[Onset]:
    """Fourteen labelled recordings, and a detector that somebody then made deaf."""
    engine = database.create(served.database_url, pool_size=1)
    try:
        async with engine.begin() as conn:
            await profiles.put(conn, SHOE, {"kind": "energy"})
        for seed in range(14):
            await walk(served, f"shoe-{seed % 7 + 1}", seed, loud=30)
        async with engine.begin() as conn:
            await profiles.put(conn, SHOE, DEAF)
    finally:
        await engine.dispose()
    try:
        async with Onset(served.url, served.key) as client, training(served):
            yield client
    finally:
        await forget(served, *(f"shoe-{n + 1}" for n in range(7)))


async def forget(served: Served, *names: str) -> None:
    """Erase devices: a page opens with the profile that was heard last."""
    engine = database.create(served.database_url, pool_size=1)
    async with engine.begin() as conn:
        for name in names:
            await erasing.erase(conn, name)
    await engine.dispose()


async def open_page(page: Page, served: Served, profile: str, at: str = "") -> None:
    await page.select_option("#profile", profile)
    await page.goto(f"{served.url}/#/detectors{at}")
    await expect(page.locator(".version-of").first).to_be_visible()


async def shuts_nobody_out(page: Page) -> None:
    """Let axe-core look at what is shown, by day and by night."""
    if not AXE.is_file():
        return
    await page.evaluate(AXE.read_text())
    for scheme, rules in (("dark", ["color-contrast"]), ("light", None)):
        assert await said(page, scheme, rules) == []


async def test_a_threshold_is_chosen_on_its_curve_judged_and_rolled_back(
    look: Look, served: Served, pictures: Path
):
    async with shoes(served) as client:
        page = await look()
        await open_page(page, served, "x-shoe")
        await expect(page.locator(".sentence")).to_contain_text("never judged")
        await page.keyboard.press("x")
        await page.select_option("dialog [name=setting]", "on")
        await page.fill("dialog [name=values]", "3, 6, 12, 60, 500")
        await page.keyboard.press("Enter")
        told = page.locator(".curve-said")
        await expect(told).to_contain_text("on 500 precision")
        slider = page.get_by_role("slider", name="Threshold")
        await slider.focus()
        for _ in range(3):
            await page.keyboard.press("ArrowLeft")
        await expect(told).to_contain_text("on 6 precision 100 % · recall 100 %")
        text = await slider.get_attribute("aria-valuetext")
        assert text is not None
        assert text.startswith("on 6: precision 100\xa0%, recall 100\xa0%, F1 1.000")
        box = await page.locator(".curve-lines").bounding_box()
        assert box is not None
        await page.mouse.move(box["x"] + box["width"] - 16, box["y"] + 60)
        await expect(told).to_contain_text("on 500")
        await page.mouse.move(box["x"] + 48, box["y"] + 60)
        await expect(told).to_contain_text("on 3")
        await page.get_by_role("heading", name="Detectors").click()
        await page.keyboard.press("ArrowRight")
        await expect(told).to_contain_text("on 6")

        await page.keyboard.press("u")
        await say_why(page, "it hears everything")
        job = page.locator(".job-card")
        await expect(job).to_contain_text("serves: better")
        sentence = page.locator(".sentence")
        await expect(sentence).to_contain_text("is better than version")
        await expect(page.locator(".version-of")).to_have_count(3)
        await photograph(page, pictures, "detectors")
        await shuts_nobody_out(page)

        await page.keyboard.press("b")
        await say_why(page, "it was too eager")
        await expect(page.locator("#toast")).to_contain_text("serves again")
        await expect(page.locator(".version-of").nth(1)).to_contain_text("serving")
        await page.keyboard.press("k")
        await page.keyboard.press("p")
        await say_why(page, "it was not")
        await expect(page.locator(".version-of").first).to_contain_text("serving")
        path = "/profiles/x-shoe/detectors/history"
        ledger = (await client.call("GET", path))["items"]
        assert [one["reason"] for one in ledger[:2]] == [
            "it was not",
            "it was too eager",
        ]


async def test_one_device_has_a_page_and_a_detector_of_its_own(
    look: Look, served: Served
):
    engine = database.create(served.database_url, pool_size=1)
    async with engine.begin() as conn:
        sock = replace(SHOE, name="x-sock")
        first = (await profiles.put(conn, sock, {"kind": "energy"})).detector.number
        await profiles.put(conn, sock, DEAF)
        await devices.put(conn, "sock-1", "x-sock")
        await devices.put(conn, "sock-2", "x-sock")
    await engine.dispose()
    page = await look()
    await open_page(page, served, "x-sock")
    note, whose = page.locator(".place-head .note"), page.locator(".of-device select")
    await expect(whose.locator("option")).to_have_count(3)
    await whose.select_option("sock-2")
    await expect(note).to_contain_text("the profile's")
    assert page.url.endswith("#/detectors?device=sock-2")
    await page.keyboard.press("j")
    await page.keyboard.press("p")
    await say_why(page, "sock-2 is louder")
    await expect(note).to_contain_text(f"v{first} serves since")
    await page.locator(".of-device select").select_option("")
    await expect(page.locator(".version-of").last).to_contain_text("sock-2")
    await page.goto(f"{served.url}/#/detectors?device=sock-2")
    await expect(note).to_contain_text(f"v{first} serves since")
    await page.keyboard.press("b")
    await say_why(page, "as the others")
    await expect(note).to_contain_text("the profile's")


async def test_a_near_miss_becomes_an_event_by_one_key(
    look: Look, served: Served, pictures: Path
):
    glove: Any = replace(SHOE, name="x-boot", classes=("step", "jump"))
    engine = database.create(served.database_url, pool_size=1)
    async with engine.begin() as conn:
        await profiles.put(conn, glove, QUIET)
    await engine.dispose()
    assert await walk(served, "boot-1", 5, loud=3, profile=glove, minutes=3) == []
    page = await look()
    await open_page(page, served, "x-boot")
    near = page.locator(".near")
    await expect(near).to_have_count(8)
    await expect(near.first.locator("canvas[data-shown]")).to_be_visible()
    await page.keyboard.press("m")
    await expect(near.first).to_be_focused()
    await photograph(page, pictures, "near-misses")
    await shuts_nobody_out(page)
    async with page.expect_response("**/events") as answered:
        await page.keyboard.press("2")
    answer = await (await answered.value).json()
    assert answer["label"]["label"] == "jump"
    assert answer["device"] == "boot-1"
    await expect(near.first).to_contain_text("is kept as an event by now")
    await expect(near.first).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await expect(near.nth(1)).to_be_focused()
    async with page.expect_response("**/events") as answered:
        await page.keyboard.press("y")
    assert (await (await answered.value).json())["label"] is None
    await expect(near.nth(1)).to_contain_text("is kept as an event by now")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("n")
    await expect(near.nth(2)).to_contain_text("is kept as an event by now")
    note = page.locator(".note", has_text="of the events are found")
    await expect(note).to_contain_text("0 % of the events are found (0 % to 0 %)")
    await forget(served, "boot-1")
