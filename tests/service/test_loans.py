"""Loans in a CSV file, one a row: played, each an event, labelled, learnt, named."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
from sqlalchemy.ext.asyncio import AsyncEngine

from app.cli.folder import played
from app.detection import Stream
from app.domain import Channel, Event, Profile
from app.learning import classify
from app.service.champion import Champions
from app.simulate.operator import true_event
from app.simulate.recording import Recording
from app.simulate.recordings import read_folder
from app.store import devices, events, labels, profiles
from app.store.artefacts import Artefacts
from tests.service.scene import profile_of
from tests.service.test_training import train

LOANS = 240
EACH = {"kind": "windows"}


def write(folder: Path) -> None:
    """A bank's file: money, a term, a purpose; who asks for too much does not pay."""
    rng = np.random.default_rng(4)
    rows, truth = [], []
    for n in range(LOANS):
        income, amount = rng.uniform(20, 90), rng.uniform(5, 60)
        late = amount > 0.6 * income + rng.normal(0, 2)
        purpose = rng.choice(["car", "house"])
        rows.append(
            [n, f"{income:.2f}", f"{amount:.2f}", rng.integers(12, 60), purpose]
        )
        truth.append(["bank_1", "late" if late else "paid", n, n + 0.9])
    for name, head, lines in (
        ("bank_1.csv", ["t", "income", "amount", "term", "purpose"], rows),
        ("events.csv", ["recording", "label", "start", "end"], truth),
    ):
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows([head, *lines])


async def test_loans_of_a_csv_file_are_named_by_what_others_became(
    engine: AsyncEngine, artefacts: Artefacts, tmp_path: Path
):
    write(tmp_path)
    (bank,) = read_folder(tmp_path)
    assert bank.channels == ("income", "amount", "term")  # text is no channel
    found = await store(engine, profile_for(bank), bank)
    assert len(found) == LOANS
    known, new = found[: LOANS // 2], found[LOANS // 2 :]
    truth = {e.id: true_event(bank, e.onset_seq, e.offset_seq) for e in found}
    async with engine.begin() as conn:
        said = [(e.id, truth[e.id].label) for e in known]
        await labels.add_many(conn, said, "ann", "person")
    assert (await train(engine, artefacts))["promoted"]
    champions = Champions(engine, artefacts)
    await champions.refresh()
    model = champions.model("arm")
    assert model is not None
    right = [
        classify(model, e.window, e.pre_roll, e.post_roll).label == truth[e.id].label
        for e in new
    ]
    assert np.mean(right) >= 0.85


def profile_for(bank: Recording) -> Profile:
    channels = tuple(Channel(name) for name in bank.channels)
    return replace(profile_of(), channels=channels, rate_hz=bank.rate_hz)


async def store(engine: AsyncEngine, profile: Profile, bank: Recording) -> list[Event]:
    """Play the file as its device would; every loan is an event, and stored."""
    async with engine.begin() as conn:
        put = await profiles.put(conn, profile, EACH)
        await devices.put(conn, bank.device, profile.name)
        stream = Stream(profile, put.detector, bank.device, bank.part)
        found = played(bank, stream)
        await events.add(conn, found)
    return found
