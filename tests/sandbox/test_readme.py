"""The sandbox's README, as a stranger follows it: a copy of the folder, started alone, with the commands in their order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

import sandbox

FOLDER = Path(sandbox.__file__).parent
README = (FOLDER / "README.md").read_text()
#: A command block with what it prints, if the README shows that.
STEPS = re.findall(r"```sh\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", README, re.DOTALL)
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
MARK = "----- next step"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that has a copy of the sandbox's folder, and nothing else."""
    directory = tmp_path_factory.mktemp("alone")
    shutil.copytree(FOLDER, directory / "sandbox", ignore=shutil.ignore_patterns("__pycache__"))
    return directory


@pytest.fixture(scope="module")
def ports(copy: Path) -> Iterator[dict[str, str]]:
    """The ports of a sandbox that runs from the copy, by those that the README names."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SANDBOX_", "PYTHONPATH"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox"],
        cwd=copy,
        env={**kept, "SANDBOX_PORT": "0", "SANDBOX_SMTP_PORT": "0"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        found = re.fullmatch(
            r"sandbox ready: http http://127\.0\.0\.1:(\d+) smtp 127\.0\.0\.1:(\d+) control .*\n", ready
        )
        assert found is not None, ready
        yield {"9000": found[1], "9025": found[2]}
    finally:
        process.terminate()
        process.wait(60)


def with_ports(text: str, ports: dict[str, str]) -> str:
    return re.sub(r"\b(9000|9025)\b", lambda match: ports[match[1]], text)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the commands are of curl")
def test_the_commands_print_what_the_readme_shows(copy: Path, ports: dict[str, str]) -> None:
    requests.post(f"http://127.0.0.1:{ports['9000']}/__sim__/reset", timeout=10).raise_for_status()
    script = f"\necho '{MARK}'\n".join(with_ports(command, ports) for command, _ in STEPS)

    done = subprocess.run(
        ["sh", "-c", script],
        cwd=copy,
        env={"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    printed = [part.removeprefix("\n") for part in done.stdout.split(f"{MARK}\n")]
    assert printed == [output for _, output in STEPS], done.stderr


def test_there_are_commands_to_run() -> None:
    assert len([output for _, output in STEPS if output]) >= 10
    assert "python -m sandbox\n" in README


@pytest.mark.parametrize(("number", "printed"), [(0, "created\n"), (1, "True True\n0\n")])
def test_the_programs_run(copy: Path, ports: dict[str, str], number: int, printed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", with_ports(PROGRAMS[number], ports)],
        cwd=copy,
        env={"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (done.stdout, done.returncode) == (printed, 0), done.stderr
    assert len(PROGRAMS) == 2
