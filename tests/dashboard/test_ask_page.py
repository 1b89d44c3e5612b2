"""A window is asked about by hand, in a real browser."""

from pathlib import Path

from playwright.async_api import expect

from app.client import Onset
from tests.dashboard.conftest import Look, photograph
from tests.dashboard.scene import CHANNELS, add_champion, add_history
from tests.dashboard.served import Served


async def test_a_window_is_taken_written_and_named_as_a_device_would_hear(
    look: Look, served: Served, pictures: Path
):
    version = await add_champion(served, 60, "learnt from 60 movements")
    (event,) = await add_history(served, "hand-1", 1, labelled=False)
    async with Onset(served.url, served.key) as client:
        stored = (await client.event(event))["prediction"]
        (bare,) = await client.classify(
            "wrist", [[[0.0] * 6] * 40], model_version=version
        )
    page = await look()
    await page.select_option("#profile", "wrist")
    await page.goto(f"{served.url}/#/ask?event={event}")
    await page.select_option("[name=model_version]", str(version))
    ask = page.get_by_role("button", name="What is it?")
    await ask.click()
    said = page.locator(".said .verdict")
    share = f"{stored['probability']:.0%}".replace("%", " %")
    await expect(said).to_contain_text(stored["label"])
    await expect(said).to_contain_text(share)
    await photograph(page, pictures, "ask")

    readings = page.get_by_label("Readings: a line each")
    await readings.fill("1, 2, 3, 4, 5, 6\n1, 2, three, 4, 5, 6")
    await ask.click()
    wrong = page.locator(".by-hand .bad")
    await expect(wrong).to_have_text("Reading 2: “three” is no number.")
    await readings.fill("1, 2, 3")
    await ask.click()
    await expect(wrong).to_have_text(
        "Reading 1 has 3 values, and the profile 6 channels."
    )
    rows = "\n".join(["0; 0; 0; 0; 0; 0"] * 40)
    await readings.fill(f"{'; '.join(CHANNELS).replace(' ', '_')}\n{rows}")
    for name in ("Readings before the event", "Readings after it"):
        await page.get_by_label(name).fill("")
    await ask.click()
    await expect(said).to_contain_text(bare["label"])
    await expect(wrong).to_be_empty()
