"""Nobody is shut out: axe-core looks at every page, by day and by night.

axe-core is no part of the project: `npm install --prefix output/npm axe-core`.
"""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from app.client import Onset
from tests.dashboard.conftest import Look
from tests.dashboard.scene import add_champion, add_history
from tests.dashboard.served import Served

CHECKOUT = Path(__file__).resolve().parents[2]
AXE = CHECKOUT / "output" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
PAGES = {
    "": "#events tr",
    "events": "#place tbody tr",
    "events/{event}": ".probabilities li",
    "models": ".version",
    "ask?event={event}": ".said .verdict",
    "detectors": ".version-of",
    "alerts": "#place [data-rule]",
    "devices": "#place tbody tr",
    "keys": "#place tbody tr",
    "audit": "#place tbody tr",
    "health": ".stage-of",
}
"""Page -> what it shows when it is there."""
ALIKE = (
    "tbody tr:nth-child(n+4)",
    ".device:nth-child(n+4)",
    ".near:nth-child(n+4)",
    ".version:nth-of-type(n+4)",
    "#models li:nth-child(n+4)",
)
"""What is made as those before it were is not looked at again."""
LOOK = """async ([rules, alike]) => {
  const where = { exclude: alike.map((one) => [one]) };
  const found = await axe.run(where, rules ? { runOnly: rules } : {});
  return found.violations.filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => [one.id, one.help, one.nodes.slice(0, 3).map((node) => node.html)]);
}"""


async def test_axe_finds_no_serious_violation_on_any_page(look: Look, served: Served):
    if not AXE.is_file():
        pytest.skip(f"no axe-core in {AXE.relative_to(CHECKOUT)}: npm installs it")
    await add_champion(served, 60, "learnt from 60 movements")
    event = next(iter(await add_history(served, "arm-6", 3)))
    async with Onset(served.url, served.key) as client:
        rule = await client.add_alert_rule("anything", "event")
    page = await look()
    await page.add_init_script(path=AXE)
    await page.reload()
    found = {}
    for address, shown in PAGES.items():
        await page.goto(f"{served.url}/#/{address.format(event=event)}")
        await expect(page.locator(shown).first).to_be_visible()
        found[address, "light"] = await said(page, "light", None)
        found[address, "dark"] = await said(page, "dark", ["color-contrast"])
    await page.keyboard.press("?")
    found["keys of the keyboard", "light"] = await said(page, "light", None)
    async with Onset(served.url, served.key) as client:
        await client.delete_alert_rule(rule["id"])
    assert {where: what for where, what in found.items() if what} == {}


async def said(page: Page, scheme: str, rules: list[str] | None) -> Any:
    """Ask axe what is wrong with what is shown."""
    await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    return await page.evaluate(LOOK, [rules, ALIKE])
