import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent


def read_pins() -> list[Requirement]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]


def names(requirements: list[Requirement]) -> list[str]:
    return sorted(canonicalize_name(requirement.name) for requirement in requirements)


def test_requirements_and_pyproject_name_the_same_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = project["dependencies"] + project["optional-dependencies"]["full"]
    assert names(read_pins()) == names([Requirement(line) for line in named])


def test_every_requirement_is_pinned_exactly():
    loose = [
        str(pin)
        for pin in read_pins()
        if [specifier.operator for specifier in pin.specifier] != ["=="] or "*" in str(pin.specifier)
    ]
    assert not loose, f"write name==version in requirements.txt for: {', '.join(loose)}"
