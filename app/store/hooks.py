"""The tables of who is told what: imported by `tables`, for `webhooks`, `alerts`."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.store.columns import NOW, Time, big_number, metadata, number, since

webhooks = Table(
    "webhooks",
    metadata,
    number("id"),
    Column("url", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("types", ARRAY(Text), nullable=False),
    Column("profile", Text, ForeignKey("profiles.name")),
    Column("position", BigInteger, nullable=False),
    Column("promotion", BigInteger, nullable=False),
    Column("failing_since", Time),
    Column("disabled", Text),
    since("created_at"),
    CheckConstraint("length(url) BETWEEN 1 AND 2000", name="url"),
    CheckConstraint("octet_length(secret) BETWEEN 24 AND 64", name="secret"),
)

deliveries = Table(
    "deliveries",
    metadata,
    big_number("id"),
    Column(
        "webhook",
        Integer,
        ForeignKey("webhooks.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("message", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'waiting'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_at", Time, nullable=False, server_default=NOW),
    Column("status", Integer),
    Column("error", Text),
    since("created_at"),
    Column("ended_at", Time),
    UniqueConstraint("webhook", "message"),
    Index("ix_deliveries_due", "next_at", postgresql_where=text("state = 'waiting'")),
    Index("ix_deliveries_webhook_id", "webhook", "id"),
    Index("ix_deliveries_ended_at", "ended_at"),
    CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name="state"),
)

alert_rules = Table(
    "alert_rules",
    metadata,
    number("id"),
    Column("name", Text, nullable=False),
    Column("on", Text, nullable=False),
    Column("profile", Text, ForeignKey("profiles.name")),
    Column("device", Text, ForeignKey("devices.id", ondelete="CASCADE")),
    Column("label", Text),
    Column("min_probability", Double),
    Column("unknown", Boolean),
    Column("silence_seconds", Double),
    Column("cooldown_seconds", Double, nullable=False),
    Column("group_by", Text, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("position", BigInteger, nullable=False),
    Column("looked_at", Time),
    since("created_at"),
    Index("ix_alert_rules_device", "device"),
    CheckConstraint(
        "\"on\" IN ('event', 'prediction', 'silence', 'drift', 'training', 'rollback')",
        name="on",
    ),
    CheckConstraint(
        "(\"on\" = 'silence') = (silence_seconds IS NOT NULL)", name="silence"
    ),
    CheckConstraint("group_by IN ('device', 'rule')", name="group_by"),
    CheckConstraint("cooldown_seconds > 0", name="cooldown_seconds"),
)

label_rules = Table(
    "label_rules",
    metadata,
    Column("profile", Text, ForeignKey("profiles.name"), primary_key=True),
    Column("label", Text, primary_key=True),
    Column("severity", Text, nullable=False),
    Column("merge_seconds", Double, nullable=False),
    Column("suppress", Boolean, nullable=False),
    CheckConstraint("severity IN ('info', 'warning', 'critical')", name="severity"),
    CheckConstraint("merge_seconds >= 0", name="merge_seconds"),
)

alerts = Table(
    "alerts",
    metadata,
    big_number("id"),
    Column(
        "rule",
        Integer,
        ForeignKey("alert_rules.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("subject", Text, nullable=False),
    Column("device", Text, ForeignKey("devices.id", ondelete="CASCADE")),
    Column("profile", Text, nullable=False),
    Column("event", Uuid),
    Column("label", Text),
    Column("probability", Double),
    Column("count", Integer, nullable=False, server_default=text("1")),
    since("opened_at"),
    since("last_at"),
    Column("ended_at", Time),
    Column("acknowledged_at", Time),
    Column("acknowledged_by", Text),
    Column("note", Text),
    Column("sentence", Text),
    Index("ix_alerts_rule_id", "rule", "id"),
    Index("ix_alerts_device_id", "device", "id"),
    Index("ix_alerts_open", "id", postgresql_where=text("acknowledged_at IS NULL")),
    CheckConstraint("count >= 1", name="count"),
    CheckConstraint(
        "(acknowledged_at IS NULL) = (acknowledged_by IS NULL)", name="acknowledged"
    ),
)

alert_firings = Table(
    "alert_firings",
    metadata,
    Column(
        "rule",
        Integer,
        ForeignKey("alert_rules.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("key", Text, primary_key=True),
    since("at"),
    Index("ix_alert_firings_at", "at"),
)

drift_looks = Table(
    "drift_looks",
    metadata,
    big_number("id"),
    Column("profile", Text, ForeignKey("profiles.name"), nullable=False),
    Column(
        "model_version",
        Integer,
        ForeignKey("model_versions.version"),
        nullable=False,
    ),
    Column("number", Integer, nullable=False),
    since(),
    Column("position", BigInteger, nullable=False),
    Column("events", Integer, nullable=False),
    Column("budget", Double, nullable=False),
    Column("alarm", Boolean, nullable=False),
    Column("signals", JSONB, nullable=False),
    UniqueConstraint("model_version", "number"),
    CheckConstraint("number >= 0", name="number"),
)
