"""`onset retrain`, `models`, `promote`, `rollback`: which model serves, by hand."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from app.cli import configuration
from app.cli.jobs import finished
from app.cli.options import AsJson, Reason, Url
from app.cli.rest import Refused, Service
from app.cli.tables import show, show_answer, show_rows

SERVED_SECONDS = 10.0
"""Within which a process swaps to the champion that the ledger names."""


def retrain(
    profile: Annotated[str, typer.Argument()],
    mode: Annotated[
        str | None,
        typer.Option(help="auto, full, incremental or online; default: the profile's."),
    ] = None,
    promote: Annotated[
        str | None, typer.Option(help="auto or never; default: the profile's.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Stay until it is done, tell the verdict.")
    ] = False,
    url: Url = None,
) -> None:
    """Train a challenger from the labels there are."""
    service = Service.of(configuration.load(), url)
    asked = {"profile": profile, "mode": mode, "promote": promote}
    said = {name: value for name, value in asked.items() if value is not None}
    job = service.call("POST", "/retrain", json=said)
    typer.echo(f"job {job['id']}: {job['state']}")
    if wait:
        _follow(service, profile, job["id"])


def models(
    profile: Annotated[str | None, typer.Argument(help="Default: all.")] = None,
    device: Annotated[
        str | None, typer.Option(help="Only those that are made for it.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List model versions, newest first: what became of them, and why."""
    service = Service.of(configuration.load(), url)
    asked = {"profile": profile, "device": device, "limit": min(limit, 200)}
    found = itertools.islice(service.items("/models", asked), limit)
    if as_json:
        for one in found:
            typer.echo(msgspec.json.encode(one))
        return
    table = Table("version", "profile", "device", "state", "what", "held out", "why")
    for one in found:
        judged = (one["report"] or {}).get("holdout") or {"n": 0}
        score = f"{judged['accuracy']:.3f} of {judged['n']}" if judged["n"] else "-"
        table.add_row(
            str(one["version"]),
            one["profile"],
            one["device"] or "all",
            one["state"],
            f"{one['kind']} {one['estimator']}",
            score,
            f"{one['verdict']}: {one['reason']}",
        )
    show(table)


Version = Annotated[int, typer.Argument(help="Number of the model version.")]


def model(version: Version, as_json: AsJson = False, url: Url = None) -> None:
    """Say everything of a model version: manifest, report, verdict."""
    service = Service.of(configuration.load(), url)
    show_answer(service.call("GET", f"/models/{version}"), as_json=as_json)


def import_model(
    file: Annotated[Path, typer.Argument(help="ONNX file.")],
    profile: Annotated[str, typer.Option(help="Whose events it classifies.")],
    classes: Annotated[
        list[str],
        typer.Option("--class", help="In the order of its probabilities; repeat it."),
    ],
    note: Annotated[str, typer.Option(help="Where it comes from.")] = "by hand",
    url: Url = None,
) -> None:
    """Hand over a model that was trained elsewhere; it serves once promoted."""
    service = Service.of(configuration.load(), url)
    said = service.call(
        "POST",
        "/models/import",
        params={"profile": profile, "classes": classes, "note": note},
        content=file.read_bytes(),
        content_type="application/octet-stream",
    )
    typer.echo(f"version {said['version']}: {said['state']}")


def shadow(
    version: Version,
    begin: Annotated[
        bool, typer.Option("--begin", help="Answer live events, unheard.")
    ] = False,
    end: Annotated[bool, typer.Option("--end", help="No more.")] = False,
    reason: Reason = "by hand",
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Say how a version does beside the champion; begin and end that."""
    service = Service.of(configuration.load(), url)
    path = f"/models/{version}/shadow"
    if begin:
        said = service.call("POST", path, json={"reason": reason})
    elif end:
        said = service.call("DELETE", path)
    else:
        said = service.call("GET", path)
    if as_json:
        show_answer(said, as_json=True)
    else:
        typer.echo(said["sentence"])


def classify(
    profile: Annotated[str, typer.Argument(metavar="PROFILE")],
    file: Annotated[
        Path, typer.Argument(help="JSON list of windows, each a list of readings.")
    ],
    version: Annotated[
        int | None, typer.Option(help="By this version; default: the champion.")
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Ask what a model says of windows."""
    service = Service.of(configuration.load(), url)
    asked = {"profile": profile, "windows": msgspec.json.decode(file.read_bytes())}
    if version is not None:
        asked["model_version"] = version
    found = service.call("POST", "/classify", json=asked)["predictions"]
    columns = {"label": "label", "probability": "probability", "unknown": "unknown"}
    show_rows(found, columns | {"version": "model_version"}, as_json=as_json)


OneDevice = Annotated[
    str | None, typer.Option(help="Of this device only; default: of its profile.")
]


def promote(
    version: Annotated[int, typer.Argument(help="Number of the model version.")],
    reason: Reason = "by hand",
    device: OneDevice = None,
    url: Url = None,
) -> None:
    """Let a version serve: its profile, or the device that it is made for."""
    service = Service.of(configuration.load(), url)
    said = _concerning(reason, device)
    answer = service.call("POST", f"/models/{version}/promote", json=said)
    typer.echo(f"version {version} serves{_whom(answer)}")


def rollback(
    profile: Annotated[str, typer.Argument()],
    reason: Reason = "by hand",
    device: OneDevice = None,
    url: Url = None,
) -> None:
    """Let the version serve that served before."""
    service = Service.of(configuration.load(), url)
    said = _concerning(reason, device)
    answer = service.call("POST", f"/profiles/{profile}/rollback", json=said)
    typer.echo(f"version {answer['version']} serves{_whom(answer)}")


def _concerning(reason: str, device: str | None) -> dict[str, str]:
    return (
        {"reason": reason} if device is None else {"reason": reason, "device": device}
    )


def _whom(answer: dict[str, Any]) -> str:
    return f" {answer['device']}" if answer["device"] else ""


def report(
    version: Annotated[int, typer.Argument(help="Number of the model version.")],
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of", help="As known then (RFC 3339); default: as known now."
        ),
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Tell what a version was worth, with the labels as known at a time."""
    service = Service.of(configuration.load(), url)
    asked = {} if as_of is None else {"as_of": as_of}
    said = service.call("GET", f"/models/{version}/report", params=asked)
    if as_json:
        typer.echo(msgspec.json.encode(said))
        return
    typer.echo(f"version {version} of {said['profile']}, as known {said['as_of']}")
    for name in ("holdout", "gold"):
        scores = said[name]
        if scores is not None:
            typer.echo(f"{name}: {scores['accuracy']:.3f} of {scores['n']} events")
    live, rows = said["served"], said["training"]
    typer.echo(f"live: {live['right']} of {live['n']} labelled answers were right")
    same = "what it learnt" if rows["same"] else f"{rows['n_changed']} labels differ"
    typer.echo(f"training set: {rows['rows']} rows, {rows['holdout']} held out: {same}")


def _follow(service: Service, profile: str, job_id: int) -> None:
    result = finished(service, job_id)["result"]
    if result["verdict"] in ("promote", "refresh"):
        _await_champion(service, profile)
    typer.echo(
        f"version {result['model_version']}: {result['verdict']}: {result['reason']}"
    )
    for one in result.get("devices", ()):
        typer.echo(f"own model of {one['device']}: {one['verdict']}: {one['reason']}")


def _await_champion(service: Service, profile: str) -> None:
    """Wait until the process that answers serves a champion, as it soon will."""
    deadline = time.monotonic() + SERVED_SECONDS
    while time.monotonic() < deadline:
        try:
            service.call("GET", f"/v2/models/{profile}/ready")
        except Refused:
            time.sleep(0.1)
        else:
            return
