"""One look at drift: reads what the champion learnt and what came since, compares."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncEngine

from app import features
from app.domain import LabelledWindow
from app.errors import NotFound
from app.learning import Model
from app.learning.dataset import Dataset, build
from app.learning.drift import MAX_EVENTS, MIN_EVENTS, Drift, Sample, measure
from app.service.champion import Champions
from app.store import devices, models, profiles, windows
from app.store.models import ModelVersion
from app.store.windows import Stream
