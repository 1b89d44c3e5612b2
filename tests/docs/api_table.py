"""Writes `docs/api.md` from the routes: `python -m tests.docs.api_table`."""

from collections import defaultdict
from pathlib import Path
from typing import Any

from app.api import application
from app.api.access import RULES, Rule
from app.api.problems import STATUS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"

HEAD = """\
# The REST interface

`python -m tests.docs.api_table` writes this page from the code. `GET /openapi.json` has
every field with examples, `GET /asyncapi.json` the [device socket](protocol.md).

- Send a key, or [a token of your directory](operations.md#people-of-a-directory), as
  `Authorization: Bearer <key>`. Roles: device < viewer < labeler <
  operator < admin. A higher role may do what a lower one may, except that devices may
  only do what the table says. What it does not name is denied.
- Bodies and answers are JSON; times are RFC 3339, UTC, with microseconds. An unknown
  field or query parameter is refused, 422.
- Lists are `{"items": [...], "next_cursor": "..." or null}` and take `limit` and
  `cursor`. `GET /events` has `last_cursor`, too: where the page ends, also when nothing
  follows yet; ask with it again for what is new.
- Limits are told where they are met: 422 and 413 say the bound, and every answer to a
  key has `RateLimit-Policy` and `RateLimit` (how many requests are left, in how many
  seconds all are there again). Beyond it: 429 with `Retry-After`
  (`ONSET_REQUESTS_PER_SECOND`).
- Long work answers 202 with `Location: /jobs/{id}`.
- `POST /classify` of a stored window answers what the device was told, bit for bit, if
  it also gets the `pre_roll`, `post_roll` and `model_version` of the event, and under
  `contexts` what was [known beside it](labels-and-models.md#what-happened-before).
- `/v2` is the [Open Inference Protocol](https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol)
  for tools that speak it: a profile is a model, see [below](#open-inference-protocol).
- Every POST takes an `Idempotency-Key`, see [below](#sending-again).

```sh run server
curl -sf "$ONSET_URL/events?limit=2" -H "Authorization: Bearer $ONSET_KEY"
curl -sf "$ONSET_URL/health/ready"
curl -s "$ONSET_URL/events?bogus=1" -H "Authorization: Bearer $ONSET_KEY"
```
"""

ERRORS = """\

## Open Inference Protocol

A profile is a model of the protocol, a model version one of its versions. The answer is
that of `POST /classify`, bit for bit.

| tensor | shape | type |
| --- | --- | --- |
| in: `window` | `[n_windows, n_readings, n_channels]` | FP32, FP64 |
| out: `label`, `probability`, `unknown` | `[n_windows]` | BYTES, FP64, BOOL |
| out: `probabilities` | `[n_windows, n_classes]`, in the order of `classes` | FP64 |
| out: `classes` | `[n_classes]` | BYTES |

Data are row-major, flat or nested. Windows of one request have one length; one alone
may have the shape `[n_readings, n_channels]`. `parameters` may have `pre_roll` and
`post_roll`, the readings before and after the event. `outputs` chooses tensors; without
it all come. Errors, also those of keys and limits, are `{"error": "..."}` with 400 (bad
request), 401, 403, 404 (no such model), 413 or 429.

```python shown
import httpx

tensor = {"name": "window", "shape": [1, 2, 2], "datatype": "FP32"}
tensor["data"] = [0.1, 0.2, 0.3, 0.1]
access = {"Authorization": "Bearer ons_..."}
url = "http://127.0.0.1:8000/v2/models/arm-band/infer"
print(httpx.post(url, headers=access, json={"inputs": [tensor]}).json()["outputs"])
```

## Sending again

Who did not hear the answer to a POST may send it again. With the same
`Idempotency-Key` (1 to 255 printable ASCII characters of your choice, new for each
intention) it is not done twice: for 24 hours the first answer comes again, with
`Idempotency-Replayed: true`. A key counts for one API key and one path.

| the same key again | answer |
| --- | --- |
| with the same query, `Content-Type` and body | the first answer |
| with another one | 422 |
| while the first one is still running | 409 |
| after a minute without an answer: its process died | done again |
| after an answer of 5xx or above 1 MiB | done again |
| where the answer was a secret | 409, secrets are not stored |

Secrets are the answers of `POST /keys`, `/devices/{device_id}/keys`, `/tickets` and
`/webhooks`.

```sh run server
send() { curl -s -i -X POST "$ONSET_URL/keys" -H "Authorization: Bearer $ONSET_KEY" \\
  -H "Content-Type: application/json" -H "Idempotency-Key: ada-1" -d "$1"; }
send '{"name": "ada", "role": "captain"}'
send '{"name": "ada", "role": "captain"}' | grep -i "^idempotency-replayed: true"
send '{"name": "ada", "role": "viewer"}' | grep "another request"
```

Labels, imports and retraining are idempotent without a key, too.

## Errors

Every error is `application/problem+json` (RFC 9457): `type`, `title`, `status`, mostly
`detail`, and for 422 `errors` with the location, the broken rule and its bounds
(`limits`). What was sent is never repeated. 400 (no request), 405 (method), 408 (too
slow), 413 (body too large) and 431 (head too large) look the same and say the limit.

| status | title |
| --- | --- |
"""

ELSEWHERE = {
    ("GET", "/"): "The page.",
    ("GET", "/static/{path:path}"): "The page's files.",
    ("GET", "/openapi.json"): "This interface for machines.",
    ("GET", "/asyncapi.json"): "The device socket for machines.",
    ("WS", "/devices/{device_id}/stream"): "The [device socket](protocol.md).",
}
"""Routes that OpenAPI does not describe."""


def who(rule: Rule) -> str:
    """Say in a word or two whom a rule lets in."""
    if rule.least is None:
        return "device" if rule.devices else "everybody"
    return f"{rule.least}, device" if rule.devices else str(rule.least)


def summary(operation: dict[str, Any]) -> str:
    """Take the first sentence of what a route says of itself."""
    first: str = operation["description"].split("\n\n")[0].replace("\n", " ")
    return first


def page() -> str:
    """Return what `docs/api.md` should say."""
    paths = application.create().openapi()["paths"]
    groups: dict[str, list[str]] = defaultdict(list)
    for (method, path), rule in RULES.items():
        operation = paths.get(path, {}).get(method.lower())
        group = operation["tags"][0] if operation else "Other"
        said = summary(operation) if operation else ELSEWHERE[method, path]
        groups[group].append(f"| `{method} {path}` | {who(rule)} | {said} |\n")
    parts = [HEAD]
    for group in sorted(groups, key=lambda name: (name == "Other", name)):
        parts.append(f"\n## {group}\n\n| route | who | what |\n| --- | --- | --- |\n")
        parts.extend(groups[group])
    rows = sorted({(status, title) for _, status, title in STATUS})
    errors = [f"| {status} | {title} |\n" for status, title in rows]
    return "".join([*parts, ERRORS, *errors])


if __name__ == "__main__":
    PAGE.write_text(page())
