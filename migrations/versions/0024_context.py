"""What was known beside an event when it was named."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    _run("0024-context.sql")


def downgrade() -> None:
    _run("0024-undo.sql")


def _run(file: str) -> None:
    # Without parameters: several statements at once, and % and : mean themselves.
    connection = op.get_bind().execution_options(no_parameters=True)
    connection.exec_driver_sql((SQL / file).read_text())
