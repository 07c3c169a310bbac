"""The lock, and the checks of `make audit`, which themselves need a network."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from check import check_licences, check_vulnerabilities, is_allowed, main

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements.lock", "requirements-cpu.lock")


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!;\[ ]", one)[0].lower().replace("_", "-") for one in requirements}


def locked(file: str) -> dict[str, str]:
    """Map each package of a lock to its entry."""
    entries = re.findall(r"^[a-z0-9].*\n(?: .*\n)*", (ROOT / file).read_text("utf-8"), re.MULTILINE)
    return {entry.split("==")[0]: entry for entry in entries}


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_has_every_dependency_with_hashes_and_names_no_host(lock: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    missing = names(project["dependencies"]) - set(locked(lock))
    assert missing == (set() if lock == "requirements.lock" else {"torch"}), "run 'make lock'"
    assert [name for name, entry in locked(lock).items() if "--hash=sha256:" not in entry] == []
    assert not re.search(r"://|--(extra-)?index|--find-links", (ROOT / lock).read_text("utf-8"))


def test_torch_is_locked_as_the_constraints_say() -> None:
    (pinned,) = re.findall(r"^torch==(\S+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    assert locked("requirements.lock")["torch"].startswith(f"torch=={pinned} ")


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("BSD License; MIT License", True),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("Mozilla Public License 2.0 (MPL 2.0)", True),
        ("Apache-2.0 AND Apache-2.0 WITH LLVM-exception AND MIT", True),
        ("GPL-3.0-or-later OR MIT", True),
        ("MIT AND GPL-2.0-only", False),
        ("GNU Affero General Public License v3", False),
        ("GPLv3", False),
        ("UNKNOWN", False),
        ("", False),
        ("MIT-like", False),
    ],
)
def test_licences_are_allowed_by_name_only(licence: str, allowed: bool) -> None:
    assert is_allowed(licence) is allowed
    found = check_licences([{"Name": "x", "Version": "1", "License": licence}])
    assert found == ([] if allowed else [f"x 1: the licence '{licence}' is not on the list of allowed ones"])


def test_an_explained_licence_counts_only_as_it_was_explained() -> None:
    read = {"Name": "pypdfium2", "Version": "5", "License": "BSD-3-Clause, Apache-2.0, dependency licenses"}
    assert check_licences([read]) == []
    assert check_licences([read | {"License": "dependency licenses"}]) != []


def test_what_could_not_be_looked_up_is_not_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound = {"name": "a", "version": "1", "vulns": []}
    known = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
    unknown = {"name": "c", "skip_reason": "could not be audited"}
    assert check_vulnerabilities({"dependencies": [sound]}) == []
    assert check_vulnerabilities({"dependencies": [sound, known]}) == ["b 2: CVE-1, corrected in 3"]
    (problem,) = check_vulnerabilities({"dependencies": [sound, unknown]})
    assert problem.startswith("NOT AUDITED: 1 of 2 packages could not be looked up")
    assert check_vulnerabilities({"dependencies": []}) != []

    for name, value in (("known", {"dependencies": [unknown]}), ("licences", [])):
        (tmp_path / name).write_text(json.dumps(value))
    assert main(str(tmp_path / "known"), str(tmp_path / "licences")) == 1
    assert capsys.readouterr().out.startswith("vulnerabilities: FAILED\n  NOT AUDITED: 1 of 1")
    assert main(str(tmp_path / "missing"), str(tmp_path / "licences")) == 1
    assert "NOT AUDITED: 0 of 0" in capsys.readouterr().out
