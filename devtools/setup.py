"""
`make setup`: the virtual environment in `.venv`, with exactly the packages of a lock file, by their hashes.

Runs under any Python 3.11 or newer with nothing installed. The second time it only compares a stamp.

The lock is complete, so nothing is resolved: an installer that resolves looks up what is newest in the index, and a release of next
week could stop an installation that worked today.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from enum import Enum
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
REQUIREMENTS = CHECKOUT / "requirements"
_OLDEST = (3, 11)
#: On a terminal the count moves in place; in a log, one line for this many packages is enough.
_PACKAGES_PER_LINE = 25
#: How pip begins the line about a package: one from an index, and one from a folder.
_PACKAGE_TAKEN = ("Collecting ", "Processing ")


class PackageSet(Enum):
    """What is installed: `LOCAL` runs Bahi on one machine, `DEV` has the tools that check and test it as well."""

    LOCAL = "local"
    DEV = "dev"

    @property
    def lock(self) -> Path:
        return REQUIREMENTS / f"{self.value}.txt"

    @property
    def stamp(self) -> Path:
        return VENV / f".bahi-{self.value}"


class SetupFailed(RuntimeError):
    """The virtual environment could not be made; the message says what to install or do."""


def main(package_set: PackageSet = PackageSet.LOCAL) -> int:
    """Make or refresh the virtual environment; return the exit code."""
    state = CHECKOUT / ".bahi"
    state.mkdir(exist_ok=True)
    try:
        with (state / "setup.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            ensure(package_set)
    except (SetupFailed, OSError) as failed:
        print(f"make setup: {failed}", file=sys.stderr)
        return 1
    return 0


def ensure(package_set: PackageSet) -> None:
    """
    Bring `.venv` to the state that the lock of `package_set` describes; the development tools include the local parts.

    :raises SetupFailed: if this Python is too old or a step fails
    """
    if sys.version_info < _OLDEST:
        raise SetupFailed(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}.")
    if VENV.is_symlink():
        raise SetupFailed(f"{VENV} is a symbolic link to an environment that others may use. Remove the link first.")
    sufficient = {package_set, PackageSet.DEV}
    if any(_is_installed(candidate) for candidate in sufficient) and _works():
        return
    uv = _uv()
    if VENV.exists() and not _works(with_pip=uv is None):
        shutil.rmtree(VENV)
    if not VENV.exists():
        print(f"Creating .venv with Python {sys.version.split()[0]} ...", flush=True)
        _make(uv)
    for other in PackageSet:
        other.stamp.unlink(missing_ok=True)
    _install(uv, package_set.lock)
    package_set.stamp.write_text(compute_fingerprint(package_set))


def compute_fingerprint(package_set: PackageSet) -> str:
    """Return what the installed state depends on: the lock, and where the environment lies."""
    return f"{hashlib.sha256(package_set.lock.read_bytes()).hexdigest()} {VENV}\n"


def _is_installed(package_set: PackageSet) -> bool:
    return package_set.stamp.exists() and package_set.stamp.read_text() == compute_fingerprint(package_set)


def _works(*, with_pip: bool = False) -> bool:
    """Return whether the environment's interpreter runs and is new enough: a copied or upgraded one may not be."""
    modules = "sys, pip" if with_pip else "sys"
    code = f"import {modules}; sys.exit(sys.version_info < {_OLDEST})"
    try:
        return (
            subprocess.run([VENV / "bin/python", "-c", code], capture_output=True, timeout=60, check=False).returncode
            == 0
        )
    except OSError:
        return False


def _uv() -> str | None:
    """Return uv if it is there and works (a pyenv shim of that name may not), since it is many times faster."""
    found = shutil.which("uv")
    try:
        works = (
            found and subprocess.run([found, "--version"], capture_output=True, timeout=60, check=False).returncode == 0
        )
    except OSError:
        works = False
    return found if works else None


def _make(uv: str | None) -> None:
    if uv is not None:
        _run([uv, "venv", "--quiet", "--python", sys.executable, str(VENV)])
        return
    if importlib.util.find_spec("ensurepip") is None:
        raise SetupFailed(
            "This Python cannot create virtual environments with pip. Install your system's package for it "
            f"(Debian, Ubuntu: apt install python3.{sys.version_info.minor}-venv), or install uv, or name another "
            "Python: make setup PYTHON=/path/to/python3.12"
        )
    _run([sys.executable, "-m", "venv", str(VENV)])


def _install(uv: str | None, lock: Path) -> None:
    count = count_packages(lock)
    print(f"Installing {count} packages by their hashes ...", flush=True)
    if uv is not None:
        try:
            _run([uv, "pip", "sync", "--quiet", "--python", str(VENV / "bin/python"), "--require-hashes", str(lock)])
        except SetupFailed:
            if not _works(with_pip=True):
                raise
        else:
            return
    _run_with_progress(build_pip_command(VENV / "bin/python", lock), count)


def count_packages(lock: Path) -> int:
    """Return how many packages a lock pins; a few of them may be for other systems than this one."""
    return len(re.findall(r"^[A-Za-z0-9._-]+(?:\[[^\]]*\])?==", lock.read_text(), re.MULTILINE))


def build_pip_command(python: Path, lock: Path) -> list[str]:
    """Return the call of `python`'s pip that installs exactly what `lock` pins."""
    return [
        str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar=off",
        "--no-deps", "--require-hashes", "-r", str(lock),
    ]  # fmt: skip


def _environment() -> dict[str, str]:
    # One package was never published as a wheel: what builds it is pinned too, under the names that old and new pip and uv read.
    build = str(REQUIREMENTS / "build.txt")
    constraints = {"PIP_CONSTRAINT": build, "PIP_BUILD_CONSTRAINT": build, "UV_BUILD_CONSTRAINT": build}
    # pip as root warns about system packages; this is a virtual environment.
    return {**os.environ, **constraints, "PIP_ROOT_USER_ACTION": "ignore"}


def _run(command: list[str]) -> None:
    code = subprocess.run(
        command, cwd=CHECKOUT, env=_environment(), stdin=subprocess.DEVNULL, check=False
    ).returncode  # fmt: skip
    if code != 0:
        raise SetupFailed(f"This command failed with exit code {code}:\n  {' '.join(command)}")


def _run_with_progress(command: list[str], count: int) -> None:
    """Run pip, show how many packages it has, and show its output only if it fails."""
    printed: list[str] = []
    seen = 0
    with subprocess.Popen(
        command,
        cwd=CHECKOUT,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as pip:
        for line in pip.stdout or ():
            printed.append(line.rstrip())
            if line.startswith(_PACKAGE_TAKEN):
                seen += 1
                _show(f"  {seen} of {count}", ends_line=seen % _PACKAGES_PER_LINE == 0)
            elif line.startswith("Installing collected packages"):
                _show(f"  {seen} fetched, now unpacking ...", ends_line=True)
    if pip.returncode != 0:
        important = [line for line in printed if not line.startswith(("WARNING:", *_PACKAGE_TAKEN, "  "))][-15:]
        raise SetupFailed(
            f"This command failed with exit code {pip.returncode}:\n  {' '.join(command)}\n" + "\n".join(important)
        )


def _show(text: str, *, ends_line: bool) -> None:
    if sys.stdout.isatty():
        print(f"\r{text:<40}", end="\n" if text.endswith("...") else "", flush=True)
    elif ends_line:
        print(text, flush=True)
