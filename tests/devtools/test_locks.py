"""The locks are complete: what they pin needs nothing else, so that no release of tomorrow can stop an installation."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
import zipfile
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from devtools import setup
from devtools.embedded import CHECKOUT

REQUIREMENTS = CHECKOUT / "requirements"
LOCKS = ["base", "local", "dev"]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)(?: ; ([^\\\n]+?))? \\$", re.MULTILINE)
#: The systems that a lock serves, beside the one that the tests run on.
SYSTEMS = [
    {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"},
    {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
]
PYTHONS = ["3.11.7", "3.12.1", "3.13.0"]


@cache
def pins(lock: str) -> list[tuple[str, str, Marker | None]]:
    """Return name, version and marker of all that a lock pins."""
    found = _PIN.findall((REQUIREMENTS / f"{lock}.txt").read_text())
    return [(canonicalize_name(name), version, Marker(marker) if marker else None) for name, version, marker in found]


def pinned(lock: str, environment: dict[str, str]) -> dict[str, str]:
    """Return what of a lock is installed in an environment, by name."""
    return {name: version for name, version, marker in pins(lock) if marker is None or marker.evaluate(environment)}


def environments() -> list[dict[str, str]]:
    return [
        {**system, "python_full_version": python, "python_version": python.rpartition(".")[0],
         "implementation_name": "cpython", "platform_python_implementation": "CPython", "extra": ""}
        for system in SYSTEMS
        for python in PYTHONS
    ]  # fmt: skip


def wanted_extras(lock: str) -> set[tuple[str, str]]:
    """Return the extras that the inputs of a lock ask for themselves."""
    files = [REQUIREMENTS / f"{name}.in" for name in LOCKS[: LOCKS.index(lock) + 1]]
    asked = {
        match for file in files for match in re.findall(r"^([a-z0-9-]+)\[([^\]]+)\]", file.read_text(), re.MULTILINE)
    }
    return {(canonicalize_name(name), extra) for name, extras in asked for extra in extras.split(",")}


def unmet(lock: str, environment: dict[str, str]) -> list[str]:
    """Follow the requirements of a lock's packages, those of the extras that somebody asks for included; return the unmet ones."""
    available = pinned(lock, environment)
    missing = []
    asked = {(name, "") for name in available} | wanted_extras(lock)
    done: set[tuple[str, str]] = set()
    while asked - done:
        name, extra = (asked - done).pop()
        done.add((name, extra))
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # pinned for another system or Python than this one
        if distribution.version != available.get(name):
            continue
        for text in distribution.requires or []:
            requirement = Requirement(text)
            if requirement.marker and not requirement.marker.evaluate({**environment, "extra": extra}):
                continue
            wanted = canonicalize_name(requirement.name)
            if (
                not requirement.specifier.contains(available.get(wanted, ""), prereleases=True)
                if wanted in available
                else True
            ):
                missing.append(
                    f"{name}{f'[{extra}]' if extra else ''} needs {requirement}, the lock has {available.get(wanted)}"
                )
                continue
            asked |= {(wanted, one) for one in requirement.extras}
    return sorted(missing)


class TestLock:
    @pytest.mark.parametrize("lock", LOCKS)
    def test_satisfies_each_requirement_of_its_packages(self, lock: Any) -> None:
        assert len(pins(lock)) > 60

        found = {text for environment in environments() for text in unmet(lock, environment)}

        assert found == set()

    def test_missing_package_of_an_extra_is_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        without = [pin for pin in pins("base") if pin[0] != "hiredis"]
        monkeypatch.setattr(sys.modules[__name__], "pins", lambda _lock: without)

        assert any("hiredis" in text and "[hiredis]" in text for text in unmet("base", environments()[0]))

    @pytest.mark.parametrize(("smaller", "larger"), [("base", "local"), ("local", "dev")])
    def test_larger_lock_holds_the_same_releases(self, smaller: Any, larger: Any) -> None:
        assert set(map(str, pins(smaller))) <= set(map(str, pins(larger)))

    def test_each_pin_has_a_hash(self) -> None:
        for lock in LOCKS:
            blocks = re.split(r"\n(?=\S)", (REQUIREMENTS / f"{lock}.txt").read_text())
            unhashed = [
                block.split()[0] for block in blocks if "==" in block.split("\n")[0] and "--hash=sha256:" not in block
            ]
            assert unhashed == []

    def test_every_python_gets_the_same_release(self) -> None:
        split = {name for name, _, _ in pins("dev") if [pin[0] for pin in pins("dev")].count(name) > 1}

        assert split == set()

    def test_what_builds_a_source_release_is_the_pinned_one(self) -> None:
        ((name, version),) = re.findall(r"^(\S+)==(\S+)$", (REQUIREMENTS / "build.txt").read_text(), re.MULTILINE)

        assert (name, version) in [pin[:2] for pin in pins("dev")]


class TestPipInstall:
    def test_newer_releases_on_the_index_change_nothing(self, tmp_path: Path) -> None:
        """
        The index offers, beside each locked release, one of next week.

        Names, versions, requirements and extras are the real ones;
        the files are empty, so that the test needs no network. A pip that resolves takes the newer one or gives up.
        """
        index, lock = tmp_path / "index", tmp_path / "lock.txt"
        index.mkdir()
        installed = {name: version for name, version in pinned("dev", _here()).items() if _requires(name) is not None}
        lines = []
        for name, version in installed.items():
            wheel = make_wheel(index, name, version, _requires(name) or [])
            make_wheel(index, name, "9999", _requires(name) or [])
            lines.append(f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}")
        lock.write_text("\n".join(lines) + "\n")
        subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True, timeout=120)

        command = setup.build_pip_command(tmp_path / "venv/bin/python", lock)
        outcome = subprocess.run(
            [*command, "--no-index", "--find-links", index], capture_output=True, text=True, timeout=300, check=False
        )

        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
        listed = subprocess.run(
            [tmp_path / "venv/bin/python", "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
        ).stdout  # fmt: skip
        versions = {
            canonicalize_name(name): version for name, _, version in (line.partition("==") for line in listed.split())
        }
        assert {name: versions.get(name) for name in installed} == installed


def _here() -> dict[str, str]:
    from packaging.markers import default_environment

    return {**default_environment(), "extra": ""}


def _requires(name: str) -> list[str] | None:
    try:
        return metadata.distribution(name).requires or []
    except metadata.PackageNotFoundError:
        return None


def make_wheel(folder: Path, name: str, version: str, requires: list[str]) -> Path:
    """Write a wheel that holds its metadata alone."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    extras = sorted({extra for text in requires for extra in re.findall(r"extra == ['\"]([^'\"]+)['\"]", text)})
    meta = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    meta += [f"Provides-Extra: {extra}" for extra in extras] + [f"Requires-Dist: {text}" for text in requires]
    files = {
        f"{info}/METADATA": "\n".join(meta) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}"
        for path, text in files.items()
    ]
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": "\n".join([*digests, f"{info}/RECORD,,"]) + "\n"}.items():
            archive.writestr(path, text)
    return wheel
