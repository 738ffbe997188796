"""`make setup` works once and is quick after; `make help` hides no target; the image holds what it starts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Never

import pytest

from devtools import setup
from devtools.embedded import CHECKOUT

LOCAL, DEV = setup.PackageSet


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put a stand-in checkout under setup and write down which steps it takes."""
    taken = []
    venv = tmp_path / ".venv"
    monkeypatch.setattr(setup, "VENV", venv)
    monkeypatch.setattr(setup, "REQUIREMENTS", tmp_path)
    monkeypatch.setattr(setup, "_uv", lambda: None)
    monkeypatch.setattr(setup, "_works", lambda **_: (venv / "whole").exists())
    for package_set in setup.PackageSet:
        package_set.lock.write_text("django==5.2 --hash=sha256:00\n")

    def make(_uv: Any) -> None:
        taken.append("make")
        venv.mkdir()
        (venv / "whole").touch()

    monkeypatch.setattr(setup, "_make", make)
    monkeypatch.setattr(setup, "_install", lambda _uv, lock: taken.append(lock.stem))
    return taken


class TestEnsure:
    def test_second_setup_does_nothing(self, steps: Any) -> None:
        setup.ensure(LOCAL)
        setup.ensure(LOCAL)

        assert steps == ["make", "local"]

    def test_demo_and_run_install_no_development_tools(self, steps: Any) -> None:
        makefile = (CHECKOUT / "Makefile").read_text()

        needs = dict(re.findall(r"^(demo|run|test|check): (setup(?:-dev)?)\b", makefile, re.MULTILINE))

        assert needs == {"demo": "setup", "run": "setup", "test": "setup-dev", "check": "setup-dev"}

    def test_development_tools_are_added_to_the_same_environment(self, steps: Any) -> None:
        setup.ensure(LOCAL)
        setup.ensure(DEV)

        assert steps == ["make", "local", "dev"]

    def test_development_tools_include_what_runs_bahi(self, steps: Any) -> None:
        setup.ensure(DEV)
        setup.ensure(LOCAL)

        assert steps == ["make", "dev"]

    def test_changed_lock_is_installed_into_the_same_environment(self, steps: Any) -> None:
        setup.ensure(DEV)
        DEV.lock.write_text("django==5.2.1 --hash=sha256:11\n")
        setup.ensure(DEV)

        assert steps == ["make", "dev", "dev"]

    def test_environment_without_interpreter_is_made_again(self, steps: Any) -> None:
        setup.ensure(DEV)
        (setup.VENV / "whole").unlink()
        setup.ensure(DEV)

        assert steps == ["make", "dev", "make", "dev"]

    def test_interrupted_installation_is_not_taken_for_done(self, steps: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(_uv: Any, _lock: Any) -> Never:
            raise setup.SetupFailed("no network")

        setup.ensure(LOCAL)
        with monkeypatch.context() as patch:
            patch.setattr(setup, "_install", fail)
            with pytest.raises(setup.SetupFailed):
                setup.ensure(DEV)
        setup.ensure(LOCAL)

        assert steps == ["make", "local", "local"]

    def test_environment_of_another_place_is_not_touched(self, steps: Any, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        setup.VENV.symlink_to(tmp_path / "elsewhere")

        with pytest.raises(setup.SetupFailed, match="is a symbolic link"):
            setup.ensure(LOCAL)

        assert (steps, (tmp_path / "elsewhere").is_dir()) == ([], True)

    def test_old_python_is_refused_by_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(setup, "_OLDEST", (sys.version_info.major, sys.version_info.minor + 1))

        with pytest.raises(setup.SetupFailed, match="or newer is needed"):
            setup.ensure(LOCAL)


class TestProgress:
    def run(self, script: Any, count: Any) -> None:
        setup._run_with_progress([sys.executable, "-c", script], count)

    def test_packages_are_counted_and_warnings_hidden(self, capsys: pytest.CaptureFixture[str]) -> None:
        lines = ["WARNING: a location is ignored", *(f"Collecting p{n}==1" for n in range(30)), "Processing q.whl"]

        self.run(f"print({chr(10).join([*lines, 'Installing collected packages: p'])!r})", 31)

        assert capsys.readouterr().out == "  25 of 31\n  31 fetched, now unpacking ...\n"

    def test_failure_says_what_pip_said_and_no_warning(self) -> None:
        with pytest.raises(setup.SetupFailed) as failed:
            self.run("print('WARNING: ' + 'no' + 'ise'); print('ERROR: no space left'); exit(2)", 1)

        assert "exit code 2" in str(failed.value)
        assert str(failed.value).endswith("\nERROR: no space left")
        assert "noise" not in str(failed.value)


def test_help_lists_every_target_that_is_meant_to_be_called() -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    listed = subprocess.run(
        ["make", "-s", "help"], cwd=CHECKOUT, capture_output=True, text=True, timeout=30, check=True
    ).stdout  # fmt: skip

    described = re.findall(r"^([a-z-]+):.*## (.+)$", makefile, re.MULTILINE)
    assert {"help", "setup", "setup-dev", "demo", "run", "test", "test-pythons", "check", "lock", "clean"} <= {
        name for name, _ in described
    }
    for name, description in described:
        assert re.search(rf"make {name} +{re.escape(description)}", listed)


def test_the_image_lets_in_what_it_copies() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (CHECKOUT / "Dockerfile").read_text(), re.MULTILINE)
    allowed = {line[1:] for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    sources = {source for line in copied for source in line.split()}
    assert sources == allowed
    assert all((CHECKOUT / source).exists() for source in sources - {"templates"})


def test_the_image_collects_its_files_with_the_code_that_it_has_and_where_it_looks_for_them() -> None:
    dockerfile = (CHECKOUT / "Dockerfile").read_text()

    # The local settings install devtools, which the image does not hold.
    assert "config.settings.local" not in dockerfile
    assert dockerfile.count("STATIC_ROOT=/app/staticfiles") == 2


def test_the_image_builds_from_source_only_what_was_never_published_as_a_wheel() -> None:
    requirements = (CHECKOUT / "requirements" / "base.txt").read_text()

    assert "--no-deps --require-hashes" in (CHECKOUT / "Dockerfile").read_text()
    assert "--no-binary=docopt " in (CHECKOUT / "Dockerfile").read_text()
    assert "\ndocopt==0.6.2 " in requirements, "docopt has gone or changed: Dockerfile need not except it any more"
