"""Passwords: hashed with argon2id (RFC 9106, its second recommended setting), kept in a file of their own."""

import stat
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from argon2.profiles import RFC_9106_LOW_MEMORY

from docqa.durable import replacing
from docqa.errors import PasswordFileError

LEAST_CHARACTERS, MOST_CHARACTERS = 15, 256
"""NIST SP 800-63B-4 asks for 15 where nothing but a password protects; four words have them."""

_hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


@dataclass(frozen=True, slots=True)
class Accounts:
    """Who may log in, as users and the hashes of their passwords."""

    hashes: dict[str, str]
    _nobody: str = field(default_factory=lambda: _hasher.hash("nobody"))

    @classmethod
    def read(cls, accounts: list[str]) -> "Accounts":
        """Read accounts given as ``USER:FILE``.

        Raises:
            PasswordFileError: a file cannot be used, with the remedy.
            ValueError: an account is not given in that form, or given twice.
        """
        hashes: dict[str, str] = {}
        for account in accounts:
            user, _, file = account.partition(":")
            if not user or not file:
                raise ValueError(
                    f"an account is given as USER:FILE, not as '{account}'; make FILE by 'docqa password FILE'"
                )
            if user in hashes:
                raise ValueError(f"the user '{user}' is given twice; give each user one file")
            hashes[user] = read_hash(Path(file))
        return cls(hashes)

    def check(self, user: str, password: str) -> bool:
        """Tell whether it is the user's password. It takes as long for a user that does not exist.

        Raises:
            VerificationError: it cannot be told, as when there is too little memory.
        """
        try:
            _hasher.verify(self.hashes.get(user, self._nobody), _normal(password))
        except VerifyMismatchError:
            return False
        return user in self.hashes


def write_hash(file: Path, password: str) -> None:
    """Write a password's hash into a file that only its owner can read.

    Raises:
        PasswordFileError: the file cannot be written.
        ValueError: the password is too short or too long.
    """
    if not LEAST_CHARACTERS <= len(password) <= MOST_CHARACTERS:
        raise ValueError(
            f"a password has {LEAST_CHARACTERS} to {MOST_CHARACTERS} characters; four words are a good one"
        )
    try:
        with replacing(file, mode=0o600) as target:
            target.write(f"{_hasher.hash(_normal(password))}\n".encode("ascii"))
    except OSError as problem:
        raise PasswordFileError(file, problem.strerror or str(problem), "write it elsewhere") from problem


def read_hash(file: Path) -> str:
    """Read the hash that ``write_hash`` wrote.

    Raises:
        PasswordFileError: it is not there, not a hash, or open to others.
    """
    make = f"make it by 'docqa password {file}'"
    try:
        mode, text = file.stat().st_mode, file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) and problem.strerror else "it holds no hash"
        raise PasswordFileError(file, reason, make) from problem
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise PasswordFileError(file, "other users of this machine can read it", f"close it by 'chmod 600 {file}'")
    try:
        known = extract_parameters(text).type is Type.ID
    except InvalidHashError:
        known = False
    if not known:
        raise PasswordFileError(file, "it holds no argon2id hash", make)
    return text


def _normal(password: str) -> str:
    # keyboards differ in how they compose a letter
    return unicodedata.normalize("NFC", password)
