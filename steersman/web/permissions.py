"""Who may do what: the permissions, the roles that have them, and the scopes of tokens."""

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Permission(StrEnum):
    """What a route asks for. Every route has exactly one."""

    PUBLIC = "public"
    SIGNED_IN = "signed in"
    RATE = "rate"
    REVIEW = "review"
    READ = "read"
    MANAGE = "manage"
    PEOPLE = "people"
    OWN = "own"


# what somebody may not do without it
WORDS: Mapping[Permission, str] = {
    Permission.PUBLIC: "come in",
    Permission.SIGNED_IN: "come in",
    Permission.RATE: "rate responses",
    Permission.REVIEW: "review answers",
    Permission.READ: "see how others work",
    Permission.MANAGE: "change projects",
    Permission.PEOPLE: "invite and change people",
    Permission.OWN: "change the site itself",
}

_EVERYBODY = frozenset({Permission.PUBLIC, Permission.SIGNED_IN, Permission.RATE})
_REVIEWER = _EVERYBODY | {Permission.REVIEW, Permission.READ}
_MANAGER = _REVIEWER | {Permission.MANAGE, Permission.PEOPLE}

# RATE also needs to be a member of the project. PEOPLE lets a manager act on annotators and reviewers only.
PERMISSIONS: Mapping[str, frozenset[Permission]] = {
    "owner": _MANAGER | {Permission.OWN},
    "manager": _MANAGER,
    "reviewer": _REVIEWER,
    "annotator": _EVERYBODY,
}
# A token may do what both its user's role and its scopes allow.
SCOPES: Mapping[str, frozenset[Permission]] = {
    "annotate": frozenset({Permission.RATE}),
    "read": frozenset({Permission.READ}),
    "review": frozenset({Permission.REVIEW, Permission.READ}),
    "manage": frozenset({Permission.MANAGE, Permission.READ}),
    "people": frozenset({Permission.PEOPLE}),
}
# The people on whom somebody with the permission PEOPLE may act, by their own role.
_MANAGED: Mapping[str, tuple[str, ...]] = {
    "owner": ("owner", "manager", "reviewer", "annotator"),
    "manager": ("reviewer", "annotator"),
}
_ALWAYS = frozenset({Permission.PUBLIC, Permission.SIGNED_IN})


def allowed(role: str, scopes: tuple[str, ...] | None) -> frozenset[Permission]:
    """Return what a role may do, by a session (`scopes` None) or by a token of these scopes."""
    if scopes is None:
        return PERMISSIONS[role]
    of_scopes = frozenset[Permission]().union(*(SCOPES.get(scope, frozenset()) for scope in scopes))
    return PERMISSIONS[role] & (of_scopes | _ALWAYS)


def useless_scopes(role: str, scopes: Iterable[str]) -> list[str]:
    """Return the scopes that add nothing to what everybody may do, for a user of this role.

    A token must not hold them: it would gain what they stand for when its user gets another role.
    """
    return [scope for scope in scopes if not SCOPES.get(scope, frozenset()) & PERMISSIONS[role]]


def managed_roles(role: str) -> tuple[str, ...]:
    """Return the roles whose people a role may invite and change, the most powerful first."""
    return _MANAGED.get(role, ())
