"""
The layouts of banks' CSV statements, and mapping files for the banks that are not here.

The columns are those that the banks' net banking writes, as importers of others know them:
HDFC and Axis: https://github.com/FFFSTANZA/SharaLedger (docs/INDIAN_BANK_FORMATS.md),
https://github.com/Balasubramaniamvenkat/expenses_tracker (CSV_FORMAT.md); ICICI and SBI:
https://github.com/asmitsharp/cashlens (docs/bank-statement-format-research.md),
https://github.com/Amit49/Bank-Statement-to-csv-form (All_Bank_Header_List.md). All write the day first.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.payments.facts import UnreadableFacts
from apps.settlements.gateways.report_formats import DATE_ORDERS

DAY_FIRST = DATE_ORDERS[0]


@dataclass(frozen=True)
class CsvLayout:
    """
    The columns of a bank's CSV, by their normalised names.

    The money is in `debit` and `credit`, or in `amount` with a sign, `Dr` or `Cr`, or a `direction`. A `date_order` of
    None is decided by all dates of the file.
    """

    name: str
    date: str
    description: str
    reference: str = ""
    debit: str = ""
    credit: str = ""
    amount: str = ""
    direction: str = ""
    balance: str = ""
    date_order: str | None = DAY_FIRST
    decimal: str = "."
    account: str = ""

    @property
    def columns(self) -> frozenset[str]:
        """The columns that a header must have."""
        named = (
            self.date,
            self.description,
            self.reference,
            self.debit,
            self.credit,
            self.amount,
            self.direction,
            self.balance,
        )
        return frozenset(name for name in named if name)


LAYOUTS = (
    CsvLayout("HDFC", "date", "narration", "chq ref number", "debit amount", "credit amount", balance="closing balance"),
    CsvLayout("HDFC", "date", "narration", "chq ref no", "withdrawal amt", "deposit amt", balance="closing balance"),
    CsvLayout(
        "ICICI", "transaction date", "transaction remarks", "cheque number", "withdrawal amount inr", "deposit amount inr",
        balance="balance inr",
    ),
    CsvLayout("SBI", "txn date", "description", "ref no cheque no", "debit", "credit", balance="balance"),
    CsvLayout("Axis", "tran date", "particulars", "chqno", "dr", "cr", balance="bal"),
    CsvLayout("Axis", "tran date", "particulars", "chq no", "debit", "credit", balance="balance"),
)  # fmt: skip

_COLUMNS = ("date", "description", "reference", "debit", "credit", "amount", "direction", "balance")
_LONGEST_NAME = 60
_SETTINGS = ("name", "date_order", "decimal", "account")


def normalise(cell: str) -> str:
    """Return the name of a column in lower case, without its punctuation."""
    return re.sub(r"[^a-z0-9]+", " ", cell.lower()).strip()


def read_mapping(raw: bytes) -> CsvLayout:
    """
    Read a mapping file, TOML or JSON: `name`, perhaps `date_order`, `decimal` and `account`, and a table `columns`.

    :raises UnreadableFacts: if it says something else, or too little; the message is for its author
    """
    mapping = _parse(raw)
    columns = mapping.get("columns")
    if not isinstance(columns, Mapping):
        raise UnreadableFacts(
            "the mapping file has no table [columns], which says how the file names its columns: date, description, and either debit"
            " and credit or amount"
        )
    unknown = sorted({*mapping} - {*_SETTINGS, "columns"} | {*columns} - {*_COLUMNS})
    if unknown or not all(
        isinstance(value, str) for value in (*columns.values(), *(mapping.get(name, "") for name in _SETTINGS))
    ):
        raise UnreadableFacts(
            f"the mapping file may set {', '.join(_SETTINGS)} and the columns {', '.join(_COLUMNS)}, each to a text"
            + (f"; {unknown[0]} is none of them" if unknown else "")
        )
    named = {name: normalise(value) for name, value in columns.items()}
    has_pair, has_amount = bool(named.get("debit") and named.get("credit")), bool(named.get("amount"))
    if not named.get("date") or not named.get("description") or has_pair == has_amount:
        raise UnreadableFacts("the mapping file needs date, description, and either debit and credit or amount")
    order, decimal = mapping.get("date_order"), mapping.get("decimal", ".")
    if order not in (None, *DATE_ORDERS) or decimal not in (".", ","):
        raise UnreadableFacts(
            f"in the mapping file date_order is one of {', '.join(DATE_ORDERS)}, and decimal is . or ,"
        )
    name, account = mapping.get("name", ""), mapping.get("account", "")
    if len(name) > _LONGEST_NAME or not name.isprintable() or not account.isprintable():
        raise UnreadableFacts(
            f"in the mapping file name has at most {_LONGEST_NAME} characters, and name and account are one line of text"
        )
    return CsvLayout(
        name=name or "mapped",
        date_order=order,
        decimal=decimal,
        account=account,
        **named,
    )


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        text = raw.decode("utf-8-sig")
        mapping = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError) as failure:
        raise UnreadableFacts("the mapping file is neither TOML nor JSON") from failure
    if not isinstance(mapping, dict):
        raise UnreadableFacts("the mapping file is neither TOML nor JSON")
    return mapping
