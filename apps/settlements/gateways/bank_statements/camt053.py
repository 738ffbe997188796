"""
Reads camt.053, the statement of ISO 20022, as a stream of XML events in memory that does not grow with the file.

A document type is refused, so that no entity can be declared: neither bombs nor files of this machine can be named.
https://www.iso20022.org/iso-20022-message-definitions (BankToCustomerStatement)
"""

import re
from collections import deque
from collections.abc import Generator, Iterator
from datetime import date
from typing import IO, Any
from xml.parsers import expat

from apps.payments.facts import UnreadableFacts
from apps.settlements.gateways.bank_statements.facts import BankFact, StatementAccount, StatementBalance, StatementItem

_AMOUNT = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,5}))?")
_YEARS = range(2000, 2100)
_MAX_DEPTH, _MAX_TEXT, _PIECE = 40, 4_000, 1 << 16
#: Tags and comments are read whole, and looked at again with each piece of the file: the bytes of one, and how many names there are.
_MAX_TOKEN, _MAX_NAMES = 1 << 20, 1_000
_OPENING, _CLOSING = frozenset({"OPBD", "PRCD"}), frozenset({"CLBD"})
_REFERENCES = ("AcctSvcrRef", "TxId", "EndToEndId", "InstrId", "NtryRef")
_WORDS = ("Ustrd", "Nm", "AddtlTxInf")
_NOT_PROVIDED = "NOTPROVIDED"


def is_xml(start: str) -> bool:
    """Test if the first characters of a file are those of an XML document."""
    return start.lstrip("\ufeff \t\r\n").startswith("<")


def read_camt053(stream: IO[bytes]) -> Generator[StatementItem]:
    """
    Yield the account, the balances and the booked lines of each statement of a file, in its order.

    :raises UnreadableFacts: if it is no camt.053, or something of it cannot be read
    """
    reader = _Reader()
    stream.seek(0)
    try:
        while piece := stream.read(_PIECE):
            reader.feed(piece)
            yield from reader.take()
        reader.feed(b"", is_last=True)
    except expat.ExpatError as failure:
        raise UnreadableFacts(
            f"it is not well-formed XML: {expat.errors.messages.get(failure.code, 'error')}"
        ) from failure
    except UnreadableFacts:
        raise
    except (LookupError, ValueError) as failure:  # what Python's codecs raise for the encoding that the file declares
        raise UnreadableFacts("its XML declares an encoding that Bahi does not read; save it as UTF-8") from failure
    yield from reader.take()
    if not reader.has_statement:
        raise UnreadableFacts("it is XML, but no statement of camt.053 (BkToCstmrStmt)")


class _Reader:
    """Collects the fields of the element that is being read, and makes an item of it at its end."""

    def __init__(self) -> None:
        self.has_statement = False
        self._path: list[str] = []
        self._text = ""
        self._fields: dict[str, str] = {}
        self._items: deque[StatementItem] = deque()
        self._closing: list[StatementBalance] = []
        self._names: set[str] = set()
        self._fed = 0
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._add_text

    def feed(self, piece: bytes, *, is_last: bool = False) -> None:
        self._parser.Parse(piece, is_last)
        self._fed += len(piece)
        if self._fed - self._parser.CurrentByteIndex > _MAX_TOKEN:
            raise UnreadableFacts("a tag or a comment of its XML is longer than any of a statement")

    def take(self) -> Iterator[StatementItem]:
        while self._items:
            yield self._items.popleft()

    def _refuse_doctype(self, *_: Any) -> None:
        raise UnreadableFacts("its XML declares a document type, which no statement does")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2]
        self._path.append(local)
        self._names.add(name)
        if len(self._names) > _MAX_NAMES:
            raise UnreadableFacts("its XML has more kinds of elements than any statement")
        if len(self._path) > _MAX_DEPTH:
            raise UnreadableFacts("its XML is nested too deeply")
        self._text = ""
        if local == "BkToCstmrStmt":
            self.has_statement = True
        if self._path[-2:] in (["Stmt", "Ntry"], ["Stmt", "Bal"], ["Stmt", "Acct"]):
            self._fields = {"row": str(self._parser.CurrentLineNumber)}
        if local == "Amt" and "Ccy" in attributes and self._path[-2:-1] in (["Ntry"], ["Bal"]):
            self._fields["Ccy"] = attributes["Ccy"]

    def _add_text(self, text: str) -> None:
        if len(self._text) < _MAX_TEXT:
            self._text += text

    def _end(self, _name: str) -> None:
        path, text = self._path, self._text.strip()
        if "Stmt" in path:
            inside = path[path.index("Stmt") + 1 :]
            self._keep(inside, text)
            if inside == ["Acct"]:
                self._items.append(StatementAccount(self._fields.get("account", "")))
            elif inside == ["Bal"]:
                self._end_balance()
            elif inside == ["Ntry"]:
                self._end_entry()
            elif inside == []:
                # Balances stand before the lines: the closing one is held against them at the end.
                self._items.extend(self._closing)
                self._closing = []
        path.pop()
        self._text = ""

    def _keep(self, inside: list[str], text: str) -> None:
        if not text:
            return
        if inside[:2] == ["Acct", "Id"]:
            self._fields["account"] = text
        elif inside[-1:] == ["Cd"] and inside[:2] == ["Bal", "Tp"]:
            self._fields["type"] = text
        elif inside[:-1] in (["Bal"], ["Ntry"]):
            self._fields.setdefault(inside[1], text)
            if inside[1] == "AddtlNtryInf":
                self._describe(text)
        elif inside[:2] == ["Ntry", "BookgDt"]:
            self._fields["on"] = text[:10]
        elif inside[:2] == ["Ntry", "Sts"]:
            self._fields["Sts"] = text
        elif inside[:1] == ["Ntry"] and inside[-1] in (*_REFERENCES, *_WORDS) and text != _NOT_PROVIDED:
            self._fields.setdefault(inside[-1], text)
            self._describe(text)

    def _describe(self, text: str) -> None:
        self._fields["description"] = f"{self._fields.get('description', '')} {text}".strip()[:400]

    def _end_balance(self) -> None:
        kind = self._fields.get("type", "")
        if kind in _OPENING:
            self._items.append(StatementBalance(is_opening=True, amount=self._amount()))
        elif kind in _CLOSING:
            self._closing.append(StatementBalance(is_opening=False, amount=self._amount()))

    def _end_entry(self) -> None:
        fields = self._fields
        if fields.get("Sts", "BOOK") != "BOOK":
            return
        try:
            on = date.fromisoformat(fields.get("on", ""))
        except ValueError as failure:
            raise UnreadableFacts(f"line {fields['row']}: the entry has no booking date") from failure
        if on.year not in _YEARS:
            raise UnreadableFacts(f"line {fields['row']}: {on} is not a day of a statement")
        reference = next((fields[name] for name in _REFERENCES if name in fields), "")
        self._items.append(
            BankFact(int(fields["row"]), on, self._amount(), reference[:80], fields.get("description", ""), None)
        )

    def _amount(self) -> int:
        fields = self._fields
        found = _AMOUNT.fullmatch(fields.get("Amt", ""))
        sign = {"CRDT": 1, "DBIT": -1}.get(fields.get("CdtDbtInd", ""))
        if fields.get("Ccy") != "INR":
            raise UnreadableFacts(
                f"line {fields['row']}: the amount is in {fields.get('Ccy', 'no currency')!r}, not in INR"
            )
        if found is None or sign is None or (found[2] or "")[2:].strip("0"):
            raise UnreadableFacts(f"line {fields['row']}: the amount cannot be read")
        return sign * (int(found[1]) * 100 + int((found[2] or "")[:2].ljust(2, "0")))
