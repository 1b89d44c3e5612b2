"""`onset detectors`, `near-misses`: where events begin and end, by hand."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from app.cli import configuration
from app.cli.jobs import finished
from app.cli.options import AsJson, Reason, Url
from app.cli.rest import Refused, Service
from app.cli.tables import show, show_answer

detectors = typer.Typer(
    no_args_is_help=True, help="Versions of a profile's detector: where events begin."
)

ProfileName = Annotated[str, typer.Argument(metavar="PROFILE")]
Device = Annotated[
    str | None, typer.Option(help="Of this device only, instead of the profile.")
]
Promote = Annotated[str, typer.Option(help="auto: it serves if it is better; never.")]
Wait = Annotated[
    bool, typer.Option("--wait", help="Stay until it is done, tell the verdict.")
]
JobAsJson = Annotated[
    bool, typer.Option("--json", help="The job as JSON; with --wait, its result.")
]
Number = Annotated[int, typer.Argument(min=1, help="Number of the detector version.")]


@detectors.command("list")
def list_(
    profile: ProfileName,
    device: Device = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List the versions, newest first, with what each is worth."""
    service = Service.of(configuration.load(), url)
    found = service.items(f"/profiles/{profile}/detectors", {"device": device})
    if as_json:
        for version in found:
            typer.echo(msgspec.json.encode(version))
        return
    table = Table("version", "state", "kind", "from", "event F1", "verdict", "why")
    for version in found:
        table.add_row(*_cells(version))
    show(table)


@detectors.command()
def history(
    profile: ProfileName,
    device: Device = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Say which version served when, newest first, and why."""
    service = Service.of(configuration.load(), url)
    path = f"/profiles/{profile}/detectors/history"
    found = service.items(path, {"device": device})
    if as_json:
        for entry in found:
            typer.echo(msgspec.json.encode(entry))
        return
    table = Table("version", "since", "until", "act", "by", "reason")
    for entry in found:
        until = entry["until"][:19] if entry["until"] else "now"
        words = (entry["act"], entry["by"], entry["reason"])
        number = "the profile's" if entry["number"] is None else str(entry["number"])
        table.add_row(number, entry["at"][:19], until, *words)
    show(table)


@detectors.command("set")
def set_(
    profile: ProfileName,
    settings: Annotated[
        str, typer.Argument(help='As JSON: {"kind": "energy", "on": 8}.')
    ],
    device: Device = None,
    promote: Promote = "auto",
    reason: Reason = "asked for by hand",
    wait: Wait = False,
    as_json: JobAsJson = False,
    url: Url = None,
) -> None:
    """Make settings a version, judged on recordings beside the present one."""
    wanted = {"detector": settings_of(settings)}
    service = Service.of(configuration.load(), url)
    asked = _asked(promote, reason, device)
    path = f"/profiles/{profile}/detectors"
    job = service.call("POST", path, json=wanted | asked)
    _told(service, job, wait=wait, as_json=as_json)


@detectors.command("show")
def show_(
    profile: ProfileName, number: Number, as_json: AsJson = False, url: Url = None
) -> None:
    """Say everything of a detector version: settings, report, verdict."""
    service = Service.of(configuration.load(), url)
    path = f"/profiles/{profile}/detectors/{number}"
    show_answer(service.call("GET", path), as_json=as_json)


@detectors.command()
def fit(
    profile: ProfileName,
    device: Device = None,
    promote: Promote = "auto",
    reason: Reason = "asked for by hand",
    wait: Wait = False,
    as_json: JobAsJson = False,
    url: Url = None,
) -> None:
    """Learn a detector from labelled boundaries in recordings."""
    service = Service.of(configuration.load(), url)
    asked = _asked(promote, reason, device)
    job = service.call("POST", f"/profiles/{profile}/detectors/fit", json=asked)
    _told(service, job, wait=wait, as_json=as_json)


@detectors.command()
def promote(
    profile: ProfileName,
    number: Number,
    device: Device = None,
    reason: Reason = "by hand",
    url: Url = None,
) -> None:
    """Let a version serve; open streams take it over between two events."""
    service = Service.of(configuration.load(), url)
    path = f"/profiles/{profile}/detectors/{number}/promote"
    _serve(service, path, device, reason)


@detectors.command()
def rollback(
    profile: ProfileName,
    device: Device = None,
    reason: Reason = "by hand",
    url: Url = None,
) -> None:
    """Let the version serve that served before; of a device the profile's at last."""
    service = Service.of(configuration.load(), url)
    _serve(service, f"/profiles/{profile}/detectors/rollback", device, reason)


@detectors.command()
def explore(
    profile: ProfileName,
    device: Device = None,
    setting: Annotated[
        str | None, typer.Option(help="What to vary; default: what says most.")
    ] = None,
    values: Annotated[
        str | None,
        typer.Option(help="Values with commas; default: some around the present one."),
    ] = None,
    settings: Annotated[
        str | None,
        typer.Option(help="Detector settings as JSON to begin from; default: as now."),
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Show precision, recall and false alarms per hour over a threshold."""
    asked: dict[str, Any] = {} if device is None else {"device": device}
    if setting is not None:
        asked["setting"] = setting
    if values is not None:
        asked["values"] = _numbers(values)
    if settings is not None:
        asked["detector"] = settings_of(settings)
    service = Service.of(configuration.load(), url)
    job = service.call("POST", f"/profiles/{profile}/detectors/explore", json=asked)
    result = finished(service, job["id"], quiet=as_json)["result"]
    if as_json:
        typer.echo(msgspec.json.encode(result))
        return
    _show_curve(result)


def near_misses(
    device: Annotated[str, typer.Argument(metavar="DEVICE")],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line.")
    ] = False,
    url: Url = None,
) -> None:
    """List what nearly was an event of a device, newest first."""
    service = Service.of(configuration.load(), url)
    found = service.items("/near-misses", {"device": device})
    if as_json:
        for near in found:
            typer.echo(msgspec.json.encode(near))
        return
    table = Table("boot", "onset seq", "offset seq", "readings", "score", "detector")
    for near in found:
        onset, offset = near["onset_seq"], near["offset_seq"]
        counted = (str(n) for n in (onset, offset, offset - onset))
        score, version = f"{near['score']:.2f}", str(near["detector_version"])
        table.add_row(near["boot"], *counted, score, version)
    show(table)


def settings_of(text: str) -> dict[str, Any]:
    """Read detector settings.

    Raises
    ------
    Refused
        If they are no JSON object.
    """
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Refused(f"--settings is not a JSON object: {error}") from error


def _asked(promote: str, reason: str, device: str | None) -> dict[str, Any]:
    asked = {"promote": promote, "reason": reason}
    return asked if device is None else asked | {"device": device}


def _serve(service: Service, path: str, device: str | None, reason: str) -> None:
    asked = {"reason": reason} | ({} if device is None else {"device": device})
    answer = service.call("POST", path, json=asked)
    whom = answer["device"] or answer["profile"]
    typer.echo(f"detector version {answer['number']} serves {whom}")


def _numbers(text: str) -> list[float]:
    try:
        return [float(one) for one in text.split(",")]
    except ValueError:
        raise Refused(f"--values {text!r} must be numbers with commas") from None


def _told(service: Service, job: dict[str, Any], *, wait: bool, as_json: bool) -> None:
    """Tell of a job that judges a version, and wait for it if asked to."""
    if not wait:
        said = msgspec.json.encode(job).decode()
        typer.echo(said if as_json else f"job {job['id']}: {job['state']}")
        return
    result = finished(service, job["id"], quiet=as_json)["result"]
    if as_json:
        typer.echo(msgspec.json.encode(result))
        return
    number = result["detector_version"]
    subject = "no version" if number is None else f"detector version {number}"
    serves = " (it serves)" if result.get("promoted") else ""
    typer.echo(f"{subject}: {result['verdict']}{serves}: {result['reason']}")


def _cells(version: dict[str, Any]) -> tuple[str, ...]:
    compared = (version["report"] or {}).get("comparison")
    score = "-"
    if compared:
        score = f"{compared['former']:.3f} -> {compared['latter']:.3f}"
    state = version["state"]
    if version["n_devices"]:
        more = "" if version["n_devices"] == 1 else f" +{version['n_devices'] - 1}"
        state = f"{state} {version['devices'][0]}{more}"
    return (
        str(version["number"]),
        state,
        str(version["settings"].get("kind", "energy")),
        version["source"],
        score,
        version["verdict"] or "-",
        version["reason"] or "-",
    )


def _show_curve(result: dict[str, Any]) -> None:
    typer.echo(
        f"{result['events']} labelled events in {result['streams']} recorded streams, "
        f"{result['hours']:g} hours"
    )
    name, present = result["setting"], result["present"]
    table = Table(name, "found", "precision", "recall", "F1", "false alarms/h")
    for point in result["curve"]:
        mark = " (now)" if point["value"] == present else ""
        shares = (_share(point[key]) for key in ("precision", "recall", "f1"))
        alarms = point["false_alarms_per_hour"]
        said = "-" if alarms is None else f"{alarms:g}"
        table.add_row(f"{point['value']:g}{mark}", str(point["found"]), *shares, said)
    show(table)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
