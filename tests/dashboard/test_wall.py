"""The wall of the live page: a tile for each device, all fed by one stream."""

from playwright.async_api import Page, Route, expect

from tests.dashboard.conftest import Look, until
from tests.dashboard.scene import add_history, streaming
from tests.dashboard.served import Served

TILE = """async () => {
  const { Tile } = await import("/static/tile.js");
  const ago = (ms) => new Date(Date.now() - ms).toISOString();
  const tile = new Tile({ id: "x", paused: null, last_seen: null }, () => {});
  const block = { boot: "b", rate_hz: 50, first_seq: 1, values: [[1], [2]] };
  const said = [tile.condition];
  tile.update({ ...tile.device, last_seen: ago(4000) });
  said.push(tile.condition); // a frame comes every tenth of a second
  tile.since = -Infinity;
  said.push(tile.condition); // it may have died just before the page was opened
  tile.update({ ...tile.device, last_seen: ago(2000) });
  said.push(tile.condition); // what was on its way
  tile.update({ ...tile.device, last_seen: ago(1000) });
  said.push(tile.condition); // seen again and again, and not heard: to another process
  tile.add(block, ["x"]);
  said.push(tile.condition);
  tile.add({ ...block, first_seq: 9 }, ["x"]);
  said.push(tile.condition);
  tile.gapped = -Infinity;
  tile.flow.heard -= 3000;
  said.push(tile.condition);
  tile.update({ ...tile.device, last_seen: ago(0) });
  said.push(tile.condition); // what came is durable by now
  tile.device.last_seen = ago(60000);
  said.push(tile.condition);
  tile.device.paused = { by: "ann" };
  said.push(tile.condition);
  return said;
}"""
RING = """async () => {
  const { Ring } = await import("/static/ring.js");
  const ring = new Ring(1, 64);
  const news = [
    ring.addBlock({ first_seq: 0, step: 4, low: [[1], [5]], high: [[3], [6]] }),
    ring.addBlock({ first_seq: 4, step: 4, low: [[4], [null]], high: [[9], [null]] }),
  ];
  const { low, high } = ring.fold(0, 0, 11, 4);
  return { news, low: [...low].map(String), high: [...high].map(String) };
}"""


async def scrolls(page: Page, device: str) -> None:
    """Wait until a device's tile shows another picture, and another one again."""
    tile = page.locator(f".device:has(b:text-is('{device}'))")
    seen = set()

    async def thrice() -> bool:
        picture = "(tile) => tile.querySelector('canvas').toDataURL()"
        seen.add(await tile.evaluate(picture))
        return len(seen) > 2

    await until(thrice)


async def slowly(route: Route) -> None:
    """Answer as the service does to a page that was too slow for it."""
    said = 'event: dropped\ndata: {"frames":7}\n\n'
    await route.fulfill(body=said, content_type="text/event-stream")


async def test_every_device_scrolls_on_the_wall_and_one_is_looked_at_closely(
    look: Look, served: Served
):
    await add_history(served, "wall-9", 2)  # it was there, and is not now
    async with streaming(served, "wall-1"), streaming(served, "wall-2"):
        page = await look()
        one = page.get_by_role("button", name="wall-1")
        await expect(one).to_have_attribute("data-state", "streaming")
        await expect(one).to_contain_text("streaming")
        gone = page.get_by_role("button", name="wall-9")
        await expect(gone).to_have_attribute("data-state", "never seen")
        await scrolls(page, "wall-1")
        await scrolls(page, "wall-2")

        # by keyboard: along the wall, and into the strip, which is full at once
        await page.get_by_role("button", name="wall-1").click()
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("Enter")
        await expect(page.locator("#strip-note")).to_contain_text("wall-2 · 6 channels")
        await expect(page.get_by_role("button", name="wall-2")).to_have_attribute(
            "aria-pressed", "true"
        )
        await page.keyboard.press("k")
        await expect(page.locator("#strip-note")).to_contain_text("wall-1 · 6 channels")

        await page.route("**/signals?*", slowly)
        await page.reload()
        await expect(page.locator("#wall-note")).to_contain_text("7 frames left out")


async def test_a_tile_says_whether_it_streams_has_a_gap_is_idle_or_paused(look: Look):
    page = await look()
    assert await page.evaluate(TILE) == [
        "never seen",
        "streaming",
        "gap",
        "gap",
        "elsewhere",
        "streaming",
        "gap",
        "gap",
        "gap",
        "idle",
        "paused",
    ]


async def test_folded_readings_are_drawn_as_what_they_span(look: Look):
    page = await look()
    assert await page.evaluate(RING) == {
        "news": [7, 4],
        "low": ["1", "4", "NaN"],
        "high": ["3", "9", "NaN"],
    }


async def test_fifty_events_at_once_change_the_table_once(look: Look):
    page = await look()
    changes = await page.evaluate(
        """async () => {
          const { Events } = await import("/static/events.js");
          const events = new Events(() => {});
          const body = document.getElementById("events");
          const rows = new Set();
          const at = new Date().toISOString();
          const changes = []; // rows of ours in each: the page shows others, too
          return new Promise((done) => {
            new MutationObserver((seen) => {
              for (const { addedNodes } of seen) {
                const ours = [...addedNodes].filter((row) => rows.has(row));
                if (ours.length) changes.push(ours.length);
              }
              if (changes.reduce((sum, n) => sum + n, 0) >= 50) done(changes);
            }).observe(body, { childList: true });
            for (let i = 0; i < 50; i += 1) {
              const id = `e${i}`;
              const one = { id, device: "d", onset: at, offset: at, flags: [] };
              events.show(one, { fresh: true });
              rows.add(events.rows.get(id).line);
            }
          });
        }"""
    )
    assert changes == [50]
