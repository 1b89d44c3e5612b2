"""What the tables are made of: the metadata, and the columns that recur."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Integer,
    MetaData,
    Uuid,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Time = DateTime(timezone=True)
NOW = text("clock_timestamp()")
"""Not `now()`: that is when the transaction began, before it waited for locks."""


def number(name: str) -> Column[int]:
    """Make the key of what people call by its number: models, detectors."""
    return Column(name, Integer, Identity(always=True), primary_key=True)


def big_number(name: str) -> Column[int]:
    """Make the key of a ledger's rows."""
    return Column(name, BigInteger, Identity(always=True), primary_key=True)


def event_and_version() -> tuple[Column[Any], Column[int]]:
    """Make the key of what a version says of an event; it goes with the event."""
    whole = ForeignKey("events.id", ondelete="CASCADE")
    version = ForeignKey("model_versions.version")
    return (
        Column("event", Uuid, whole, primary_key=True),
        Column("model_version", Integer, version, primary_key=True),
    )


def since(name: str = "at") -> Column[Any]:
    """Make the column that says when a row came."""
    return Column(name, Time, nullable=False, server_default=NOW)
