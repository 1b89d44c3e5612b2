"""Every knob of the service, with its unit in its name and its default argued.

Set by environment variables `ONSET_<NAME>`; `DATABASE_URL` keeps its customary name.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.domain import PredictionLog


class Settings(BaseSettings):
    """What an operator may change."""

    model_config = SettingsConfigDict(
        env_prefix="ONSET_", extra="ignore", frozen=True, populate_by_name=True
    )

    data_dir: Path = Field(
        default=Path(".onset"),
        description="Embedded database, keys and logs; ignored by git.",
    )
    models_dir: Path = Field(
        default=Path("models"),
        description="Model artefacts, named by digest; databases may share it.",
    )
    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on; loopback until somebody decides otherwise.",
    )
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=8000, description="Port to listen on."
    )
    database_url: SecretStr | None = Field(
        default=None,
        validation_alias="DATABASE_URL",
        description="A PostgreSQL server; without it Onset runs its own.",
    )
    database_wait_seconds: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=30.0,
        description="How long a starting service or trainer waits for a `DATABASE_URL` "
        "that does not answer yet; one that refuses the role is not waited for.",
    )
    admin_key: SecretStr | None = Field(
        default=None,
        description="Becomes the admin key at first start; else one is made.",
    )
    oidc_issuer: str | None = Field(
        default=None,
        description="Address of an OpenID Connect issuer: its tokens are taken beside "
        "keys, from people and services, not from devices.",
    )
    oidc_audience: str | None = Field(
        default=None,
        description="Whom its tokens must be for (`aud`); needed with an issuer.",
    )
    oidc_role_claim: str = Field(
        default="onset_role",
        description="Claim with a role or a list of groups; dots lead into objects, "
        "as in `realm_access.roles`.",
    )
    oidc_roles: str = Field(
        default="viewer=viewer,labeler=labeler,operator=operator,admin=admin",
        description="Which values of that claim mean which role; the highest counts.",
    )
    pool_size: Annotated[int, Field(ge=2, le=64)] = Field(
        default=8,
        description="Database connections of one serving process; PostgreSQL's "
        "default of 100 serves ten replicas.",
    )
    commit_interval_ms: Annotated[float, Field(ge=1, le=1000)] = Field(
        default=50.0,
        description="How often the group commit looks for work (milliseconds); "
        "bounds the time from an event's end to its durability.",
    )
    ack_interval_ms: Annotated[float, Field(ge=10, le=60_000)] = Field(
        default=500.0,
        description="Longest time a received reading waits for its acknowledgement "
        "on a healthy database (milliseconds); a stream is checkpointed at most that "
        "often, at once after a rest.",
    )
    deadline_ms: Annotated[float, Field(ge=10, le=60_000)] = Field(
        default=500.0,
        description="How late the event loop may be (milliseconds); a process that "
        "misses it again and again gives up explanations, provisional answers "
        "and new connections, in this order, until it is calm.",
    )
    eager_streams: Annotated[int, Field(ge=0, le=4096)] = Field(
        default=16,
        description="Streams checkpointed at every commit even before their "
        "interval is over: a small fleet gets quick acks, a large one cheap ones.",
    )
    window_readings: Annotated[int, Field(ge=64, le=1_000_000)] = Field(
        default=4096,
        description="Most unacknowledged readings of one stream; beyond it the "
        "socket is not read. 4096 readings are 80 s at 50 readings/s.",
    )
    max_readings: Annotated[int, Field(ge=1, le=65_536)] = Field(
        default=1024, description="Most readings in one message."
    )
    max_message_bytes: Annotated[int, Field(ge=1024, le=16 * 2**20)] = Field(
        default=2**20,
        description="Largest frame a device may send: 1024 readings of 32 channels "
        "as JSON fit.",
    )
    hello_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = Field(
        default=10.0, description="Time a device has for its first message."
    )
    receipt_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = Field(
        default=10.0,
        description="Time for a request, or a message of a device, to be whole once it "
        "has begun; a second more for each 16 KiB that came.",
    )
    unfinished_per_address: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=2048,
        description="Connections of one address that have not sent a whole request; "
        "further ones are dropped. Behind a proxy all have one address.",
    )
    connections_per_key: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=32,
        description="Open device sockets of one key; further ones are answered 429. "
        "A device needs one, and a second while it comes back.",
    )
    messages_per_second: Annotated[int, Field(ge=10, le=10_000_000)] = Field(
        default=20_000,
        description="Messages that one device socket may send in a second, and 100 "
        "pings; beyond it it is closed 4429. What it may have unacknowledged slows an "
        "honest device down long before.",
    )
    requests_per_second: Annotated[float, Field(ge=1, le=1_000_000)] = Field(
        default=500.0,
        description="REST requests that one key may make for long at one process, and "
        "twice as many at once; beyond it 429. One process answers about as many.",
    )
    idle_timeout_seconds: Annotated[float, Field(gt=0, le=86_400)] = Field(
        default=90.0,
        description="Silence after which a device's socket is closed 4407, or ten "
        "readings' time of its profile where that is longer.",
    )
    provisional_interval_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=1.0,
        description="While an event is open, a provisional prediction this often "
        "(seconds of readings).",
    )
    prediction_log: PredictionLog = Field(
        default=PredictionLog.ALL,
        description="How much of each prediction is stored: `all`; `metadata` without "
        "the probabilities of every class; `sample` all of one event in ten.",
    )
    poll_interval_seconds: Annotated[float, Field(gt=0, le=300)] = Field(
        default=5.0,
        description="How often a process looks for a new champion even if it heard "
        "of none; bounds a lost notification.",
    )
    retrain_cooldown_seconds: Annotated[float, Field(ge=0, le=86_400)] = Field(
        default=5.0,
        description="Least time between two automatic retrains of one profile.",
    )
    webhooks_allow_internal: bool = Field(
        default=False,
        description="Whether webhooks may point into private networks: only where "
        "everybody who may make them may also reach those.",
    )
    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = Field(
        default="info", description="Least severity that is logged."
    )
