"""The tables of what was said and done: models, labels, jobs, audit, answers."""

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
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.store.columns import (
    Time,
    big_number,
    event_and_version,
    metadata,
    number,
    since,
)

model_versions = Table(
    "model_versions",
    metadata,
    number("version"),
    Column("profile", Text, ForeignKey("profiles.name"), nullable=False),
    Column("parent", Integer, ForeignKey("model_versions.version")),
    Column("kind", Text, nullable=False),
    Column("estimator", Text, nullable=False),
    Column("feature_set", Text, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("code_version", Text, nullable=False),
    Column("artefact_sha256", Text, nullable=False),
    Column("trainer_state_sha256", Text),
    Column("card", JSONB, nullable=False),
    Column("manifest", JSONB, nullable=False),
    Column("report", JSONB, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("trained_through", Time),
    since("created_at"),
    Column("device", Text),
    Index("ix_model_versions_profile_version", "profile", "version"),
    CheckConstraint("kind IN ('full', 'incremental', 'imported')", name="kind"),
    CheckConstraint(
        "verdict IN ('promote', 'refresh', 'hold', 'reject', 'not_enough_evidence')",
        name="verdict",
    ),
    CheckConstraint("artefact_sha256 ~ '^[0-9a-f]{64}$'", name="artefact_sha256"),
    CheckConstraint(
        "trainer_state_sha256 ~ '^[0-9a-f]{64}$'", name="trainer_state_sha256"
    ),
)

predictions = Table(
    "predictions",
    metadata,
    *event_and_version(),
    Column("label", Text, nullable=False),
    Column("probability", Double, nullable=False),
    Column("classes", ARRAY(Text), nullable=False),
    Column("probabilities", ARRAY(Double), nullable=False),
    Column("unknown", Boolean, nullable=False),
    Column("features_digest", Text, nullable=False),
    Column("first", Boolean, nullable=False),
    since(),
    Column("position", BigInteger, nullable=False),
    Index("uq_predictions_first", "event", unique=True, postgresql_where=text("first")),
    Index(
        "ix_predictions_label_position",
        "label",
        "position",
        postgresql_where=text("first"),
    ),
    Index(
        "ix_predictions_version_position",
        "model_version",
        "position",
        postgresql_where=text("first"),
    ),
    Index(
        "ix_predictions_unknown",
        "position",
        postgresql_where=text("first AND unknown"),
    ),
    Index(
        "uq_predictions_position",
        "position",
        unique=True,
        postgresql_include=["probability"],
        postgresql_where=text("first"),
    ),
    Index(
        "ix_predictions_probability",
        "probability",
        postgresql_include=["position"],
        postgresql_where=text("first"),
    ),
    CheckConstraint(
        "cardinality(classes) = cardinality(probabilities)", name="classes"
    ),
)

explanations = Table(
    "explanations",
    metadata,
    *event_and_version(),
    Column("body", JSONB, nullable=False),
    since(),
)

labels = Table(
    "labels",
    metadata,
    big_number("id"),
    Column("event", Uuid, ForeignKey("events.id", ondelete="CASCADE"), nullable=False),
    Column("label", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("source", Text, nullable=False),
    since(),
    Index("ix_labels_event_id", "event", "id"),
    Index("ix_labels_label", "label"),
    Index("ix_labels_at", "at"),
    CheckConstraint("length(label) <= 200", name="label"),
)

gold = Table(
    "gold",
    metadata,
    big_number("id"),
    Column("event", Uuid, ForeignKey("events.id", ondelete="CASCADE"), nullable=False),
    Column("label", Text, nullable=False),
    Column("by", Text, nullable=False),
    since(),
    Index("ix_gold_event_id", "event", "id"),
    CheckConstraint("length(label) <= 200", name="label"),
)

event_revisions = Table(
    "event_revisions",
    metadata,
    Column(
        "event",
        Uuid,
        ForeignKey("events.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("number", Integer, primary_key=True),
    Column("onset_seq", BigInteger, nullable=False),
    Column("offset_seq", BigInteger, nullable=False),
    Column("onset", Time, nullable=False),
    Column("offset", Time, nullable=False),
    Column("window", LargeBinary, nullable=False),
    Column("n_readings", Integer, nullable=False),
    Column("pre_roll", Integer, nullable=False),
    Column("post_roll", Integer, nullable=False),
    Column("by", Text, nullable=False),
    since(),
    CheckConstraint("number >= 1", name="number"),
)

promotions = Table(
    "promotions",
    metadata,
    big_number("id"),
    Column("profile", Text, ForeignKey("profiles.name"), nullable=False),
    Column("version", Integer, ForeignKey("model_versions.version")),
    Column("previous", Integer, ForeignKey("model_versions.version")),
    Column("act", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    since(),
    Column("device", Text),
    Index("ix_promotions_profile_id", "profile", "id"),
    Index("ix_promotions_version", "version"),
    Index(
        "ix_promotions_device_id",
        "device",
        "id",
        postgresql_where=text("device IS NOT NULL"),
    ),
    CheckConstraint("version IS NOT NULL OR device IS NOT NULL", name="version"),
    CheckConstraint("act IN ('promote', 'rollback', 'release', 'canary')", name="act"),
    CheckConstraint("version IS DISTINCT FROM previous", name="previous"),
)

shadows = Table(
    "shadows",
    metadata,
    big_number("id"),
    Column("profile", Text, ForeignKey("profiles.name"), nullable=False),
    Column("version", Integer, ForeignKey("model_versions.version"), nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    since(),
    Column("position", BigInteger, nullable=False),
    Column("skipped", BigInteger, nullable=False, server_default=text("0")),
    Column("ended_at", Time),
    Column("ended_by", Text),
    Index(
        "uq_shadows_present",
        "profile",
        unique=True,
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index("ix_shadows_version", "version"),
    CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name="ended"),
)

canaries = Table(
    "canaries",
    metadata,
    big_number("id"),
    Column("profile", Text, ForeignKey("profiles.name"), nullable=False),
    Column("version", Integer, ForeignKey("model_versions.version"), nullable=False),
    Column("share", Double, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    since(),
    Column("position", BigInteger, nullable=False),
    Column("ended_at", Time),
    Column("ended_by", Text),
    Index(
        "uq_canaries_present",
        "profile",
        unique=True,
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index("ix_canaries_version", "version"),
    CheckConstraint("share > 0 AND share < 1", name="share"),
    CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name="ended"),
)

shadow_predictions = Table(
    "shadow_predictions",
    metadata,
    *event_and_version(),
    Column("label", Text, nullable=False),
    Column("probability", Double, nullable=False),
    Column("unknown", Boolean, nullable=False),
    since(),
    Index("ix_shadow_predictions_model_version", "model_version"),
)

jobs = Table(
    "jobs",
    metadata,
    big_number("id"),
    Column("kind", Text, nullable=False),
    Column("profile", Text, ForeignKey("profiles.name")),
    Column("state", Text, nullable=False, server_default=text("'queued'")),
    Column("progress", Double, nullable=False, server_default=text("0")),
    Column("stage", Text, nullable=False, server_default=text("''")),
    Column("request", JSONB, nullable=False),
    Column("result", JSONB),
    Column("error", Text),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    since("created_at"),
    Column("started_at", Time),
    Column("ended_at", Time),
    Index(
        "uq_jobs_unfinished",
        "kind",
        "profile",
        unique=True,
        postgresql_where=text("state IN ('queued', 'running')"),
    ),
    Index("ix_jobs_profile_kind_id", "profile", "kind", "id"),
    CheckConstraint(
        "state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')",
        name="state",
    ),
    CheckConstraint("progress BETWEEN 0 AND 1", name="progress"),
)

audit = Table(
    "audit",
    metadata,
    big_number("id"),
    since(),
    Column("actor", Text, nullable=False),
    Column("act", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("before", JSONB),
    Column("after", JSONB),
    Index("ix_audit_object_id", "object", "id"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("scope", LargeBinary, primary_key=True),
    Column(
        "key_id",
        Text,
        ForeignKey("api_keys.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("digest", LargeBinary, nullable=False),
    Column("claim", Uuid, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'running'")),
    Column("status", Integer),
    Column("content_type", Text),
    Column("location", Text),
    Column("body", LargeBinary),
    since("created_at"),
    Index("ix_idempotency_keys_created_at", "created_at"),
    CheckConstraint("state IN ('running', 'done')", name="state"),
    CheckConstraint("(state = 'done') = (status IS NOT NULL)", name="status"),
    CheckConstraint("octet_length(body) <= 1048576", name="body"),
)
