"""Which project of an annotation database a verb works on."""

from steersman.errors import ConfigError
from steersman.store.database.connection import Transaction
from steersman.store.database.projects import project_ids, read_project


def chosen_project(connection: Transaction, project_id: str | None) -> str:
    """Return the id of the project that is named, or of the only one.

    Raises UnknownError when there is none of this id, ConfigError when none is named and there is not just one.
    """
    if project_id is not None:
        return read_project(connection, project_id).project_id
    found = project_ids(connection)
    if len(found) != 1:
        raise ConfigError(f"the database has the projects {', '.join(found) or '(none)'}; name one with --project")
    return found[0]
