"""Lines of JSON: one object a line, read with the line's number, so that every complaint can name it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docqa.errors import EvaluationError


@dataclass(frozen=True, slots=True)
class Line:
    """One object of a file, and where it stands."""

    path: Path
    number: int
    fields: dict[str, Any]

    def error(self, reason: str) -> EvaluationError:
        """Make the error that says what is wrong with this line."""
        return EvaluationError(reason, path=self.path, line=self.number)

    def text(self, name: str) -> str:
        """Return a field that must be a text with a word in it.

        Raises:
            EvaluationError: it is missing, blank or something else.
        """
        value = self.fields.get(name)
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"'{name}' must be a text, not {_shown(value)}; add it or correct it")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise self.error(f"'{name}' holds half a character (a lone surrogate); write the character out")
        return value

    def id(self, name: str) -> str:
        """Return a field that names the line: a text, or a whole number.

        Raises:
            EvaluationError: it is missing or something else.
        """
        value = self.fields.get(name)
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else self.text(name)


def read_lines(path: Path) -> Iterator[Line]:
    """Read the objects of a file, passing over blank lines.

    Raises:
        EvaluationError: the file cannot be read, or a line is no JSON object.
    """
    try:
        with path.open("rb") as file:
            for number, data in enumerate(file, start=1):
                text = data.removeprefix(b"\xef\xbb\xbf") if number == 1 else data
                if text.strip():
                    yield Line(path, number, _parse(path, number, text.rstrip()))
    except OSError as exc:
        raise EvaluationError(f"the file cannot be read: {exc.strerror}; check its name", path=path) from exc


def refuse_repeated(lines: dict[str, int], line: Line, id: str) -> None:  # noqa: A002 - the field's name
    """Note an id's line, and refuse one that was noted before.

    Raises:
        EvaluationError: the id is on another line too.
    """
    if id in lines:
        raise line.error(f"the id '{id}' is on line {lines[id]} too; give every line its own")
    lines[id] = line.number


def _parse(path: Path, number: int, data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as exc:
        reason = f"byte {exc.start + 1} is not UTF-8; save the file as UTF-8"
        raise EvaluationError(reason, path=path, line=number) from exc
    except json.JSONDecodeError as exc:
        reason = f"broken JSON at column {exc.colno} ({exc.msg}); write one object a line"
        raise EvaluationError(reason, path=path, line=number) from exc
    except (ValueError, RecursionError) as exc:
        raise EvaluationError("JSON that is too deep or too long; simplify it", path=path, line=number) from exc
    if not isinstance(value, dict):
        raise EvaluationError(f"{_shown(value)} is no JSON object; write one a line", path=path, line=number)
    return value


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
