"""
`make test-pythons`: the demonstration and a part of the tests under each other Python that Bahi supports and this machine has.

Each runs in a copy of the checkout of its own, set up from nothing, and the last lines say which versions were tested.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from devtools.setup import CHECKOUT

SUPPORTED = ("3.11", "3.12", "3.13")
#: What differs between Pythons shows in the language's own work: numbers, dates, parsing, typing. The rest is the demonstration.
_TESTS = "tests/tax tests/core tests/orders"


def main() -> int:
    """Test each supported Python that is found and is not this one; return 1 if one of them fails."""
    this = f"{sys.version_info.major}.{sys.version_info.minor}"
    outcomes = {this: f"used here ({sys.version.split()[0]}), all targets"}
    for version in SUPPORTED:
        if version == this:
            continue
        python = find_python(version)
        if python is None:
            outcomes[version] = "not on the PATH, not tried"
            continue
        print(f"\n== Python {version}: {python}", flush=True)
        failed = _test_python(python)
        outcomes[version] = (
            f"FAILED at `make {failed}`" if failed else "passed (demo, " + _TESTS.replace(" ", ", ") + ")"
        )

    print("\nPythons:", *(f"  {version}: {outcome}" for version, outcome in sorted(outcomes.items())), sep="\n")
    return int(any(outcome.startswith("FAILED") for outcome in outcomes.values()))


def find_python(version: str) -> str | None:
    """Return the command of a Python that runs and is of this version; a version manager's shim may exist and not run."""
    command = shutil.which(f"python{version}")
    if command is None:
        return None
    code = f"import sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != {version!r})"
    works = subprocess.run([command, "-c", code], capture_output=True, timeout=60, check=False).returncode == 0
    return command if works else None


def _test_python(python: str) -> str:
    """Run the targets in a copy of the checkout; return the one that failed, or nothing."""
    with tempfile.TemporaryDirectory(prefix="bahi-python-") as folder:
        copy = Path(folder) / "bahi"
        _copy_checkout(copy)
        # A copy is no part of the make that runs this: its flags, its environment and its job server end here.
        env = {
            name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "VIRTUAL_ENV"))
        }
        for target, *variables in (["demo"], ["test", f"TESTS={_TESTS}"]):
            call = ["make", target, f"PYTHON={python}", *variables]
            if subprocess.run(call, cwd=copy, env=env, stdin=subprocess.DEVNULL, check=False).returncode != 0:
                return target
    return ""


def _copy_checkout(target: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        source = CHECKOUT / name
        if source.exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name, follow_symlinks=False)
    # The tests ask git which files are the project's.
    subprocess.run(["git", "init", "--quiet"], cwd=target, check=True)
    subprocess.run(["git", "add", "--all"], cwd=target, check=True)
