import pytest

from steersman.errors import DataError
from steersman.web.passwords import check_new, hash_password, is_right, needs_rehash


def test_a_password_is_kept_as_argon2id_with_the_parameters_of_today() -> None:
    hashed = hash_password("four brown horses")
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert "horses" not in hashed
    assert not needs_rehash(hashed)


def test_the_same_password_is_kept_differently_each_time() -> None:
    assert hash_password("four brown horses") != hash_password("four brown horses")


def test_a_password_is_right_for_its_own_hash_only() -> None:
    hashed = hash_password("four brown horses")
    assert is_right("four brown horses", hashed=hashed)
    assert not is_right("four brown horse", hashed=hashed)
    assert not is_right("", hashed=hashed)


@pytest.mark.parametrize("password", ["", "four brown horses", "\x00" * 32])
def test_nobody_has_any_password(password: str) -> None:
    assert not is_right(password, hashed=None)


@pytest.mark.parametrize(
    "password", ["ten-letter", "caf\u00e9 au lait", "\u4e00\u4e8c\u4e09\u56db\u4e94" * 2, "abcde" * 40, " spaces too "]
)
def test_any_letters_make_a_password(password: str) -> None:
    check_new(password, user_id="annotator-1")


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("ninechars", "10 to 200"),
        ("a1b2c3d4e5" * 20 + "x", "10 to 200"),
        # nine letters, one of them typed as two characters
        ("ninechare\u0301", "10 to 200"),
        ("annotator-1", "same as the name"),
        ("ANNOTATOR-1", "same as the name"),
        ("Password123", "anybody would guess"),
        ("1212121212", "anybody would guess"),
        ("aaaaaaaaaaaaaaaa", "anybody would guess"),
    ],
)
def test_a_password_that_is_short_or_easy_to_guess_is_refused(password: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        check_new(password, user_id="annotator-1")
