"""`python -m sandbox` as others start it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[2]


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_is_ready_and_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    snapshot = tmp_path / "sandbox.json"
    process = start("--snapshot", str(snapshot), SANDBOX_PORT="0", SANDBOX_SMTP_PORT="0", SANDBOX_SEED="9")
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        match = re.fullmatch(r"sandbox ready: http (\S+) smtp 127\.0\.0\.1:\d+ control \S+/__sim__/\n", ready)
        assert match, ready
        with requests.Session() as session:
            session.trust_env = False
            assert session.get(f"{match[1]}/__sim__/health", timeout=10).json()["seed"] == 9
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()

    assert (process.returncode, output, errors) == (0, "", "")
    assert snapshot.exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--host", "0.0.0.0"], "loopback only"),
        (["--webhook-url", "https://example.com/"], "loopback only"),
    ],
)
def test_it_refuses_to_leave_the_machine(arguments: list[str], complaint: str) -> None:
    process = start("--port", "0", "--smtp-port", "0", *arguments)
    output, errors = process.communicate(timeout=60)

    assert (process.returncode, output) == (2, "")
    assert complaint in errors


@pytest.mark.parametrize("option", ["--port", "--smtp-port"])
def test_a_port_that_is_in_use_is_named_with_what_to_do(option: str) -> None:
    other = {"--port": "--smtp-port", "--smtp-port": "--port"}[option]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(option, str(port), other, "0")
        output, errors = process.communicate(timeout=60)

    sentence = (
        f"The sandbox cannot listen on port {port} (Address already in use). Choose another port, or 0 for a free one."
    )
    assert (process.returncode, output, errors) == (2, "", f"sandbox: {sentence}\n")


def test_packages_that_are_missing_are_named_with_what_to_do() -> None:
    process = subprocess.run(
        [sys.executable, "-S", "-m", "sandbox"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    sentence = "Not installed: werkzeug, requests, aiosmtpd. Run: pip install werkzeug requests aiosmtpd"
    assert (process.returncode, process.stdout, process.stderr) == (2, "", f"sandbox: {sentence}\n")


def test_help_teaches_how_to_use_it() -> None:
    output, _ = start("--help").communicate(timeout=60)

    for text in ("RAZORPAY_BASE_URL", "MSG91_BASE_URL", "EMAIL_URL", "SANDBOX_PORT", "/__sim__/", "--snapshot"):
        assert text in output


def test_it_imports_nothing_of_the_product() -> None:
    code = "import sys, sandbox.__main__, sandbox.server; print([m for m in sys.modules if m.split('.')[0] in {'apps', 'django'}])"
    output = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert output == "[]\n"
