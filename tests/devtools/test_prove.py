"""`manage.py prove` asks the four commands and says what each said."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from apps.orders.models import Order
from tests.factories.orders import make_order

pytestmark = pytest.mark.django_db


def prove() -> tuple[int, dict[str, Any]]:
    out, code = StringIO(), 0
    try:
        call_command("prove", stdout=out, stderr=StringIO())
    except SystemExit as end:
        code = int(str(end.code))
    return code, json.loads(out.getvalue())


def test_every_check_runs_and_passes(owner: Any, reference_data: None, sandbox: Any, settings: Any) -> None:
    settings.SANDBOX_URL = sandbox.url
    make_order(owner)

    code, found = prove()

    assert {name: each["code"] for name, each in found.items()} == {
        "ledger": 0, "reconcile --against-sandbox": 0, "order replay --all": 0, "audit": 0,
    }  # fmt: skip
    assert code == 0
    assert found["order replay --all"]["report"]["rows"]["orders"] == 1


def test_one_failed_check_fails_the_command(owner: Any, reference_data: None, sandbox: Any, settings: Any) -> None:
    settings.SANDBOX_URL = sandbox.url
    order = make_order(owner)
    Order.objects.filter(pk=order.pk).update(place_of_supply_reason="written behind the back")

    code, found = prove()

    assert code == 1
    assert {name for name, each in found.items() if each["code"]} == {"order replay --all"}
