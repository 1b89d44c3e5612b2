"""The tables of who is told what: imported by `tables`, used by `webhooks`."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

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
