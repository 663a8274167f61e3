"""The routes for people: users, members, invitations and tokens. Secrets are shown once, when they are made."""

from datetime import datetime, timedelta
from enum import Enum
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from steersman.store.database.audit import Act
from steersman.store.database.connection import Transaction, reading, writing
from steersman.store.database.faults import UnknownError
from steersman.store.database.invitations import (
    NewInvitation,
    add_invitation,
    read_invitation,
    revoke_invitation,
)
from steersman.store.database.people import (
    Member,
    add_member,
    add_user,
    change_stage,
    read_member,
    read_members,
    read_user,
)
from steersman.store.database.projects import read_project
from steersman.store.database.tokens import add_token, read_token, revoke_token, token_expiry
from steersman.web.api.bodies import parsed, small_body, takes
from steersman.web.api.faults import faults
from steersman.web.api.people_shapes import (
    InvitationBody,
    MemberBody,
    Members,
    NewUser,
    NewUserBody,
    Revoked,
    ShownInvitation,
    ShownMember,
    ShownToken,
    TokenBody,
)
from steersman.web.api.rights import check_may_act, check_may_give
from steersman.web.api.shapes import DoorId, ProjectId
from steersman.web.faults import PermissionDeniedError
from steersman.web.guard import Caller
from steersman.web.permissions import Permission
from steersman.web.requests import bearer_token
from steersman.web.site import Site

_TAGS: list[str | Enum] = ["people"]
_FAULTS = faults(400, 401, 403, 404, 413, 422, 503)
_SmallBody = Annotated[bytes, Depends(small_body)]
_JOIN = "/join?code="
_NEW_USER_DAYS = 14


def add_people(router: APIRouter, site: Site) -> None:
    """Add the routes for users and members."""
    taken = {**_FAULTS, **faults(409)}

    @router.post("/users", status_code=201, tags=_TAGS, responses=taken, openapi_extra=takes(NewUserBody))
    def make_user(caller: Annotated[Caller, site.api_guard(Permission.PEOPLE)], body: _SmallBody) -> NewUser:
        """Make a user without a password, and the link by which they set one."""
        new = parsed(NewUserBody, body)
        check_may_act(caller, role=new.role)
        by = Act(caller.user_id, site.now())
        with writing(site.engine) as connection:
            add_user(connection, new.user, role=new.role, by=by)
            if new.project is not None:
                read_project(connection, new.project)
                add_member(connection, new.project, new.user, stage="training", by=by)
            lasts = timedelta(days=_NEW_USER_DAYS)
            _, code = add_invitation(connection, NewInvitation(new.role, user_id=new.user), by=by, lasts=lasts)
        return NewUser(user=new.user, role=new.role, join=f"{_JOIN}{code}")

    @router.get("/projects/{project_id}/members", tags=_TAGS, responses=faults(401, 403, 404, 422, 503))
    def list_members(
        project_id: Annotated[ProjectId, Path()], caller: Annotated[Caller, site.api_guard(Permission.READ)]
    ) -> Members:
        """Return the members of a project."""
        del caller
        with reading(site.engine) as connection:
            read_project(connection, project_id)
            return Members(members=[_shown(each) for each in read_members(connection, project_id)])

    @router.post("/projects/{project_id}/members", tags=_TAGS, responses=_FAULTS, openapi_extra=takes(MemberBody))
    def set_member(
        project_id: Annotated[ProjectId, Path()],
        caller: Annotated[Caller, site.api_guard(Permission.PEOPLE)],
        body: _SmallBody,
    ) -> ShownMember:
        """Let a user take part in a project, or move a member to another stage."""
        asked = parsed(MemberBody, body)
        by = Act(caller.user_id, site.now())
        with writing(site.engine) as connection:
            read_project(connection, project_id)
            _check_may_act_on(connection, caller, asked.user)
            add_member(connection, project_id, asked.user, stage=asked.stage or "training", by=by)
            member = read_member(connection, project_id, asked.user)
            if asked.stage is not None and asked.stage != member.stage:
                change_stage(connection, member, stage=asked.stage, reason=asked.reason, by=by)
            return _shown(read_member(connection, project_id, asked.user))


def add_invitations(router: APIRouter, site: Site) -> None:
    """Add the routes for invitations."""

    @router.post("/invitations", status_code=201, tags=_TAGS, responses=_FAULTS, openapi_extra=takes(InvitationBody))
    def invite(caller: Annotated[Caller, site.api_guard(Permission.PEOPLE)], body: _SmallBody) -> ShownInvitation:
        """Make a link by which people join, or by which one user sets a new password."""
        asked = parsed(InvitationBody, body)
        with writing(site.engine) as connection:
            role: str = asked.role if asked.user is None else read_user(connection, asked.user).role
            check_may_act(caller, role=role)
            if asked.project is not None:
                read_project(connection, asked.project)
            new = NewInvitation(role, asked.project, asked.user, asked.max_uses if asked.user is None else 1)
            by = Act(caller.user_id, site.now())
            made, code = add_invitation(connection, new, by=by, lasts=timedelta(days=asked.days))
        return ShownInvitation.model_validate(
            {
                "invitation_id": made.invitation_id,
                "role": made.role,
                "project": made.project_id,
                "user": made.user_id,
                "max_uses": made.max_uses,
                "expires_at": made.expires_at,
                "join": f"{_JOIN}{code}",
            }
        )

    @router.delete("/invitations/{invitation_id}", tags=_TAGS, responses=_FAULTS)
    def revoke_an_invitation(
        invitation_id: Annotated[DoorId, Path()], caller: Annotated[Caller, site.api_guard(Permission.PEOPLE)]
    ) -> Revoked:
        """Make the link of an invitation useless."""
        with writing(site.engine) as connection:
            check_may_act(caller, role=read_invitation(connection, invitation_id).role)
            revoke_invitation(connection, invitation_id, by=Act(caller.user_id, site.now()))
        return Revoked(revoked=invitation_id)


def add_tokens(router: APIRouter, site: Site) -> None:
    """Add the routes for tokens."""

    @router.post("/tokens", status_code=201, tags=_TAGS, responses=_FAULTS, openapi_extra=takes(TokenBody))
    def make_token(
        request: Request, caller: Annotated[Caller, site.api_guard(Permission.SIGNED_IN)], body: _SmallBody
    ) -> ShownToken:
        """Make a token of one's own, or of somebody whom one manages; it may do no more than the one that asks."""
        asked = parsed(TokenBody, body)
        with writing(site.engine) as connection:
            user_id = asked.user or caller.user_id
            if user_id != caller.user_id and Permission.PEOPLE not in caller.permissions:
                raise PermissionDeniedError("this token makes tokens of its own user only")
            lasts = _token_lasts(connection, caller, asked, secret=bearer_token(request) or "", now=site.now())
            by = Act(caller.user_id, site.now())
            token, secret = add_token(connection, user_id, label=asked.label, scopes=asked.scopes, by=by, lasts=lasts)
        return ShownToken(
            token_id=token.token_id,
            user=user_id,
            label=token.label,
            scopes=asked.scopes,
            expires_at=token.expires_at,
            token=secret,
        )

    @router.delete("/tokens/{token_id}", tags=_TAGS, responses=_FAULTS)
    def revoke_a_token(
        token_id: Annotated[DoorId, Path()], caller: Annotated[Caller, site.api_guard(Permission.SIGNED_IN)]
    ) -> Revoked:
        """Make a token useless: one's own, or that of somebody whom one manages."""
        with writing(site.engine) as connection:
            _check_may_revoke(connection, caller, token_id)
            revoke_token(connection, token_id, by=Act(caller.user_id, site.now()))
        return Revoked(revoked=token_id)


def _check_may_act_on(connection: Transaction, caller: Caller, user_id: str) -> None:
    role = read_user(connection, user_id).role
    if user_id != caller.user_id:
        check_may_act(caller, role=role)


def _token_lasts(
    connection: Transaction, caller: Caller, asked: TokenBody, *, secret: str, now: datetime
) -> timedelta | None:
    """Return how long the token that is asked for lasts, None for no end, once it is sure that it may be made."""
    user_id = asked.user or caller.user_id
    is_own = user_id == caller.user_id
    check_may_give(caller, role=read_user(connection, user_id).role, scopes=asked.scopes, is_own=is_own)
    lasts = None if asked.days is None else timedelta(days=asked.days)
    ends = token_expiry(connection, secret) if is_own else None
    if ends is None:
        return lasts
    # else a token could outlive its own end
    rest = datetime.fromisoformat(ends) - now
    return rest if lasts is None else min(lasts, rest)


def _check_may_revoke(connection: Transaction, caller: Caller, token_id: str) -> None:
    user_id = read_token(connection, token_id).user_id
    if user_id == caller.user_id:
        return
    if Permission.PEOPLE not in caller.permissions:
        # whose it is, and that there is one, is not for everybody to know
        raise UnknownError(f"there is no token {token_id!r}")
    check_may_act(caller, role=read_user(connection, user_id).role)


def _shown(member: Member) -> ShownMember:
    return ShownMember.model_validate(
        {
            "user": member.user_id,
            "stage": member.stage,
            "reason": member.reason,
            "answered": member.num_answered,
            "joined_at": member.joined_at,
            "changed_at": member.changed_at,
        }
    )
