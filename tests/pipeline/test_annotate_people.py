"""Let people and programs in from the command line."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from site_tables import new_site

from steersman.errors import ConfigError
from steersman.pipeline.annotate_people import add_site_user, invite, make_token
from steersman.store.database.connection import open_database, reading
from steersman.store.database.faults import TakenError, UnknownError
from steersman.store.database.invitations import find_invitation
from steersman.web.app import create_app


def invited(place: Path, link: object) -> tuple[str, str | None, str | None]:
    """Return what an invitation lets its holder become: role, user and project."""
    engine = open_database(place)
    with reading(engine) as connection:
        found = find_invitation(connection, str(link).removeprefix("/join?code="), now=datetime.now(UTC))
    engine.dispose()
    assert found is not None
    return found.role, found.user_id, found.project_id


def test_a_new_user_sets_their_password_by_a_link(tmp_path: Path) -> None:
    new_site(tmp_path)
    made = add_site_user(tmp_path / "site.sqlite", "maria", role="reviewer")
    assert (made["role"], made["project"]) == ("reviewer", None)
    assert invited(tmp_path / "site.sqlite", made["invitation"]) == ("reviewer", "maria", None)


def test_a_new_annotator_takes_part_in_the_only_project(tmp_path: Path) -> None:
    new_site(tmp_path)
    assert add_site_user(tmp_path / "site.sqlite", "maria", role="annotator")["project"] == "site"


def test_a_name_that_is_taken_is_told(tmp_path: Path) -> None:
    new_site(tmp_path)
    with pytest.raises(TakenError, match=r"there is a user .wner already"):
        add_site_user(tmp_path / "site.sqlite", "Owner", role="owner")


def test_whoever_lost_their_password_gets_a_link_of_their_own_role(tmp_path: Path) -> None:
    new_site(tmp_path)
    made = invite(tmp_path / "site.sqlite", role="annotator", user="owner")
    assert invited(tmp_path / "site.sqlite", made["invitation"]) == ("owner", "owner", None)


def test_a_link_for_everybody_leads_into_the_project(tmp_path: Path) -> None:
    new_site(tmp_path)
    made = invite(tmp_path / "site.sqlite", role="annotator", max_uses=20)
    assert (made["uses"], made["project"]) == (20, "site")
    assert invited(tmp_path / "site.sqlite", made["invitation"]) == ("annotator", None, "site")


def test_a_link_for_nobody_or_for_one_many_times_is_refused(tmp_path: Path) -> None:
    new_site(tmp_path)
    with pytest.raises(UnknownError, match="there is no user 'nobody'"):
        invite(tmp_path / "site.sqlite", role="annotator", user="nobody")
    with pytest.raises(ConfigError, match="works once"):
        invite(tmp_path / "site.sqlite", role="annotator", user="owner", max_uses=2)


@pytest.mark.parametrize(
    ("user", "scopes", "given"),
    [
        ("owner", (), ["read", "review", "manage", "people"]),
        ("annotator-1", (), ["annotate"]),
        ("owner", ("read",), ["read"]),
    ],
)
def test_a_token_has_the_scopes_of_its_role_unless_others_are_named(
    tmp_path: Path, user: str, scopes: tuple[str, ...], given: list[str]
) -> None:
    new_site(tmp_path)
    made = make_token(tmp_path / "site.sqlite", user, scopes=scopes, label="x", lasts=timedelta(days=1))
    assert made["scopes"] == given
    headers = {"authorization": f"Bearer {made['token']}"}
    with TestClient(create_app(tmp_path / "site.sqlite", now=lambda: datetime.now(UTC)), headers=headers) as client:
        assert client.get("/api/v1/projects").status_code == (403 if user == "annotator-1" else 200)
