"""Templates: what one played order, one customer or one settlement left in all tables, ready to be copied."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from apps.core.quantities import to_milli
from devtools.generate.goods import PLAYED_UNITS
from devtools.generate.patterns import Compiler, Holes
from devtools.generate.played_world import STAND_IN_SHA256
from devtools.generate.plays import PlayFailed
from devtools.generate.snapshots import Row, Table

#: Rows that are written once and not per order: accounts of the ledger that come with the first document of a registration.
SHARED: Final = frozenset({"ledger_account"})
#: Tables whose keys are numbers that the generator gives.
_NUMBERED: Final = frozenset({"ledger_ledgerentry"})
_SETTLEMENT_LINE: Final = "settlements_settlementline"
_UUID_LENGTH: Final = 36
#: Of a document's number, what follows its prefix: two digits of the year, and seven of the series.
_NUMBER_LENGTH: Final = 9
_NULL: Final = "\\N"
#: The opening stock of the played goods, which no order moves as a whole.
OPENING_MILLI: Final = str(to_milli(PLAYED_UNITS))
#: The directory of generated documents, apart from those of other databases that keep theirs in the same place.
DOCUMENTS_FOLDER: Final = "generated"


@dataclass(frozen=True)
class Document:
    """
    A document of a template: its place among them, its type, how its numbers begin, and its second after the begin.

    `path` is that of its file, with `{run}`, `{year}` and `{number}` left open.
    """

    place: int
    type: str
    prefix: str
    second: int
    path: str


@dataclass(frozen=True)
class Posting:
    """A posting: its second after the begin, and the hole, account and amount (paise) of each entry."""

    second: int
    entries: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True)
class SettledLine:
    """A line that a settlement has for the order: when its money moved, its pattern, and what it adds up to, in paise."""

    second: int
    pattern: str
    cleared: int
    bank: int
    fee: int
    tax: int


#: What takes numbers in order of time, or adds to what does.
Happening = Document | Posting | SettledLine


@dataclass(frozen=True)
class Template:
    """
    All that one play left.

    `tables` has the patterns of the rows, each with its line end. `seconds` is how long the play took. `happenings` are what
    takes numbers in order of time, by its second after the begin. `goods` are per kind of goods the thousandths of a unit that
    it dispatched, and those that it still reserves. `texts` are patterns of which a hash is taken: by the name of the hole, and
    whether the text itself is a hole too, in hexadecimal. `shared` are rows that are the same for all. `bases` are the ids of
    single rows by their table, without their free bits.
    """

    tables: tuple[tuple[str, str], ...]
    holes: Holes
    seconds: int
    happenings: tuple[tuple[int, tuple[Happening, ...]], ...] = ()
    shipments: int = 0
    goods: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    texts: tuple[tuple[str, str, bool], ...] = ()
    shared: Mapping[str, list[Row]] = field(default_factory=dict)
    bases: Mapping[str, int] = field(default_factory=dict)


def seconds_of(text: str) -> int:
    """Return an instant of COPY in whole seconds of Unix time."""
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp())


class TemplateBuilder:
    """
    Makes the template of one play.

    :param tables: all tables
    :param begin: when it began
    :param foreign: UUIDs of rows elsewhere, with the names of their holes
    :param kept: UUIDs that stay as they are
    :param exact: texts that are replaced wherever they stand, with the names of their holes
    """

    def __init__(
        self,
        tables: Iterable[Table],
        *,
        begin: datetime,
        foreign: Mapping[UUID, str],
        kept: frozenset[UUID],
        exact: Mapping[str, str],
    ) -> None:
        self._tables = {table.name: table for table in tables}
        self._begin = int(begin.timestamp())
        self._foreign, self._kept, self._exact = dict(foreign), kept, dict(exact)
        self._texts: list[tuple[str, str, bool]] = []

    def build(
        self,
        rows: Mapping[str, list[Row]],
        *,
        end: datetime,
        kinds: Mapping[str, int] | None = None,
        opened: Callable[[str, Row], Row] = lambda _table, row: row,
    ) -> Template:
        """
        Make the template of rows by table.

        :param kinds: the places of the goods by the UUID of the variant, as text
        :param opened: what to leave open in a row of a table beyond what is recognised by its form
        """
        self._opened = opened
        rows = {name: sorted(found, key=lambda row: _order(self._tables[name], row)) for name, found in rows.items()}
        shared = {name: rows.pop(name) for name in SHARED & rows.keys()}
        self._check_keys(rows)
        documents = self._name_documents(rows.get("invoicing_invoice", []), rows.get("invoicing_invoicefile", []))
        shipments = self._name_shipments(rows.get("fulfilment_shipment", []))
        entries = {row["id"]: f"n{place}" for place, row in enumerate(rows.get("ledger_ledgerentry", []))}
        compiler = self._make_compiler(rows)
        tables = tuple(
            (name, "".join(self._row_pattern(compiler, name, row, documents, entries) for row in found))
            for name, found in rows.items()
            if name != _SETTLEMENT_LINE
        )
        settled = [self._settled_line(compiler, row, rows) for row in rows.get(_SETTLEMENT_LINE, [])]
        numbered = [each for each, _ in documents.values()]
        happenings: list[Happening] = [*numbered, *self._list_postings(rows, entries), *settled]
        return Template(
            tables=tables,
            holes=compiler.holes,
            seconds=int(end.timestamp()) - self._begin,
            happenings=_by_second(happenings),
            shipments=shipments,
            goods=_count_goods(rows, kinds or {}),
            texts=tuple(self._texts),
            shared=shared,
            bases=_bases_of_single_rows(rows, compiler),
        )

    def _check_keys(self, rows: Mapping[str, list[Row]]) -> None:
        for name in rows.keys() - _NUMBERED:
            table = self._tables[name]
            if any(table.columns[column] in {"bigint", "integer"} for column in table.key):
                raise PlayFailed(
                    f"A played order adds rows to {name}, whose numbers the generator does not know to give."
                )

    def _name_documents(self, rows: Sequence[Row], files: Sequence[Row]) -> dict[str, tuple[Document, Row]]:
        """Name the holes of the documents' numbers; return them by their UUID as text."""
        paths = {row["invoice_id"]: row["path"] for row in files}
        found = {}
        for place, row in enumerate(rows):
            number, year = row["number"], row["financial_year"]
            path = f"{DOCUMENTS_FOLDER}/{{run}}/{paths[row['id']]}".replace(number, "{number}").replace(year, "{year}")
            second = seconds_of(row["created_at"]) - self._begin
            self._exact[number] = f"no{place}"
            found[row["id"]] = (Document(place, row["type"], number[:-_NUMBER_LENGTH], second, path), row)
        return found

    def _name_shipments(self, rows: Sequence[Row]) -> int:
        for place, row in enumerate(rows):
            self._exact[row["number"]] = f"sh{place}"
        return len(rows)

    def _make_compiler(self, rows: Mapping[str, list[Row]]) -> Compiler:
        for row in rows.get("orders_order", []):
            self._exact[row["number"]] = "order_number"
        for place, row in enumerate(rows.get("payments_webhook", [])):
            self._exact[row["body_sha256"]] = f"body{place}_sha"
        made = {
            UUID(row["id"]): seconds_of(row["created_at"])
            for found in rows.values()
            for row in found
            if len(row.get("id", "")) == _UUID_LENGTH
        }
        compiler = Compiler(
            begin=self._begin,
            own={each: made[each] for each in sorted(made)},
            foreign=self._foreign,
            kept=self._kept,
            exact=self._exact,
            kept_hashes=frozenset({STAND_IN_SHA256}),
        )
        compiler.learn_instants(
            cell for name, found in rows.items() if name != _SETTLEMENT_LINE for row in found for cell in row.values()
        )
        return compiler

    def _row_pattern(
        self,
        compiler: Compiler,
        name: str,
        row: Row,
        documents: Mapping[str, tuple[Document, Row]],
        entries: Mapping[str, str],
    ) -> str:
        cells = dict(self._opened(name, row))
        document = documents.get(row["id"] if name == "invoicing_invoice" else row.get("subject_id", ""))
        if document is not None:
            cells = _of_document(cells, *document, is_event=name == "core_event")
            self._hash_parties(compiler, name, row, cells, document[0])
        if name == "invoicing_invoicefile":
            of = documents[row["invoice_id"]][0]
            cells["path"] = of.path.format(run="%(run)s", year=f"%(fy{of.place})s", number=f"%(no{of.place})s")
        if name == "payments_webhook":
            cells["body"] = self._body(compiler, cells["body"], self._exact[cells["body_sha256"]])
        if row.get("quantity_milli") == OPENING_MILLI or row.get("on_hand_milli") == OPENING_MILLI:
            cells = _of_opening_stock(cells, self._foreign[UUID(row["variant_id"])])
        if name == "ledger_ledgerentry":
            cells["id"] = f"%({entries[row['id']]})s"
        return "\t".join(compiler.pattern(cell, is_column=True) for cell in cells.values()) + "\n"

    def _hash_parties(self, compiler: Compiler, name: str, row: Row, cells: Row, document: Document) -> None:
        """Leave open the fingerprint of the persons on a document, which its event keeps, and say how it is computed."""
        hole = f"parties{document.place}_sha"
        if name == "invoicing_invoice":
            parties = f"{row['buyer']}\n{row['shipping_address']}"
            if "\\" in parties:
                raise PlayFailed("The persons on a played document have signs that COPY escapes.")
            self._texts.append((hole, compiler.pattern(parties), False))
        elif "changes" in cells:
            cells["changes"] = re.sub(r'("parties_sha256": )"[0-9a-f]{64}"', rf'\1"%({hole})s"', cells["changes"])

    def _body(self, compiler: Compiler, cell: str, hole: str) -> str:
        """Return the hole of a webhook's body, whose pattern is that of its text."""
        text = bytes.fromhex(cell.removeprefix("\\\\x")).decode()
        self._texts.append((hole, compiler.pattern(text), True))
        return f"%({hole.removesuffix('_sha')})s"

    def _list_postings(self, rows: Mapping[str, list[Row]], entries: Mapping[str, str]) -> tuple[Posting, ...]:
        of: dict[str, list[Row]] = {}
        for row in rows.get("ledger_ledgerentry", []):
            of.setdefault(row["transaction_id"], []).append(row)
        return tuple(
            Posting(
                seconds_of(row["created_at"]) - self._begin,
                tuple((entries[each["id"]], each["account_id"], int(each["amount"])) for each in of[row["id"]]),
            )
            for row in rows.get("ledger_ledgertransaction", [])
        )

    def _settled_line(self, compiler: Compiler, row: Row, rows: Mapping[str, list[Row]]) -> SettledLine:
        is_refund = row["refund_id"] != _NULL
        table, column = ("payments_refund", "refund_id") if is_refund else ("payments_paymentattempt", "attempt_id")
        [of] = [each for each in rows[table] if each["id"] == row[column]]
        moved = of["processed_at" if is_refund else "captured_at"]
        cells = {
            **row, "id": "%(line_id)s", "created_at": "%(settled_at)s", "updated_at": "%(settled_at)s",
            "settlement_id": "%(settlement_id)s", "report_id": "%(report_id)s",
        }  # fmt: skip
        return SettledLine(
            seconds_of(moved) - self._begin,
            "\t".join(compiler.pattern(cell, is_column=True) for cell in cells.values()) + "\n",
            int(row["cleared_amount"]),
            int(row["bank_amount"]),
            int(row["fee_amount"]),
            int(row["tax_amount"]),
        )


def _order(table: Table, row: Row) -> tuple[Any, ...]:
    return tuple(int(row[column]) if row[column].isdigit() else row[column] for column in table.key)


def _of_opening_stock(cells: Row, variant: str) -> Row:
    """Leave open the units of the opening stock of a variant, and what its stock level has: they follow from all orders."""
    if "on_hand_milli" in cells:
        return {**cells, "on_hand_milli": f"%({variant}_hand)s", "reserved_milli": f"%({variant}_held)s"}
    return {**cells, "quantity_milli": f"%({variant}_opening)s"}


def _bases_of_single_rows(rows: Mapping[str, list[Row]], compiler: Compiler) -> dict[str, int]:
    return {
        name: compiler.bases[UUID(found[0]["id"])]
        for name, found in rows.items()
        if len(found) == 1 and "id" in found[0]
    }


def _by_second(happenings: Iterable[Happening]) -> tuple[tuple[int, tuple[Happening, ...]], ...]:
    found: dict[int, list[Happening]] = {}
    for each in happenings:
        found.setdefault(each.second, []).append(each)
    return tuple((second, tuple(found[second])) for second in sorted(found))


def _of_document(cells: Row, document: Document, row: Row, *, is_event: bool) -> Row:
    """Leave open the number, series, year and date of a document in its row, or in an event about it."""
    place = document.place
    if not is_event:
        return {
            **cells, "sequence": f"%(sq{place})s", "series_id": f"%(series{place})s", "financial_year": f"%(fy{place})s",
            "invoice_date": f"%(date{place})s",
        }  # fmt: skip
    changes = cells["changes"]
    for form, hole in (
        (rf'"sequence": {row["sequence"]}(?![0-9])', f'"sequence": %(sq{place})s'),
        (rf'"series_id": {row["series_id"]}(?![0-9])', f'"series_id": %(series{place})s'),
        (f'"financial_year": "{row["financial_year"]}"', f'"financial_year": "%(fy{place})s"'),
        (f'"invoice_date": "{row["invoice_date"]}"', f'"invoice_date": "%(date{place})s"'),
    ):
        changes = re.sub(form, hole, changes)
    return {**cells, "changes": changes}


def _count_goods(rows: Mapping[str, list[Row]], kinds: Mapping[str, int]) -> dict[int, tuple[int, int]]:
    """Return per kind of goods what was dispatched and what is still reserved, in thousandths of a unit."""
    counts: dict[int, tuple[int, int]] = {}
    for row in rows.get("catalog_reservation", []):
        kind = kinds[row["variant_id"]]
        gone, held = counts.get(kind, (0, 0))
        consumed, left = int(row["consumed_milli"]), int(row["quantity_milli"]) - int(row["consumed_milli"])
        counts[kind] = (gone + consumed, held + (left if row["status"] in {"held", "committed"} else 0))
    return counts
