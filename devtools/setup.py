"""
`make setup`: the virtual environment in `.venv`, with exactly the hashed requirements.

Runs under any Python 3.11 or newer with nothing installed. The second time it only compares a stamp.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
REQUIREMENTS = CHECKOUT / "requirements" / "dev.txt"
_STAMP = VENV / ".bahi-setup"
_OLDEST = (3, 11)


class SetupFailed(RuntimeError):
    """The virtual environment could not be made; the message says what to install or do."""


def main() -> int:
    """Make or refresh the virtual environment; return the exit code."""
    state = CHECKOUT / ".bahi"
    state.mkdir(exist_ok=True)
    try:
        with (state / "setup.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            ensure()
    except (SetupFailed, OSError) as failed:
        print(f"make setup: {failed}", file=sys.stderr)
        return 1
    return 0


def ensure() -> None:
    """
    Bring `.venv` to the state that the requirements file describes.

    :raises SetupFailed: if this Python is too old or a step fails
    """
    if sys.version_info < _OLDEST:
        raise SetupFailed(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}.")
    wanted = fingerprint()
    if _STAMP.exists() and _STAMP.read_text() == wanted and _works():
        return
    uv = _uv()
    if VENV.exists() and not _works(with_pip=uv is None):
        shutil.rmtree(VENV)
    if not VENV.exists():
        print(f"Making .venv with Python {sys.version.split()[0]} ...", flush=True)
        _make(uv)
    print("Installing the requirements by their hashes ...", flush=True)
    _install(uv)
    _STAMP.write_text(wanted)


def fingerprint() -> str:
    """Return what the installed state depends on: the requirements, and where the environment lies."""
    return f"{hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()} {VENV}\n"


def _works(*, with_pip: bool = False) -> bool:
    """Tell whether the environment's interpreter runs and is new enough: a copied or upgraded one may not be."""
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
        return None
    return found if works else None


def _make(uv: str | None) -> None:
    if uv is not None:
        _run([uv, "venv", "--quiet", "--python", sys.executable, str(VENV)])
        return
    if importlib.util.find_spec("ensurepip") is None:
        raise SetupFailed(
            "this Python cannot make virtual environments with pip. Install your system's package for it "
            f"(Debian, Ubuntu: apt install python3.{sys.version_info.minor}-venv), or install uv, or name another "
            "Python: make setup PYTHON=/path/to/python3.12"
        )
    _run([sys.executable, "-m", "venv", str(VENV)])


def _install(uv: str | None) -> None:
    if uv is not None:
        try:
            _run(
                [
                    uv,
                    "pip",
                    "sync",
                    "--quiet",
                    "--python",
                    str(VENV / "bin/python"),
                    "--require-hashes",
                    str(REQUIREMENTS),
                ]
            )
            return
        except SetupFailed:
            if not _works(with_pip=True):
                raise
    _run(
        [
            str(VENV / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
            "--require-hashes", "-r", str(REQUIREMENTS),
        ]
    )  # fmt: skip


def _run(command: list[str]) -> None:
    # pip as root warns about system packages; this is a virtual environment.
    env = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    code = subprocess.run(command, cwd=CHECKOUT, env=env, stdin=subprocess.DEVNULL, check=False).returncode
    if code != 0:
        raise SetupFailed(f"this failed with exit code {code}:\n  {' '.join(command)}")
