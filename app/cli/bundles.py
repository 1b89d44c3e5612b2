"""`onset bundle`, `offline`: a version in a file, and readings through that file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from app.cli import configuration
from app.cli.folder import played
from app.cli.options import AsJson, Url
from app.cli.rest import Service
from app.cli.tables import show
from app.domain import Event, Prediction
from app.errors import Unavailable
from app.learning.bundle import read
from app.simulate.recordings import read_folder


def bundle(
    version: Annotated[int, typer.Argument(help="Number of the model version.")],
    file: Annotated[Path, typer.Argument(help="Where to write it.")],
    detector: Annotated[
        int | None, typer.Option(help="Detector version; default: what serves.")
    ] = None,
    url: Url = None,
) -> None:
    """Write a model version with its detector into a file that runs by itself."""
    service = Service.of(configuration.load(), url)
    asked = {"detector_version": detector}
    said = service.call("GET", f"/models/{version}/bundle", params=asked)
    if file.exists():
        raise Unavailable(f"{file} exists already; nothing was written")
    file.write_bytes(msgspec.json.encode(said))
    typer.echo(f"{file}: version {version}, detector {said['detector']['number']}")


def offline(
    file: Annotated[Path, typer.Argument(help="What `onset bundle` wrote.")],
    folder: Annotated[Path, typer.Argument(help="Recordings, Parquet or CSV.")],
    keep: Annotated[
        Path | None,
        typer.Option(help="Add the windows found to this file, for `onset import`."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find and name the events of recordings, without a service or a database."""
    whole = read(file.read_bytes())
    names = [channel.name for channel in whole.profile.channels]
    table = Table("device", "part", "onset", "offset", "label", "probability")
    kept = 0
    for recording in read_folder(folder, names):
        stream = whole.stream(recording.device, recording.part)
        session = whole.session()
        for event in played(recording, stream):
            said = whole.classify(event, session)
            if keep is not None:
                with keep.open("ab") as lines:
                    lines.write(_window(event) + b"\n")
                kept += 1
            if as_json:
                typer.echo(_told(event, said))
                continue
            label = f"{said.label}?" if said.unknown else said.label
            table.add_row(
                event.device,
                event.boot,
                f"{event.onset:%F %T}",
                f"{event.offset:%F %T}",
                label,
                f"{said.probability:.3f}",
            )
    if not as_json:
        show(table)
    if keep is not None:
        typer.echo(f"{kept} windows kept in {keep}", err=True)


def _window(event: Event) -> bytes:
    """Write a line that `POST /events/import` takes."""
    return msgspec.json.encode(
        {
            "profile": event.profile,
            "window": event.window.tolist(),
            "device": event.device,
            "onset": event.onset,
            "pre_roll": event.pre_roll,
            "post_roll": event.post_roll,
        }
    )


def _told(event: Event, said: Prediction) -> str:
    found = {
        "event": event.id,
        "device": event.device,
        "boot": event.boot,
        "onset_seq": event.onset_seq,
        "offset_seq": event.offset_seq,
        "onset": event.onset,
        "offset": event.offset,
        "flags": list(event.flags),
    }
    answer = {
        "label": said.label,
        "probability": said.probability,
        "unknown": said.unknown,
        "model_version": said.model_version,
        "features_digest": said.features_digest,
    }
    return msgspec.json.encode(found | answer).decode()
