"""The tables, as SQLAlchemy sees them; `migrations/` makes them.

What only PostgreSQL can say is in the migration alone: the trigger that numbers events
in commit order, and those that refuse changes of append-only tables (labels,
promotions, audit) and immutable ones (detector and model versions).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.store.columns import Time, big_number, metadata, number, since
from app.store.hooks import (
    alert_firings,
    alert_rules,
    alerts,
    deliveries,
    label_rules,
    webhooks,
)
from app.store.ledgers import (
    audit,
    event_revisions,
    explanations,
    gold,
    idempotency_keys,
    jobs,
    labels,
    model_versions,
    predictions,
    promotions,
)

__all__ = [
    "BLOCK",
    "alert_firings",
    "alert_rules",
    "alerts",
    "api_keys",
    "audit",
    "deliveries",
    "detector_promotions",
    "detector_versions",
    "device_pasts",
    "devices",
    "event_blocks",
    "event_revisions",
    "events",
    "explanations",
    "gaps",
    "gold",
    "idempotency_keys",
    "jobs",
    "label_rules",
    "labels",
    "metadata",
    "model_versions",
    "predictions",
    "profiles",
    "promotions",
    "recordings",
    "streams",
    "webhooks",
]

profiles = Table(
    "profiles",
    metadata,
    Column("name", Text, primary_key=True),
    Column("channels", JSONB, nullable=False),
    Column("rate_hz", Double, nullable=False),
    Column("classes", ARRAY(Text), nullable=False),
    Column("max_hold_seconds", Double, nullable=False),
    Column("max_gap_seconds", Double),
    Column("record", Boolean, nullable=False),
    Column("retrain", JSONB, nullable=False),
    Column("retention", JSONB, nullable=False, server_default=text("'{}'")),
    Column(
        "detector_version",
        Integer,
        ForeignKey("detector_versions.number", use_alter=True),
    ),
    Column(
        "champion_version",
        Integer,
        ForeignKey("model_versions.version", use_alter=True),
    ),
    since("created_at"),
    CheckConstraint("rate_hz > 0", name="rate_hz"),
    CheckConstraint("length(name) BETWEEN 1 AND 200", name="name"),
)

detector_versions = Table(
    "detector_versions",
    metadata,
    number("number"),
    Column("profile", Text, ForeignKey("profiles.name"), nullable=False, index=True),
    Column("settings", JSONB, nullable=False),
    since("created_at"),
    Column("source", Text, nullable=False, server_default=text("'set'")),
    Column("parent", Integer, ForeignKey("detector_versions.number")),
    Column("verdict", Text),
    Column("reason", Text),
    Column("report", JSONB),
    Column("device", Text),
    CheckConstraint("source IN ('set', 'learnt')", name="source"),
)

detector_promotions = Table(
    "detector_promotions",
    metadata,
    big_number("id"),
    Column("profile", Text, ForeignKey("profiles.name"), nullable=False),
    Column("number", Integer, ForeignKey("detector_versions.number")),
    Column("previous", Integer, ForeignKey("detector_versions.number")),
    Column("act", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    since(),
    Column("device", Text),
    Index("ix_detector_promotions_profile_id", "profile", "id"),
    CheckConstraint("number IS NOT NULL OR device IS NOT NULL", name="number"),
    CheckConstraint("act IN ('set', 'promote', 'rollback')", name="act"),
)

devices = Table(
    "devices",
    metadata,
    Column("id", Text, primary_key=True),
    Column("profile", Text, ForeignKey("profiles.name"), nullable=False, index=True),
    since("created_at"),
    Column("last_seen", Time),
    Column("connections", BigInteger, nullable=False, server_default=text("0")),
    Column("detector_version", Integer, ForeignKey("detector_versions.number")),
    Index(
        "ix_devices_detector_version",
        "detector_version",
        postgresql_where=text("detector_version IS NOT NULL"),
    ),
    Column("paused_at", Time),
    Column("paused_by", Text),
    Column("paused_why", Text),
    Column(
        "model_version",
        Integer,
        ForeignKey("model_versions.version", use_alter=True),
    ),
    Column("adaptation", JSONB),
    Index(
        "ix_devices_model_version",
        "model_version",
        postgresql_where=text("model_version IS NOT NULL"),
    ),
    CheckConstraint(
        "(paused_at IS NULL) = (paused_by IS NULL)"
        " AND (paused_at IS NULL) = (paused_why IS NULL)",
        name="paused",
    ),
    CheckConstraint("length(id) BETWEEN 1 AND 200", name="id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("sha256", LargeBinary, nullable=False),
    Column("role", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("device", Text, ForeignKey("devices.id", ondelete="CASCADE"), index=True),
    since("created_at"),
    Column("expires_at", Time),
    Column("revoked_at", Time),
    Column("profiles", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("devices", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    CheckConstraint(
        "role IN ('device', 'viewer', 'labeler', 'operator', 'admin')", name="role"
    ),
    CheckConstraint("(role = 'device') = (device IS NOT NULL)", name="device"),
    CheckConstraint("octet_length(sha256) = 32", name="sha256"),
    CheckConstraint(
        "role IN ('viewer', 'labeler', 'operator')"
        " OR profiles = '{}' AND devices = '{}'",
        name="reach",
    ),
)

streams = Table(
    "streams",
    metadata,
    Column(
        "device",
        Text,
        ForeignKey("devices.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("boot", Text, primary_key=True),
    Column("generation", BigInteger, nullable=False),
    Column("watermark", BigInteger, nullable=False),
    Column("state", LargeBinary),
    Column(
        "detector_version",
        Integer,
        ForeignKey("detector_versions.number"),
        nullable=False,
    ),
    Column("held_from", BigInteger),
    Column("session", LargeBinary),
    Column("missing", ARRAY(BigInteger), nullable=False),
    since("created_at"),
    since("last_seen"),
    CheckConstraint("generation >= 1", name="generation"),
    CheckConstraint("watermark >= 0", name="watermark"),
    CheckConstraint("length(boot) BETWEEN 1 AND 200", name="boot"),
)

device_pasts = Table(
    "device_pasts",
    metadata,
    Column(
        "device",
        Text,
        ForeignKey("devices.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("profile", Text, ForeignKey("profiles.name"), primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("past", JSONB(none_as_null=True)),
    since(),
)


def _of_stream() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["device", "boot"], ["streams.device", "streams.boot"], ondelete="CASCADE"
    )


gaps = Table(
    "gaps",
    metadata,
    Column("device", Text, primary_key=True),
    Column("boot", Text, primary_key=True),
    Column("first_seq", BigInteger, primary_key=True),
    Column("next_seq", BigInteger, primary_key=True),
    Column("why", Text, primary_key=True),
    since(),
    _of_stream(),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("device", Text, primary_key=True),
    Column("boot", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("detector_version", Integer, nullable=False),
    Column("values", LargeBinary, nullable=False),
    Column("time", Double, nullable=False),
    Column("why", Text, nullable=False),
    since("at"),
    _of_stream(),
    Index("ix_quarantine_at", "at"),
)

recordings = Table(
    "recordings",
    metadata,
    Column("device", Text, primary_key=True),
    Column("boot", Text, primary_key=True),
    Column("first_seq", BigInteger, primary_key=True),
    Column("next_seq", BigInteger, nullable=False),
    Column("values", LargeBinary, nullable=False),
    Column("times", LargeBinary, nullable=False),
    Column("device_times", Boolean, nullable=False),
    Column("kept", Boolean, nullable=False),
    since(),
    Index("ix_recordings_at", "at", postgresql_using="brin"),
    _of_stream(),
    CheckConstraint("next_seq > first_seq", name="next_seq"),
)

events = Table(
    "events",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("position", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column(
        "device",
        Text,
        ForeignKey("devices.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("boot", Text, nullable=False),
    Column("profile", Text, ForeignKey("profiles.name"), nullable=False),
    Column("detector_version", Integer, ForeignKey("detector_versions.number")),
    Column("onset_seq", BigInteger, nullable=False),
    Column("offset_seq", BigInteger, nullable=False),
    Column("onset", Time, nullable=False),
    Column("offset", Time, nullable=False),
    Column("peak", Double, nullable=False),
    Column("flags", ARRAY(Text), nullable=False),
    Column("window", LargeBinary, nullable=False),
    Column("n_readings", Integer, nullable=False),
    Column("n_channels", Integer, nullable=False),
    Column("pre_roll", Integer, nullable=False),
    Column("post_roll", Integer, nullable=False),
    Column("classified", Boolean, nullable=False, server_default=text("false")),
    since("created_at"),
    Column("labelled", Boolean, nullable=False, server_default=text("false")),
    Column("context", JSONB(none_as_null=True)),
    Index("ix_events_device_position", "device", "position"),
    Index("ix_events_profile_position", "profile", "position"),
    Index("ix_events_onset_position", "onset", "position"),
    Index(
        "ix_events_flagged", "position", postgresql_where=text("flags <> '{}'::text[]")
    ),
    Index(
        "ix_events_unclassified",
        "profile",
        "position",
        postgresql_where=text("NOT classified"),
    ),
    Index("ix_events_unlabelled", "position", postgresql_where=text("NOT labelled")),
    Index(
        "ix_events_profile_unlabelled",
        "profile",
        "position",
        postgresql_where=text("NOT labelled"),
    ),
    CheckConstraint("offset_seq >= onset_seq", name="offset_seq"),
    CheckConstraint("n_readings >= 0 AND n_channels >= 1", name="shape"),
    CheckConstraint("pre_roll >= 0 AND post_roll >= 0", name="rolls"),
)

event_blocks = Table(
    "event_blocks",
    metadata,
    Column("block", BigInteger, primary_key=True, autoincrement=False),
    Column("min_onset", Time, nullable=False),
    Column("max_onset", Time, nullable=False),
)
"""Between which times the onsets of each `BLOCK` positions lie; kept by triggers."""
BLOCK = 1024
