"""Keep passwords as argon2id hashes, and refuse passwords that are easy to guess."""

import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from steersman.errors import DataError

MIN_LENGTH = 10
MAX_LENGTH = 200
_MIN_DIFFERENT = 5
# the least that OWASP's Password Storage Cheat Sheet asks of argon2id
_MEMORY_KIB = 19_456
_PASSES = 2
_HASHER = PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=1)
# no password has this hash of zeros; trying one takes as long as on a real hash
_NOBODYS = f"$argon2id$v=19$m={_MEMORY_KIB},t={_PASSES},p=1${'A' * 22}${'A' * 43}"
# the most used ones of lists of stolen passwords that are long enough, and what people write in a hurry here
_WORST_TEXT = """
0123456789 0987654321 1020304050 1122334455 11223344556 1234567890 1234567891 12345678910 1234567890q 123456789a
1234554321 123qweasdzxc 1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx3edc 9876543210 a123456789 a1b2c3d4e5 abc1234567 abcd123456
abcdefghij abcdefghijk adminadmin administrator administrator1 annotation annotation1 annotation123 annotator1
annotator123 asdfghjkl1 baseball123 basketball changeme12 changeme123 charlie123 correcthorsebatterystaple dragon12345
football12 football123 helpsteer2 iloveyou12 iloveyou123 letmein123 letmeinnow michael123 monkey12345 p@ssw0rd123
p@ssword123 passw0rd123 password00 password01 password10 password11 password12 password123 password1234 password12345
passwordpassword princess123 q1w2e3r4t5 q1w2e3r4t5y6 qazwsxedcrfv qwerty1234 qwerty12345 qwerty123456 qwertyuiop
qwertyuiop1 qwertyuiop123 qwertzuiop secret1234 starwars123 steersman1 steersman12 steersman123 sunshine123 superman123
test123456 testtest123 trustno1trustno1 welcome123 welcome1234 zaq12wsxcde3 zxcvbnm123
"""
_WORST = frozenset(_WORST_TEXT.split())


def hash_password(password: str) -> str:
    """Return the text under which a password is kept; takes some 20 ms and 19 MiB, so run few at once."""
    return _HASHER.hash(_normal(password))


def is_right(password: str, *, hashed: str | None) -> bool:
    """Tell whether a password has this hash; takes as long for None, which no password has."""
    try:
        _HASHER.verify(hashed or _NOBODYS, _normal(password))
    except VerificationError:
        return False
    return hashed is not None


def needs_rehash(hashed: str) -> bool:
    """Tell whether a hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(hashed)


def check_new(password: str, *, user_id: str) -> None:
    """Raise DataError, with what to do, when a password is not fit to be set."""
    text = _normal(password)
    if not MIN_LENGTH <= len(text) <= MAX_LENGTH:
        raise DataError(f"the password needs {MIN_LENGTH} to {MAX_LENGTH} characters; a sentence is easy to remember")
    if text.casefold() == user_id.casefold():
        raise DataError("the password is the same as the name; choose another one")
    if text.casefold() in _WORST or len(set(text)) < _MIN_DIFFERENT:
        raise DataError("this password is among the first that anybody would guess; choose another one")


def _normal(password: str) -> str:
    # the same letter can be typed as one character or as two
    return unicodedata.normalize("NFC", password)
