"""On whom a token may act, and what it may give: never more than it may do itself."""

from collections.abc import Sequence

from steersman.web.faults import PermissionDeniedError
from steersman.web.guard import Caller
from steersman.web.permissions import PERMISSIONS, Permission, allowed, managed_roles, useless_scopes

# what everybody has who may come in; to act on annotators is what the permission PEOPLE is for
_GIVEN = frozenset({Permission.PUBLIC, Permission.SIGNED_IN, Permission.RATE})


def check_may_act(caller: Caller, *, role: str) -> None:
    """Raise PermissionDeniedError unless the caller may make, invite and change people of a role."""
    is_managed = Permission.PEOPLE in caller.permissions and role in managed_roles(caller.role)
    if not is_managed or not PERMISSIONS[role] - _GIVEN <= caller.permissions:
        raise PermissionDeniedError(f"this token may not act on people of the role {role}")


def check_may_give(caller: Caller, *, role: str, scopes: Sequence[str], is_own: bool) -> None:
    """Raise PermissionDeniedError unless the caller may make a token of these scopes for a user of a role."""
    if not is_own:
        check_may_act(caller, role=role)
    if useless := useless_scopes(role, scopes):
        raise PermissionDeniedError(f"scopes {', '.join(useless)} are of no use to people of the role {role}")
    always = _GIVEN - ({Permission.RATE} if is_own else set())
    if not allowed(role, tuple(scopes)) - always <= caller.permissions:
        raise PermissionDeniedError(f"a token may not give more than it has; scopes {', '.join(scopes)} are too many")
