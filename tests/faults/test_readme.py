"""The first order of the README: its commands are run as they stand, against a running stack."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from devtools.embedded import CHECKOUT
from tests.support.running_stack import WAIT_SECONDS, RunningStack

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]


def read_commands() -> str:
    """Return the commands of the README's section about the first order."""
    section = (CHECKOUT / "README.md").read_text().split("## The first order\n")[1].split("\n## ")[0]
    [block] = re.findall(r"^```\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return str(block)


def read_answers(text: str) -> list[dict[str, Any]]:
    """Return the JSON objects that are in a text one after the other, with words between them."""
    found = []
    while text := re.sub(r"^[\w\s]+", "", text):
        answer, end = json.JSONDecoder().raw_decode(text)
        found.append(answer)
        text = text[end:]
    return found


def run_in_bash(commands: str, *, path: str) -> subprocess.CompletedProcess[str]:
    """Run commands in a bash that reports variables without a value."""
    return subprocess.run(
        ["bash", "-uc", commands],
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        env={"PATH": path, "NO_PROXY": "127.0.0.1"},
        check=False,
    )


def test_a_call_that_fails_ends_the_commands_with_the_reason(tmp_path: Path) -> None:
    commands = read_commands()
    curl = tmp_path / "curl"
    curl.write_text("""#!/bin/sh\necho '{"error": {"message": "Too many attempts. Try again in 2 seconds."}}'\n""")
    curl.chmod(0o755)

    refused = run_in_bash(commands, path=f"{tmp_path}:{os.environ['PATH']}")
    curl.write_text("#!/bin/sh\nexit 7\n")
    unanswered = run_in_bash(commands, path=f"{tmp_path}:{os.environ['PATH']}")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "Too many attempts. Try again in 2 seconds.\n"
    assert (unanswered.returncode, unanswered.stdout) == (1, "")
    assert unanswered.stderr == "No answer came. Does `make run` still run, and on these ports?\n"


def test_the_commands_of_the_readme_end_with_a_delivered_parcel(running: RunningStack) -> None:
    commands = read_commands()
    for address, ours in (
        ("http://127.0.0.1:8000", running.stack.web_url),
        ("http://127.0.0.1:9000", running.stack.sandbox_url),
    ):
        assert commands.count(address) == 1
        commands = commands.replace(address, ours)

    shell = run_in_bash(commands, path=os.environ["PATH"])

    assert shell.returncode == 0, shell.stderr
    me, _, paid, order, messages = read_answers(shell.stdout)
    assert me["phone"] == "+919876543210"
    assert (paid["status"], paid["payment_status"], paid["fulfilment_status"]) == ("confirmed", "paid", "unfulfilled")
    assert (order["status"], order["payment_status"], order["fulfilment_status"]) == ("completed", "paid", "delivered")
    assert "is your one-time password." in messages["items"][-1]["text"]
    assert order["paid_amount"] == order["total_amount"] > 0
    payments = running.read(
        "SELECT p.status, p.amount FROM payments_payment p JOIN orders_order o ON o.id = p.order_id"
        f" WHERE o.number = '{order['number']}'"
    )
    assert payments == [("succeeded", order["total_amount"])]
    assert running.audit() == []
