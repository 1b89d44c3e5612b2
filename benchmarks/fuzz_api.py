"""Everything that `/openapi.json` says, tried by schemathesis with a key of each role.

    python -m benchmarks.fuzz_api [--examples 20] [--roles viewer,admin] [--workers 2]

Starts a service and a trainer of its own over an embedded PostgreSQL, with a profile,
a device, labelled events and a model, and lets schemathesis send what the document
allows and what it does not.  Passes when no answer is a server error and none has a
status, type, header or shape that the document does not say, over at least 3,000 cases.

schemathesis comes into a virtual environment of its own, made in a temporary folder;
`--schemathesis PROGRAM` names one that is there already.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.place import KEY, Place, place

WANTED = 3000
VERSION = "schemathesis>=4.32,<5"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
)
ENDLESS = ("/live", "/signals", "/devices/{device_id}/signal")
"""Their answers never end; `tests/api/test_live.py` reads them."""
ROLES = ("none", "device", "viewer", "labeler", "operator", "admin")


def program(folder: Path) -> Path | None:
    """Install schemathesis into a folder; None where that cannot be."""
    venv.create(folder, with_pip=True)
    words = [folder / "bin" / "pip", "install", "--quiet", VERSION]
    done = subprocess.run(words, capture_output=True, text=True)
    return folder / "bin" / "schemathesis" if done.returncode == 0 else None


def furnish(where: Place) -> tuple[dict[str, str | None], dict[str, Any]]:
    """Make something to ask about; return keys by role, and what is there by name."""
    keys: dict[str, str | None] = {"none": None}
    access = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=where.url, headers=access, trust_env=False) as client:

        def say(method: str, path: str, **body: Any) -> Any:
            answer = client.request(method, path, **body)
            answer.raise_for_status()
            return answer.json()

        profile = {"channels": [{"name": "x"}, {"name": "y"}], "rate_hz": 50}
        say("PUT", "/profiles/arm", json=profile)
        say("PUT", "/devices/arm-1", json={"profile": "arm"})
        keys["device"] = say("POST", "/devices/arm-1/keys", json={})["key"]
        for role in ROLES[2:]:
            made = say("POST", "/keys", json={"name": role, "role": role})
            keys[role] = made["key"]
        random = np.random.default_rng(1)
        rows = [
            {
                "profile": "arm",
                "device": "arm-1",
                "label": label,
                "window": random.normal(loud, loud, (40, 2)).round(3).tolist(),
            }
            for label, loud in (("rest", 0.1), ("fist", 1.0)) * 20
        ]
        lines = "\n".join(json.dumps(row) for row in rows)
        kind = {"Content-Type": "application/x-ndjson"}
        say("POST", "/events/import", content=lines, headers=kind)
        job = say("POST", "/retrain", json={"profile": "arm"})["id"]
        while say("GET", f"/jobs/{job}")["state"] in ("queued", "running"):
            time.sleep(0.2)
        hook = say("POST", "/webhooks", json={"url": "http://example.invalid/"})
        event = say("GET", "/events?limit=1")["items"][0]["id"]
        version = say("GET", "/models?profile=arm")["items"][0]["version"]
    known = {
        "event_id": event,
        "device_id": "arm-1",
        "name": "arm",
        "job_id": job,
        "version": version,
        "number": 1,
        "webhook_id": hook["id"],
    }
    return keys, known


@dataclass
class Tally:
    """What one role was answered: how often which status, and what was wrong."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: dict[tuple[str, str, str], str] = field(default_factory=dict)

    @property
    def cases(self) -> int:
        """How many requests were answered."""
        return self.statuses.total()


def fuzz(
    schemathesis: Path,
    where: Place,
    key: str | None,
    known: dict[str, Any],
    asked: argparse.Namespace,
    report: Path,
) -> Tally:
    """Run schemathesis with one key."""
    words = [str(schemathesis), "run", f"{where.url}/openapi.json"]
    words += ["--checks", ",".join(CHECKS), "--max-examples", str(asked.examples)]
    words += ["--phases", "examples,coverage,fuzzing", "--seed", str(asked.seed)]
    words += [
        "--workers",
        str(asked.workers),
        "--request-timeout",
        "30",
        "--continue-on-failure",
    ]
    words += ["--suppress-health-check", "all", "--no-shrink"]
    words += ["--report", "ndjson", "--report-ndjson-path", str(report)]
    for path in ENDLESS:
        words += ["--exclude-path", path]
    if key is not None:
        words += ["--header", f"Authorization: Bearer {key}"]
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": str(Path(__file__).with_name("fuzz_hooks.py")),
        "ONSET_FUZZ_KNOWN": json.dumps(known),
        "NO_PROXY": "127.0.0.1",
    }
    log = report.with_suffix(".log")
    with log.open("wb") as output:
        subprocess.run(
            words, env=environment, stdout=output, stderr=output, cwd=report.parent
        )
    if not report.exists():
        raise SystemExit(log.read_text())
    return tally(report)


def tally(report: Path) -> Tally:
    """Read what schemathesis reports: one JSON object a line."""
    found = Tally()
    with report.open() as lines:
        for line in lines:
            said = json.loads(line)
            if "NonFatalError" in said:
                error = said["NonFatalError"]
                place = (str(error["label"]), "error", "")
                found.wrong[place] = error["value"]["message"]
            if "ScenarioFinished" in said:
                _count(said["ScenarioFinished"]["recorder"], found)
    return found


def _count(scenario: dict[str, Any], found: Tally) -> None:
    answered: dict[str, int] = {}
    for case, exchange in scenario.get("interactions", {}).items():
        if exchange.get("response"):
            answered[case] = exchange["response"]["status_code"]
    found.statuses.update(answered.values())
    for case, checks in scenario.get("checks", {}).items():
        sent = scenario["cases"][case]["value"]
        for check in checks:
            if check["status"] != "success":
                status = str(answered.get(case, "no answer"))
                place = (f"{sent['method']} {sent['path']}", check["name"], status)
                found.wrong.setdefault(place, json.dumps(check)[:400])


def main() -> int:
    """Print the table; return 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=20, help="a route, fuzzing")
    parser.add_argument("--roles", default=",".join(ROLES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="2 find races, too")
    parser.add_argument("--schemathesis", type=Path, help="a program that is there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, place("trainer") as where:
        schemathesis = asked.schemathesis or program(Path(folder) / "venv")
        if schemathesis is None:
            print(f"{VERSION} cannot be installed here: nothing was tried")
            return 2
        keys, known = furnish(where)
        total, wrong = 0, 0
        for role in asked.roles.split(","):
            report = Path(folder) / f"{role}.ndjson"
            found = fuzz(schemathesis, where, keys[role], known, asked, report)
            total, wrong = total + found.cases, wrong + len(found.wrong)
            said = "  ".join(f"{s}: {n}" for s, n in sorted(found.statuses.items()))
            print(f"{role:9}{found.cases:6} answers  {said}", flush=True)
            for (route, check, status), why in sorted(found.wrong.items()):
                print(f"  WRONG {route} {check} {status}\n    {why}", flush=True)
            report.unlink()
        print(f"{total} answers, {wrong} wrong; at least {WANTED} wanted")
    return int(wrong > 0 or total < WANTED)


if __name__ == "__main__":
    sys.exit(main())
