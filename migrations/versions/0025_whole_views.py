"""The views of limited keys are made anew: those for lists, `whole_...`, are new.

`env.py` makes them whenever it has run; this gives it a reason to.
"""

from __future__ import annotations

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No table changes."""


def downgrade() -> None:
    """No table changes."""
