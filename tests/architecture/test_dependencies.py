"""What is installed is what was chosen: every package, needed directly or not, at one version."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PACKAGES = ("ltengine", "service", "worker", "ltforge", "migrations")


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    stated = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    return {canonicalize_name(one.name): str(one.specifier) for one in stated}


def needed(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> set[str]:
    """The names of all that a distribution needs here, itself left out."""
    if (name, extras) in seen:
        return set()
    seen.add((name, extras))
    found: set[str] = set()
    for text in metadata.requires(name) or []:
        requirement = Requirement(text)
        contexts = [{"extra": extra} for extra in extras | {""}]
        if requirement.marker and not any(requirement.marker.evaluate(one) for one in contexts):
            continue
        required = canonicalize_name(requirement.name)
        found |= {required} | needed(required, frozenset(requirement.extras), seen)
    return found


def test_l1_everything_installed_for_the_service_has_a_pinned_version() -> None:
    chosen = pinned()

    # Its own extras name it again.
    for name in sorted(needed("ltforge", frozenset({"server", "dev"}), set()) - {"ltforge"}):
        assert name in chosen, f"constraints.txt does not pin {name}"
        assert re.fullmatch(r"==[0-9][0-9a-z.+]*", chosen[name]), f"{name}{chosen[name]}"


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (ROOT / package).rglob("*.py")


def test_l1_nothing_of_ours_loads_code_from_files_it_was_given() -> None:
    forbidden = re.compile(
        r"trust_remote_code|weights_only\s*=\s*False|\btorch\.load\(|\bpickle\.loads?\("
        r"|\byaml\.(unsafe_)?load\(|\bmarshal\.loads?\(|\bjoblib\.load\(|(?<![\w.])(eval|exec)\("
    )
    for path in sources():
        assert not forbidden.search(path.read_text()), path
