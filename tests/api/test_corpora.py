"""Ready-made collections of bad input: nothing of it is answered with a 500."""

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.api.caller import Caller

EVENT = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def corpora(shared_data: Path) -> Path:
    folder = shared_data / "corpora"
    if not folder.is_dir():
        pytest.skip(f"no corpora in {folder}")
    return folder


async def test_bad_json_is_never_answered_with_a_server_error(
    admin: Caller, corpora: Path
) -> None:
    files = sorted((corpora / "json" / "test_parsing").glob("*.json"))
    assert len(files) > 300
    wrong = []
    for file in files:
        for path, kind in (
            ("/labels", "application/json"),
            ("/classify", "application/json"),
            ("/events/import", "application/x-ndjson"),
        ):
            answer = await admin(
                "POST", path, content=file.read_bytes(), headers={"Content-Type": kind}
            )
            if not 400 <= answer.status_code < 500:
                wrong.append((file.name, path, answer.status_code))
    assert wrong == []


async def test_naughty_strings_are_never_answered_with_a_server_error(
    admin: Caller, corpora: Path
) -> None:
    found = next((corpora / "strings").rglob("blns.base64.json"))
    texts = [
        base64.b64decode(one).decode("utf-8", "replace")
        for one in json.loads(found.read_bytes())
    ]
    assert len(texts) > 400
    wrong = []
    for text in texts:
        name = quote(text, safe="")
        answers = [
            await admin("POST", f"/events/{EVENT}/labels", json={"label": text}),
            await admin("PUT", f"/devices/{name}", json={"profile": "arm"}),
            await admin("GET", "/events", params={"label": text}),
            await admin("POST", "/labels", content=text.encode()),
        ]
        wrong += [
            (text, answer.request.url.path, answer.status_code)
            for answer in answers
            if answer.status_code >= 500
        ]
    assert wrong == []
