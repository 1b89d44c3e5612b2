"""`/profiles`: what kinds of devices there are, and how well they are served."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import AfterValidator, Field

from app.api.access import Caller, who
from app.api.fields import (
    Answer,
    Body,
    Page,
    ProfilePath,
    Text64,
    Time,
    example,
    printable,
)
from app.api.state import State, current
from app.detection.scores import shown
from app.domain import (
    MAX_CHANNELS,
    MAX_RATE_HZ,
    Channel,
    DetectorVersion,
    Profile,
    RetentionPolicy,
    RetrainPolicy,
)
from app.learning import AUTO, ESTIMATORS, kinds
from app.store import audit, models, profiles, status

router = APIRouter(prefix="/profiles", tags=["Profiles"])

Mode = Literal["auto", "full", "incremental", "online"]
Promote = Literal["auto", "never"]
PromoteModel = Literal["auto", "shadow", "never"]


def _known_estimator(name: str) -> str:
    if name != AUTO and name not in ESTIMATORS:
        raise ValueError(f"none of {AUTO}, {', '.join(ESTIMATORS)}")
    return name


class ChannelBody(Body):
    """One measured quantity."""

    name: Text64
    unit: Text64 = "1"


class LeastBody(Body):
    """What a class must reach, or be unknown."""

    probability: Annotated[float, Field(ge=0, le=1)] = 0.0
    seconds: Annotated[float, Field(ge=0, le=86_400)] = 0.0


class RetrainBody(Body):
    """When and how the models of the profile are trained again."""

    every_labels: Annotated[int, Field(ge=1, le=10**6)] | None = 20
    every_seconds: Annotated[float, Field(ge=1, le=10**8)] | None = None
    drift_labels: Annotated[int, Field(ge=1, le=10**6)] | None = Field(
        default=None, description="Train after so many labels if the champion drifted."
    )
    intended_use: Annotated[str, Field(max_length=500), AfterValidator(printable)] = (
        Field(default="", description="What the models are for; on their cards.")
    )
    valid_days: Annotated[float, Field(gt=0, le=36500)] | None = Field(
        default=None, description="How long a model is valid after its newest event."
    )
    mode: Mode = "auto"
    estimator: Annotated[str, AfterValidator(_known_estimator)] = Field(
        default=AUTO, description=f"{AUTO} or one of {', '.join(ESTIMATORS)}."
    )
    promote: PromoteModel = "auto"
    unknown_rate: Annotated[float, Field(gt=0, le=0.5)] = Field(
        default=0.05, description="Share of right answers that may be called unknown."
    )
    budget: Annotated[float, Field(gt=0, le=0.5)] = Field(
        default=0.05,
        description="Of false promotions, over any number of equally good challengers.",
    )
    margin: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.05,
        description="By how much accuracy a fresher challenger may not be worse.",
    )
    key_share: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.3,
        description="Most that one key's labels may weigh of a class that at least "
        "1 / key_share keys label.",
    )
    personal: bool = Field(
        default=True,
        description="Whether devices may get models of their own, where they are "
        "better by the device's own labels.",
    )
    context: Literal["none", "session", "session+device"] = Field(
        default="none",
        description="What is kept beside the windows of events, for models to read: "
        "what happened before in the `session`, and what is known of the `device` "
        "from its past. Of streams that are opened from now on.",
    )
    least: Annotated[dict[Text64, LeastBody], Field(max_length=1000)] = Field(
        default={},
        description="By class, what it must reach; of versions trained or "
        "imported from now on.",
    )


Days = Annotated[float, Field(gt=0, le=36_500)]


class RetentionBody(Body):
    """How long what is stored is kept, from when it was stored; null: for ever."""

    recordings_days: Days | None = Field(
        default=None,
        description="Raw readings; where they are recorded, no longer than events.",
    )
    events_days: Days | None = Field(default=None, description="Without a label.")
    labelled_days: Days | None = Field(default=None, description="With one.")
    labels: Annotated[dict[Text64, Days | None], Field(max_length=1000)] = Field(
        default={},
        description="By class, instead: the label, or else what was answered first.",
    )
    reservoir: Annotated[int, Field(ge=0, le=10**6)] = Field(
        default=100,
        description="Labelled events of each device and class that stay anyway.",
    )


class ProfileBody(Body):
    """A profile; only channels and rate_hz are required."""

    channels: Annotated[list[ChannelBody], Field(min_length=1, max_length=MAX_CHANNELS)]
    rate_hz: Annotated[float, Field(gt=0, le=MAX_RATE_HZ)]
    detector: dict[str, Any] | None = Field(
        default=None,
        description="Settings; left out, the present ones stay, or the default.",
    )
    classes: Annotated[list[Text64], Field(max_length=1000)] = Field(default=[])
    max_hold_seconds: Annotated[float, Field(ge=0, le=3600)] = 1.0
    max_gap_seconds: Annotated[float, Field(gt=0, le=10**6)] | None = None
    record: bool = False
    retrain: RetrainBody = RetrainBody()
    retention: RetentionBody = RetentionBody()

    model_config = example(
        {
            "channels": [{"name": "emg1", "unit": "mV"}, {"name": "emg2"}],
            "rate_hz": 50,
            "classes": ["fist", "rest"],
        }
    )

    def profile(self, name: str) -> Profile:
        """Return the domain's value."""
        return Profile(
            name=name,
            channels=tuple(Channel(c.name, c.unit) for c in self.channels),
            rate_hz=self.rate_hz,
            classes=tuple(dict.fromkeys(self.classes)),
            max_hold_seconds=self.max_hold_seconds,
            max_gap_seconds=self.max_gap_seconds,
            record=self.record,
            retrain=RetrainPolicy.from_json(self.retrain.model_dump()),
            retention=RetentionPolicy(**self.retention.model_dump()),
        )


class ProfileAnswer(Answer):
    """A profile with the detector that serves it."""

    name: str
    channels: list[dict[str, str]]
    rate_hz: float
    classes: list[str]
    max_hold_seconds: float
    max_gap_seconds: float | None
    record: bool
    retrain: dict[str, Any]
    retention: dict[str, Any]
    detector: dict[str, Any]
    detector_version: int

    @classmethod
    def of(cls, profile: Profile, detector: DetectorVersion) -> ProfileAnswer:
        """Make the answer."""
        return cls(
            **asdict(profile) | {"classes": list(profile.classes)},
            detector=shown(detector.settings),
            detector_version=detector.number,
        )


class ChampionAnswer(Answer):
    """The version that serves."""

    version: int
    kind: str
    created_at: Time


class AccuracyAnswer(Answer):
    """Share of correct answers among the last `n` of a version."""

    model_version: int
    n: int
    accuracy: float


class StatusAnswer(Answer):
    """A profile at a glance."""

    devices: int
    devices_connected: int
    events: int
    unlabelled: int
    unclassified: int
    champion: ChampionAnswer | None
    accuracy: list[AccuracyAnswer]
    expected: AccuracyAnswer | None


@router.get("")
async def list_profiles(
    state: Annotated[State, Depends(current)],
) -> Page[ProfileAnswer]:
    """All profiles."""
    async with state.engine.begin() as conn:
        items = [
            ProfileAnswer.of(p, await profiles.detector(conn, p.name))
            for p in await profiles.list_(conn)
        ]
    return Page(items=items)


@router.get("/{name}")
async def get_profile(
    name: ProfilePath, state: Annotated[State, Depends(current)]
) -> ProfileAnswer:
    """One profile."""
    async with state.engine.begin() as conn:
        found = await profiles.get(conn, name)
        return ProfileAnswer.of(found, await profiles.detector(conn, name))


@router.put("/{name}", responses={201: {"description": "Created"}})
async def put_profile(
    name: ProfilePath,
    body: ProfileBody,
    response: Response,
    state: Annotated[State, Depends(current)],
    caller: Annotated[Caller, Depends(who)],
) -> ProfileAnswer:
    """Declare a profile or change it.

    Changed detector settings become a new detector version.  Channels and rate of a
    profile that has streams cannot change: 409.  So is a `retrain` that the estimator
    cannot do.
    """
    kinds(body.profile(name))
    async with state.engine.begin() as conn:
        put = await profiles.put(conn, body.profile(name), body.detector, caller.name)
        answer = ProfileAnswer.of(put.profile, put.detector)
        said = answer.model_dump(mode="json")
        await audit.record(conn, caller.name, "put", f"profile:{name}", after=said)
    response.status_code = 201 if put.created else 200
    return answer


@router.get("/{name}/status")
async def profile_status(
    name: ProfilePath, state: Annotated[State, Depends(current)]
) -> StatusAnswer:
    """How the profile does at a glance.

    `accuracy` counts, for each model version, its last 100 answers that people
    labelled afterwards; oldest version first. `expected` needs no labels: the mean
    probability of the champion's last 100 answers that nobody has labelled, which is
    how many of them are right as far as its probabilities are calibrated.
    """
    async with state.engine.begin() as conn:
        await profiles.get(conn, name)
        champion = await models.champion(conn, name)
        version = None if champion is None else champion.version
        seen = await status.of_profile(conn, name, datetime.now(UTC), version)
    shown = None if champion is None else ChampionAnswer.model_validate(champion)
    return StatusAnswer(**asdict(seen), champion=shown)
