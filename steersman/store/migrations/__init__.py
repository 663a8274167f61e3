"""The history of the annotation database's tables, run by Alembic from `store.database.connection`."""
