"""What alembic runs: migrations on the connection that it was handed, within its transaction."""

from __future__ import annotations

from alembic import context

from joulewise.jobs.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True)
context.run_migrations()
