"""The first order of the README: its commands are run as they stand, against a running stack."""

import json
import os
import re
import subprocess
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
    """Return the JSON objects that stand one after the other in a text."""
    found = []
    while text := text.lstrip():
        answer, end = json.JSONDecoder().raw_decode(text)
        found.append(answer)
        text = text[end:]
    return found


def test_the_commands_of_the_readme_end_with_a_paid_order(running: RunningStack) -> None:
    commands = read_commands()
    for address, ours in (
        ("http://127.0.0.1:8000", running.stack.web_url),
        ("http://127.0.0.1:9000", running.stack.sandbox_url),
    ):
        assert commands.count(address) == 1
        commands = commands.replace(address, ours)

    shell = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        env={"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1"},
        check=False,
    )

    assert shell.returncode == 0, shell.stderr
    me, _, order = read_answers(shell.stdout)
    assert me["phone"] == "+919876543210"
    assert (order["status"], order["payment_status"]) == ("confirmed", "paid")
    assert order["paid_amount"] == order["total_amount"] > 0
    payments = running.read(
        "SELECT p.status, p.amount FROM payments_payment p JOIN orders_order o ON o.id = p.order_id"
        f" WHERE o.number = '{order['number']}'"
    )
    assert payments == [("succeeded", order["total_amount"])]
    assert running.audit() == []
