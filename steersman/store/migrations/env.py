"""Run migrations on the connection that `store.database.connection` passes in (Alembic executes this file)."""

from alembic import context

from steersman.store.database.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
