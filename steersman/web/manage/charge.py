"""On whom a manager may act, and the links that let people in."""

from fastapi import Request

from steersman.errors import DataError
from steersman.store.database.connection import Transaction
from steersman.store.database.people import User
from steersman.store.database.projects import project_ids
from steersman.web.faults import PermissionDeniedError
from steersman.web.guard import Caller
from steersman.web.manage.shell import Form
from steersman.web.permissions import managed_roles
from steersman.web.site import Site


def check_may_act_on(caller: Caller, user: User) -> None:
    """Raise PermissionDeniedError unless the caller may act on a user: themselves, or somebody below them."""
    if user.user_id != caller.user_id:
        check_may_act(caller, user.role)


def check_may_act(caller: Caller, role: str) -> None:
    """Raise PermissionDeniedError unless the caller may act on people of a role."""
    if role not in managed_roles(caller.role):
        raise PermissionDeniedError(f"a {caller.role} may not act on a {role}; ask an owner")


def known_project(connection: Transaction, form: Form) -> str:
    """Return the project that a form's field `joins` names; raises DataError when there is none."""
    named, known = form.text("joins"), project_ids(connection)
    if named not in known:
        raise DataError(f"joins: there is no project {named[:80]!r}")
    return named


def join_link(site: Site, request: Request, secret: str) -> str:
    """Return the address under which a secret is used, as the reader of this page sees the site."""
    scheme = "https" if site.is_secure else request.url.scheme
    return f"{scheme}://{request.url.netloc}/join?code={secret}"
