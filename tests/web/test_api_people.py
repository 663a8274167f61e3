"""The API for people, and that no token gives more than it has."""

import pytest
from web_site import PROJECT, WebSite

pytest_plugins = ("web_fixtures",)

ALL = ("read", "review", "manage", "people")


def test_a_new_user_gets_a_link_and_takes_part(web_site: WebSite) -> None:
    people = web_site.program("people")
    made = people.post("/api/v1/users", json={"user": "ann", "project": PROJECT})
    assert (made.status_code, made.json()["role"]) == (201, "annotator")
    assert made.json()["join"].startswith("/join?code=")
    members = web_site.program("read").get(f"/api/v1/projects/{PROJECT}/members").json()["members"]
    assert [(each["user"], each["stage"]) for each in members if each["user"] == "ann"] == [("ann", "training")]


def test_a_name_that_is_taken_makes_nobody(web_site: WebSite) -> None:
    answer = web_site.program("people").post("/api/v1/users", json={"user": "Annotator-1"})
    assert answer.status_code == 409


def test_a_user_of_an_unknown_project_is_not_made(web_site: WebSite) -> None:
    people = web_site.program("people")
    assert people.post("/api/v1/users", json={"user": "ann", "project": "winter"}).status_code == 404
    assert people.post("/api/v1/users", json={"user": "ann"}).status_code == 201


@pytest.mark.parametrize(
    ("user_id", "scopes", "role", "status"),
    [
        ("manager-1", ("people",), "annotator", 201),
        # a reviewer reads and reviews, which a token with this one scope does not
        ("manager-1", ("people",), "reviewer", 403),
        ("manager-1", ("people", "review"), "reviewer", 201),
        ("manager-1", ALL, "manager", 403),
        ("manager-1", ALL, "owner", 403),
        ("owner-1", ("people", "review"), "manager", 403),
        ("owner-1", ALL, "manager", 201),
        ("owner-1", ALL, "owner", 403),
        ("annotator-1", ALL, "annotator", 403),
    ],
)
def test_nobody_makes_or_invites_people_of_more_rights_than_the_token(
    web_site: WebSite, user_id: str, scopes: tuple[str, ...], role: str, status: int
) -> None:
    program = web_site.program(*scopes, user_id=user_id)
    assert program.post("/api/v1/users", json={"user": "ann", "role": role}).status_code == status
    assert program.post("/api/v1/invitations", json={"role": role}).status_code == status


@pytest.mark.parametrize("user_id", ["owner-1", "manager-1"])
def test_a_manager_gets_no_link_to_set_the_password_of_a_manager_or_owner(web_site: WebSite, user_id: str) -> None:
    program = web_site.program(*ALL, user_id="manager-1")
    # the role that is asked for does not decide, the one that the user has does
    answer = program.post("/api/v1/invitations", json={"role": "annotator", "user": user_id})
    assert answer.status_code == 403


def test_a_link_for_one_user_works_once(web_site: WebSite) -> None:
    made = web_site.program("people").post("/api/v1/invitations", json={"user": "annotator-1", "max_uses": 5}).json()
    assert (made["user"], made["role"], made["max_uses"]) == ("annotator-1", "annotator", 1)


@pytest.mark.parametrize(
    ("user_id", "has", "asked", "status"),
    [
        ("manager-1", ("manage",), ["read"], 201),
        ("manager-1", ("read",), ["manage"], 403),
        ("manager-1", ("manage",), ["people"], 403),
        ("manager-1", ("people",), ["annotate"], 403),
        ("annotator-1", ("annotate",), ["annotate"], 201),
        # it would manage as soon as its user does
        ("annotator-1", ("annotate",), ["annotate", "manage"], 403),
    ],
)
def test_a_token_of_ones_own_may_do_no_more_than_the_one_that_asks(
    web_site: WebSite, user_id: str, has: tuple[str, ...], asked: list[str], status: int
) -> None:
    program = web_site.program(*has, user_id=user_id)
    answer = program.post("/api/v1/tokens", json={"label": "x", "scopes": asked})
    assert answer.status_code == status


def test_a_token_that_ends_makes_none_that_lasts_longer(web_site: WebSite) -> None:
    first = web_site.program("annotate")
    short = first.post("/api/v1/tokens", json={"label": "a day", "scopes": ["annotate"], "days": 1}).json()
    web_site.clock.move(hours=12)
    first.headers["authorization"] = f"Bearer {short['token']}"
    for days in ({}, {"days": 30}):
        made = first.post("/api/v1/tokens", json={"label": "more", "scopes": ["annotate"], **days}).json()
        assert made["expires_at"] == short["expires_at"]


@pytest.mark.parametrize(
    ("user", "scopes", "status"),
    [
        ("annotator-1", ["annotate"], 201),
        ("reviewer-1", ["review"], 403),
        ("manager-1", ["manage"], 403),
        ("owner-1", ["read"], 403),
    ],
)
def test_tokens_of_others_are_those_of_annotators(web_site: WebSite, user: str, scopes: list[str], status: int) -> None:
    people = web_site.program("people", user_id="owner-1")
    user_to = {"user": user, "label": "x", "scopes": scopes}
    if user == "owner-1":
        people = web_site.program(*ALL, user_id="manager-1")
    assert people.post("/api/v1/tokens", json=user_to).status_code == status


def test_a_token_made_for_an_annotator_is_theirs(web_site: WebSite) -> None:
    wanted = {"user": "annotator-2", "label": "program", "scopes": ["annotate"]}
    made = web_site.program("people").post("/api/v1/tokens", json=wanted).json()
    stranger = web_site.stranger()
    stranger.headers["authorization"] = f"Bearer {made['token']}"
    assert stranger.get("/api/v1/status").json()["annotator"] == "annotator-2"


def test_without_the_permission_nobody_makes_tokens_for_others(web_site: WebSite) -> None:
    wanted = {"user": "annotator-2", "label": "x", "scopes": ["annotate"]}
    assert web_site.program("annotate").post("/api/v1/tokens", json=wanted).status_code == 403


def test_a_revoked_token_opens_nothing(web_site: WebSite) -> None:
    first = web_site.program("annotate")
    made = first.post("/api/v1/tokens", json={"label": "x", "scopes": ["annotate"]}).json()
    assert first.delete(f"/api/v1/tokens/{made['token_id']}").status_code == 200
    first.headers["authorization"] = f"Bearer {made['token']}"
    assert first.get("/api/v1/status").status_code == 401


def test_a_token_of_somebody_else_is_unknown_to_an_annotator_and_refused_to_a_manager(web_site: WebSite) -> None:
    owner = web_site.program(*ALL, user_id="owner-1")
    made = owner.post("/api/v1/tokens", json={"label": "x", "scopes": ["read"]}).json()
    place = f"/api/v1/tokens/{made['token_id']}"
    assert web_site.program("annotate").delete(place).status_code == 404
    assert web_site.program(*ALL, user_id="manager-1").delete(place).status_code == 403
    assert owner.delete(place).status_code == 200


def test_an_invitation_can_be_withdrawn(web_site: WebSite) -> None:
    people = web_site.program("people")
    made = people.post("/api/v1/invitations", json={"project": PROJECT, "max_uses": 20}).json()
    assert people.delete(f"/api/v1/invitations/{made['invitation_id']}").json() == {"revoked": made["invitation_id"]}
    assert people.delete("/api/v1/invitations/0123456789ab").status_code == 404


def test_a_manager_withdraws_no_invitation_of_an_owner(web_site: WebSite) -> None:
    owner = web_site.program(*ALL, user_id="owner-1")
    made = owner.post("/api/v1/invitations", json={"role": "manager"}).json()
    manager = web_site.program(*ALL, user_id="manager-1")
    assert manager.delete(f"/api/v1/invitations/{made['invitation_id']}").status_code == 403


def test_a_manager_moves_annotators_and_not_managers(web_site: WebSite) -> None:
    people = web_site.program("people", user_id="manager-1")
    place = f"/api/v1/projects/{PROJECT}/members"
    assert people.post(place, json={"user": "annotator-1", "stage": "left"}).json()["stage"] == "left"
    assert people.post(place, json={"user": "owner-1"}).status_code == 403
    # anybody with the permission may take part themselves
    assert people.post(place, json={"user": "manager-1", "stage": "working"}).json()["stage"] == "working"


def test_members_are_shown_to_those_who_may_read(web_site: WebSite) -> None:
    place = f"/api/v1/projects/{PROJECT}/members"
    assert web_site.program("read").get(place).status_code == 200
    assert web_site.program("annotate").get(place).status_code == 403
