"""`make setup` works once and is quick after; `make help` hides no target; the image holds what it starts."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from devtools import setup
from devtools.embedded import CHECKOUT


@pytest.fixture
def steps(tmp_path, monkeypatch):
    """Put a stand-in checkout under setup and write down which steps it takes."""
    taken = []
    venv = tmp_path / ".venv"
    monkeypatch.setattr(setup, "VENV", venv)
    monkeypatch.setattr(setup, "_STAMP", venv / ".bahi-setup")
    monkeypatch.setattr(setup, "REQUIREMENTS", tmp_path / "dev.txt")
    monkeypatch.setattr(setup, "_uv", lambda: None)
    monkeypatch.setattr(setup, "_works", lambda **_: (venv / "whole").exists())
    (tmp_path / "dev.txt").write_text("django==5.2 --hash=sha256:00\n")

    def make(_uv):
        taken.append("make")
        venv.mkdir()
        (venv / "whole").touch()

    monkeypatch.setattr(setup, "_make", make)
    monkeypatch.setattr(setup, "_install", lambda _uv: taken.append("install"))
    return taken


def test_the_second_setup_does_nothing(steps):
    setup.ensure()
    setup.ensure()

    assert steps == ["make", "install"]


def test_changed_requirements_are_installed_into_the_same_environment(steps):
    setup.ensure()
    setup.REQUIREMENTS.write_text("django==5.2.1 --hash=sha256:11\n")
    setup.ensure()

    assert steps == ["make", "install", "install"]


def test_an_environment_whose_interpreter_is_gone_is_made_anew(steps):
    setup.ensure()
    (setup.VENV / "whole").unlink()
    setup.ensure()

    assert steps == ["make", "install", "make", "install"]


def test_an_interrupted_installation_is_not_taken_for_done(steps, monkeypatch):
    def fail(_uv):
        raise setup.SetupFailed("no network")

    with monkeypatch.context() as patch:
        patch.setattr(setup, "_install", fail)
        with pytest.raises(setup.SetupFailed):
            setup.ensure()
    setup.ensure()

    assert steps == ["make", "install"]


def test_an_old_python_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(setup, "_OLDEST", (sys.version_info.major, sys.version_info.minor + 1))

    with pytest.raises(setup.SetupFailed, match="or newer is needed"):
        setup.ensure()


def test_help_lists_every_target_that_is_meant_to_be_called():
    makefile = (CHECKOUT / "Makefile").read_text()
    listed = subprocess.run(
        ["make", "-s", "help"], cwd=CHECKOUT, capture_output=True, text=True, timeout=30, check=True
    ).stdout  # fmt: skip

    described = re.findall(r"^([a-z]+):.*## (.+)$", makefile, re.MULTILINE)
    assert {"help", "setup", "demo", "run", "test", "check", "lock", "clean"} <= {name for name, _ in described}
    for name, description in described:
        assert re.search(rf"make {name} +{re.escape(description)}", listed)


def test_the_image_lets_in_what_it_copies():
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (CHECKOUT / "Dockerfile").read_text(), re.MULTILINE)
    allowed = {line[1:] for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    sources = {source for line in copied for source in line.split()}
    assert sources == allowed
    assert all((CHECKOUT / source).exists() for source in sources - {"templates"})


def test_the_image_collects_its_files_with_the_code_that_it_has_and_where_it_looks_for_them():
    dockerfile = (CHECKOUT / "Dockerfile").read_text()

    # The local settings install devtools, which the image does not hold.
    assert "config.settings.local" not in dockerfile
    assert dockerfile.count("STATIC_ROOT=/app/staticfiles") == 2


def test_the_image_builds_from_source_only_what_was_never_published_as_a_wheel():
    requirements = (CHECKOUT / "requirements" / "base.txt").read_text()

    assert "--no-binary=docopt " in (CHECKOUT / "Dockerfile").read_text()
    assert "\ndocopt==0.6.2 " in requirements, "docopt has gone or changed: Dockerfile need not except it any more"
