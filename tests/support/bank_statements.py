"""Bank statements as tests write them: in the layout of Axis, of one account."""

import io
from typing import Any

from apps.core import clock
from apps.core.events import SYSTEM
from apps.settlements.models import BankStatementImport
from apps.settlements.services import bank_statements

_HEAD = "Tran Date,CHQNO,PARTICULARS,DR,CR,BAL,SOL\n"


def statement(*rows: tuple[int, str], first: int = 1_000_000, on: str = "") -> bytes:
    """Return an Axis statement of lines of today (or of the day `on`): amount in paise, credits positive, and words."""
    on = on or f"{clock.ist_date(clock.now()):%d-%m-%Y}"
    balance, written = first, _HEAD
    for amount, words in rows:
        balance += amount
        rupees = f"{abs(amount) // 100}.{abs(amount) % 100:02d}"
        sides = f",{rupees}" if amount > 0 else f"{rupees},"
        written += f"{on},-,{words},{sides},{balance // 100}.{balance % 100:02d},248\n"
    return written.encode()


def import_statement(raw: bytes, **given: Any) -> BankStatementImport:
    """Import a statement as the system, of one account; `given` is what the service is given otherwise."""
    return bank_statements.import_bank_statement(
        stream=io.BytesIO(raw),
        name="bank.csv",
        actor=SYSTEM,
        now=clock.now(),
        **{"account": "917020012345678", **given},
    )
