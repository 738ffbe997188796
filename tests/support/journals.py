"""Journals of the history checker, written by tests: a run in which all went well, and what a test changes of it."""

from typing import Any

from devtools.history.checker import Anomaly, History, check, read_history

KEY = "11111111-1111-1111-1111-111111111111"
VARIANT = "var_1"


class JournalBuilder:
    """Writes the lines of a journal one after another, as clients and the reader of the final state do."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.final: dict[str, list[dict[str, Any]]] = {
            name: []
            for name in ("orders", "payments", "refunds", "invoices", "ledger", "gateway_payments", "gateway_refunds")
        }
        self.final["variants"] = [{"id": VARIANT, "on_hand": 10, "reserved": 0}]
        self.initial = [{"id": VARIANT, "on_hand": 10, "reserved": 0}]
        self.violated: list[dict[str, Any]] = []
        self._attempts: dict[str, int] = {}

    def intend(self, op: str, kind: str, body: Any = None, *, key: str | None = KEY, path: str = "/orders") -> int:
        """Write an intent, and return the number of its attempt."""
        number = self._attempts[op] = self._attempts.get(op, 0) + 1
        self._add(
            "intent", op=op, attempt=number, actor="asha", kind=kind, method="POST", path=path, key=key, body=body
        )
        return number

    def answer(self, op: str, attempt: int, status: int | None, body: Any = None, **others: Any) -> None:
        """Write the outcome of an attempt."""
        digest = others.pop("digest", repr(body))
        self._add("outcome", op=op, attempt=attempt, status=status, body=body, digest=digest, **others)

    def do(
        self, op: str, kind: str, status: int | None, body: Any = None, *, request: Any = None, **others: Any
    ) -> None:
        """Write an attempt with its outcome."""
        key = others.pop("key", KEY)
        self.answer(op, self.intend(op, kind, request, key=key), status, body, **others)

    def read(self, op: str, body: Any) -> None:
        """Write a read with its answer."""
        self.do(op, "read_order", 200, body, key=None)

    def fault(self, name: str) -> None:
        """Write a fault."""
        self._add("fault", name=name)

    def end(self, name: str, code: int) -> None:
        """Write that a process has ended by itself."""
        self._add("ended", name=name, code=code)

    def history(self) -> History:
        """Return what the journal says."""
        rows = [{"type": "initial", "section": "variants", "rows": self.initial}]
        rows += [{"type": "final", "section": name, "rows": section} for name, section in self.final.items()]
        return read_history([*self.lines, *rows, {"type": "audit", "violated": self.violated}])

    def find(self) -> list[Anomaly]:
        """Return what the checker finds."""
        return check(self.history())

    def kinds(self) -> list[str]:
        """Return the kinds of what the checker finds, each once."""
        return sorted({anomaly.kind for anomaly in self.find()})

    def _add(self, line_type: str, /, **fields: Any) -> None:
        self.lines.append({"n": len(self.lines) + 1, "at": float(len(self.lines)), "type": line_type, **fields})


def an_order(number: int = 1, **changed: Any) -> dict[str, Any]:
    """Return an order of two units at 500 rupees, unpaid."""
    return {
        "id": f"ord_{number}", "object": "order", "number": f"ORD-2627-{number:06d}", "customer_id": "cus_1",
        "status": "pending_payment", "total_amount": 50_000, "paid_amount": 0, "refunded_amount": 0, "version": 1,
        "note": f"op-{number}", "lines": [{"id": f"line_{number}", "variant_id": VARIANT, "quantity": 2}], **changed,
    }  # fmt: skip


def a_payment(number: int = 1, *, captured: bool = True, **changed: Any) -> dict[str, Any]:
    """Return a payment of an order with its one attempt."""
    attempt = {"gateway_payment_id": f"pay_G{number}", "status": "captured" if captured else "failed", "amount": 50_000}
    return {
        "id": f"pay_{number}", "object": "payment", "order_id": f"ord_{number}", "amount": 50_000, "version": 3,
        "status": "succeeded" if captured else "requires_payment", "gateway_order_id": f"order_G{number}",
        "attempts": [attempt], **changed,
    }  # fmt: skip


def a_gateway_payment(number: int = 1, **changed: Any) -> dict[str, Any]:
    """Return the gateway's own record of a captured payment."""
    return {
        "id": f"pay_G{number}", "order_id": f"order_G{number}", "amount": 50_000, "status": "captured", "captured_at": 5, **changed
    }  # fmt: skip


def a_refund(number: int = 1, **changed: Any) -> dict[str, Any]:
    """Return a processed refund of 100 rupees."""
    return {
        "id": f"rfnd_{number}", "object": "refund", "order_id": "ord_1", "payment_id": "pay_1", "status": "processed",
        "amount": 10_000, "gateway_refund_id": f"rfnd_G{number}", "transfer_reference": "", "note": f"refund-{number}",
        "version": 3, **changed,
    }  # fmt: skip


def a_gateway_refund(number: int = 1, **changed: Any) -> dict[str, Any]:
    """Return the gateway's own record of a refund."""
    return {
        "id": f"rfnd_G{number}", "payment_id": "pay_G1", "amount": 10_000, "status": "processed", "automatic": False,
        "notes": {"refund": f"rfnd_{number}"}, **changed,
    }  # fmt: skip


def a_placed_order(journal: JournalBuilder, number: int = 1) -> dict[str, Any]:
    """Let an order be placed and acknowledged, and return it as it is at the end."""
    placed = an_order(number)
    request = {"lines": [{"variant_id": VARIANT, "quantity": 2}], "note": f"op-{number}"}
    journal.do(f"op-{number}", "place_order", 201, placed, request=request)
    row = an_order(number)
    journal.final["orders"].append(row)
    journal.final["variants"][0]["reserved"] += 2
    return row


def a_paid_order(journal: JournalBuilder, number: int = 1) -> dict[str, Any]:
    """Let an order be placed and paid, with all that this leaves behind, and return it as it is at the end."""
    row = a_placed_order(journal, number)
    row.update(status="confirmed", paid_amount=50_000, version=4)
    journal.final["payments"].append(a_payment(number))
    journal.final["gateway_payments"].append(a_gateway_payment(number))
    journal.final["invoices"].append(
        {"number": f"INV/{number}", "status": "issued", "order_id": row["id"], "total_amount": 50_000}
    )
    for account, amount in (("gateway", 50_000), ("customer_advance", -50_000)):
        journal.final["ledger"].append({"order_id": row["id"], "kind": "capture", "account": account, "amount": amount})
    return row


def a_refunded_order(journal: JournalBuilder) -> dict[str, Any]:
    """Let 100 rupees of a paid order be refunded, and return the order as it is at the end."""
    row = a_paid_order(journal)
    row.update(refunded_amount=10_000, version=5)
    answer = {"object": "list", "data": [a_refund(status="requires_approval", version=1)]}
    journal.do("refund-1", "request_refund", 202, answer, request={"order_id": "ord_1", "note": "refund-1"})
    journal.do("approve-1", "approve_refund", 202, a_refund(status="pending", version=2), request={})
    journal.final["refunds"].append(a_refund())
    journal.final["gateway_refunds"].append(a_gateway_refund())
    return row
