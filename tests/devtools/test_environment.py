"""The development environment: secrets once, the user's values first, the demonstration deaf to them."""

from __future__ import annotations

import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from devtools import environment
from devtools.environment import Ports
from sandbox.settings import Settings
from sandbox.state import World

PORTS = Ports(8100, 9100, 9125)


@pytest.fixture(autouse=True)
def _own_secrets_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment.ensure_secrets, "__defaults__", (tmp_path / "dev.env",))


def test_secrets_are_made_once_and_are_for_their_owner_alone(tmp_path: Path) -> None:
    first = environment.ensure_secrets(tmp_path / "a/dev.env")
    second = environment.ensure_secrets(tmp_path / "a/dev.env")

    assert first == second
    assert sorted(first) == ["JWT_SIGNING_KEY", "OTP_PEPPER", "SECRET_KEY"]
    assert len(set(first.values())) == 3
    assert min(len(value) for value in first.values()) >= 50
    assert stat.S_IMODE((tmp_path / "a/dev.env").stat().st_mode) == 0o600


def test_a_secret_that_the_file_lacks_is_added_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "dev.env"
    path.write_text("SECRET_KEY=kept\n")

    found = environment.ensure_secrets(path)

    assert found["SECRET_KEY"] == "kept"
    assert environment.ensure_secrets(path) == found
    assert len(found) == 3


def test_what_the_user_has_set_wins(tmp_path: Path) -> None:
    user = {"PATH": "/usr/bin", "SECRET_KEY": "theirs", "RAZORPAY_BASE_URL": "https://api.razorpay.com"}

    env = environment.build_environment({"DATABASE_URL": "ours"}, PORTS, data_dir=tmp_path, user=user)

    assert env["SECRET_KEY"] == "theirs"
    assert env["RAZORPAY_BASE_URL"] == "https://api.razorpay.com"
    assert env["MSG91_BASE_URL"] == "http://127.0.0.1:9100/msg91"
    assert env["EMAIL_URL"] == "smtp://127.0.0.1:9125"
    assert env["DATABASE_URL"] == "ours"


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    env = environment.build_environment({"DATABASE_URL": "ours"}, PORTS, data_dir=tmp_path, user={"DATABASE_URL": ""})

    assert env["DATABASE_URL"] == "ours"


def test_demo_ignores_the_users_variables(tmp_path: Path) -> None:
    user = {
        "PATH": "/usr/bin", "HOME": "/home/asha", "DATABASE_URL": "theirs", "RAZORPAY_KEY_ID": "rzp_live_theirs",
        "DJANGO_SETTINGS_MODULE": "config.settings.production", "DB_LOCK_TIMEOUT_MS": "1",
        "LATE_PAYMENT_POLICY": "refund", "REFUND_APPROVAL_THRESHOLD_PAISE": "1", "SANDBOX_URL": "http://127.0.0.1:1",
    }  # fmt: skip

    env = environment.build_environment({"DATABASE_URL": "ours"}, PORTS, data_dir=tmp_path, user=user, ignore_user=True)

    assert env["DATABASE_URL"] == "ours"
    assert env["RAZORPAY_KEY_ID"] == "rzp_test_BahiSandbox001"
    assert env["DJANGO_SETTINGS_MODULE"] == "config.settings.local"
    assert env["HOME"] == "/home/asha"
    assert env["SANDBOX_URL"] == "http://127.0.0.1:9100"
    assert not {"DB_LOCK_TIMEOUT_MS", "LATE_PAYMENT_POLICY", "REFUND_APPROVAL_THRESHOLD_PAISE"} & env.keys()


def test_a_port_in_use_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert environment.find_free_port(port) > port
        assert environment.find_free_port(port, taken={port + 1}) > port + 1


def test_the_running_stack_is_left_for_its_owner_to_read(tmp_path: Path) -> None:
    path = environment.write_stack(tmp_path, {"DATABASE_URL": "ours", "HOME": "/home/asha"})

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert environment.read_stack(tmp_path) == {"DATABASE_URL": "ours"}
    assert environment.read_stack(tmp_path / "nowhere") == {}


def test_two_stacks_that_start_at_once_choose_different_ports() -> None:
    code = "from devtools import environment as e; print(e.find_free_port({first}), flush=True); input()"
    first = environment.find_free_port(18000)
    with subprocess.Popen(
        [sys.executable, "-c", code.format(first=first)],
        cwd=environment.CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        chosen, _ = other.communicate("\n", timeout=240)

    assert int(chosen) > first


def test_the_account_is_that_of_the_sandbox(tmp_path: Path) -> None:
    account_id = World(Settings()).razorpay.account_id

    assert environment._defaults(PORTS, tmp_path)["RAZORPAY_ACCOUNT_ID"] == account_id
