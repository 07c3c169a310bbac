"""Check what pip-audit and pip-licenses found: every package must have been looked up, and its licence be allowed.

pip-audit ends well when it cannot reach the database of vulnerabilities; here that is a failure to audit, not a result.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ALLOWED = frozenset({
    "0BSD", "2-Clause BSD License", "3-Clause BSD License", "Apache 2.0 License", "Apache License 2.0",
    "Apache Software License", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD", "BSD License", "BSD-2-Clause",
    "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "CNRI-Python", "ISC", "ISC License (ISCL)", "MIT", "MIT License", "MIT-0",
    "MIT-CMU", "MPL-2.0", "Mozilla Public License 2.0 (MPL 2.0)", "PSF-2.0", "Python Software Foundation License",
    "The Unlicense (Unlicense)", "Unlicense", "Zlib",
})  # fmt: skip
"""Licences that let anyone use, change and sell the whole; MPL asks only that changes to its own files be open."""

EXPLAINED = {"pypdfium2": "BSD-3-Clause, Apache-2.0, dependency licenses"}
"""Packages with licences in words of their own that were read: PDFium comes with libraries under permissive ones."""


def check_vulnerabilities(found: Mapping[str, Any]) -> list[str]:
    """Say what is known against packages, and of which nothing could be learnt."""
    packages = found["dependencies"]
    problems = [
        f"{package['name']} {package['version']}: {known['id']}, corrected in {', '.join(known['fix_versions']) or '-'}"
        for package in packages
        for known in package.get("vulns", ())
    ]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    if unknown or not packages:
        problems.append(
            f"NOT AUDITED: {len(unknown)} of {len(packages)} packages could not be looked up in the database of "
            "vulnerabilities; nothing is known of them, run 'make audit' with a network that reaches it"
        )
    return problems


def check_licences(found: Sequence[Mapping[str, str]]) -> list[str]:
    """Say which packages have a licence that is not allowed, or an unknown one."""
    return [
        f"{package['Name']} {package['Version']}: the licence '{package['License']}' is not on the list of allowed ones"
        for package in found
        if EXPLAINED.get(package["Name"]) != package["License"] and not is_allowed(package["License"])
    ]


def is_allowed(licence: str) -> bool:
    """Tell whether a licence is allowed: of those joined by AND all must be, of those joined by OR one."""
    needed = [re.sub(r"^\((.*)\)$", r"\1", choice) for choice in re.split(" AND |; |, ", licence)]
    return all(any(one in ALLOWED for one in choice.split(" OR ")) for choice in needed)


def main(vulnerabilities: str, licences: str) -> int:
    """Print the problems in two files of JSON, and return how many kinds of check have failed."""
    known, read = Path(vulnerabilities), Path(licences)
    audited = json.loads(known.read_text("utf-8")) if known.exists() else {"dependencies": []}  # pip-audit broke off
    checks = {
        "vulnerabilities": check_vulnerabilities(audited),
        "licences": check_licences(json.loads(read.read_text("utf-8"))),
    }
    for name, problems in checks.items():
        print(f"{name}: {'FAILED' if problems else 'nothing found'}")
        print("".join(f"  {problem}\n" for problem in problems), end="")
    return sum(map(bool, checks.values()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
