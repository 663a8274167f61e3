"""What programs that manage people send and get."""

from typing import Annotated, Literal

from pydantic import Field

from steersman.web.api.bodies import Body
from steersman.web.api.shapes import ProjectId, Shown, UserId
from steersman.web.api.work_shapes import Stage

Role = Literal["owner", "manager", "reviewer", "annotator"]
Scope = Literal["annotate", "read", "review", "manage", "people"]
_Days = Annotated[float, Field(gt=0, le=3650)]
_MAX_USES = 1000


class NewUserBody(Body):
    """A user to be made without a password, and the project they take part in."""

    user: UserId
    role: Role = "annotator"
    project: ProjectId | None = None


class NewUser(Shown):
    """A new user, and the link by which they set their password: behind the site's address, shown only now."""

    user: str
    role: Role
    join: str


class MemberBody(Body):
    """A user who is to take part in a project, and in which stage; a new one starts with training."""

    user: UserId
    stage: Literal["training", "working", "paused", "left"] | None = None
    reason: Annotated[str | None, Field(max_length=1000)] = None


class ShownMember(Shown):
    """A member of a project; `reason` says why the stage is what it is since `changed_at`."""

    user: str
    stage: Stage
    reason: str | None
    answered: int
    joined_at: str
    changed_at: str


class Members(Shown):
    """The members of a project, by name."""

    members: list[ShownMember]


class InvitationBody(Body):
    """An invitation for anybody who has its link, or for the one user whose password it sets."""

    role: Role = "annotator"
    project: ProjectId | None = None
    user: UserId | None = None
    max_uses: Annotated[int, Field(ge=1, le=_MAX_USES)] = 1
    days: _Days = 14.0


class ShownInvitation(Shown):
    """An invitation; `join` is its link, behind the site's address, shown only now."""

    invitation_id: str
    role: Role
    project: str | None
    user: str | None
    max_uses: int
    expires_at: str
    join: str


class TokenBody(Body):
    """A token of one's own, or of another user; it lasts for `days`, null for as long as nobody revokes it."""

    label: Annotated[str, Field(min_length=1, max_length=100)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=5)]
    user: UserId | None = None
    days: _Days | None = None


class ShownToken(Shown):
    """A new token; `token` is its text, shown only now."""

    token_id: str
    user: str
    label: str
    scopes: list[Scope]
    expires_at: str | None
    token: str


class Revoked(Shown):
    """What is of no use any more."""

    revoked: str
