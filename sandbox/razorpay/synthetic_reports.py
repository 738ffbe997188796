"""Settlement reports of any size, made up: the same recipe gives the same lines, and none of them is kept."""

from __future__ import annotations

import hashlib
import random
import string
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache

from sandbox.razorpay import settlement_reports
from sandbox.razorpay.entities import ReportLine, Settlement
from sandbox.razorpay.fees import compute_fee_and_tax

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_DAY = 24 * 3600
_ADJUSTED_PAISE = 500
_LOWEST_REFUND = 100
_METHODS = ("upi", "upi", "card", "netbanking", "wallet")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """
    What to make: `lines` true lines in settlements of `per_settlement`, one settlement for each second after `at`.

    Every `refund_every`-th line is a refund of the payment before it (0: none); every `adjustment_every`-th an
    adjustment. `errors` counts what is planted of each kind over the whole report. The n-th payment's order has the
    receipt `<prefix><n>`.
    """

    lines: int
    at: int
    seed: int = 1
    per_settlement: int = 2_500
    refund_every: int = 20
    adjustment_every: int = 0
    receipt_prefix: str = "SYN-"
    errors: tuple[tuple[str, int], ...] = ()

    def settlement_count(self) -> int:
        return -(-self.lines // self.per_settlement)

    def lines_of(self, index: int) -> range:
        """Return the numbers of one settlement's lines."""
        first = index * self.per_settlement
        return range(first, min(first + self.per_settlement, self.lines))

    def kind_of(self, n: int) -> str:
        if _falls_on(n, self.adjustment_every):
            return "adjustment"
        follows_payment = n % self.per_settlement > 0 and not _falls_on(n - 1, self.adjustment_every)
        if follows_payment and _falls_on(n, self.refund_every):
            return "refund"
        return "payment"


def _falls_on(n: int, every: int) -> bool:
    return every > 0 and n % every == every - 1


def make_settlements(recipe: Recipe) -> Iterator[Settlement]:
    """Yield the settlements with their lines, one at a time."""
    errors = _spread_errors(recipe)
    for index in range(recipe.settlement_count()):
        yield _make_settlement(recipe, index, errors.get(index, []))


def remake_lines(settlement: Settlement) -> Settlement:
    """
    Return a synthetic settlement with its lines.

    :raises ValueError: if it is not synthetic
    """
    if settlement.recipe is None:
        raise ValueError(f"The settlement {settlement.id} is not synthetic.")
    fields = dict(settlement.recipe["recipe"])
    fields["errors"] = tuple((kind, count) for kind, count in fields["errors"])
    return _remake_settlement(Recipe(**fields), settlement.recipe["index"])


@lru_cache(maxsize=4)  # a reader of pages comes back for the same settlement
def _remake_settlement(recipe: Recipe, index: int) -> Settlement:
    return _make_settlement(recipe, index, _spread_errors(recipe).get(index, []))


def forget_lines(recipe: Recipe, index: int, settlement: Settlement) -> Settlement:
    """Forget a settlement's lines, but not how to make them again."""
    settlement.rows = []
    settlement.recipe = {"recipe": asdict(recipe), "index": index}
    return settlement


def true_lines(recipe: Recipe) -> Iterator[ReportLine]:
    """Yield each line as it is before errors are planted: what a merchant's books should already have."""
    for index in range(recipe.settlement_count()):
        settlement = _begin_settlement(recipe, index)
        for n in recipe.lines_of(index):
            yield _make_line(recipe, settlement, n)


@lru_cache(maxsize=4)
def _spread_errors(recipe: Recipe) -> dict[int, list[tuple[str, str]]]:
    """
    Spread the errors over the report: each line and, for wrong sums, each settlement has one at most.

    :raises ValueError: if there are more errors than places for them
    """
    dice = random.Random(f"errors:{recipe.seed}:{recipe.lines}")
    kinds = [kind for kind, count in recipe.errors for _ in range(count) if kind != "sum_mismatch"]
    # A refund names the payment before it; that one stays whole, so that an error never touches two lines.
    free = [
        n
        for n in range(recipe.lines)
        if recipe.kind_of(n) == "payment" and (n + 1 >= recipe.lines or recipe.kind_of(n + 1) == "payment")
    ]
    found: dict[int, list[tuple[str, str]]] = {}
    for kind, n in zip(kinds, dice.sample(free, len(kinds)), strict=True):
        found.setdefault(n // recipe.per_settlement, []).append((kind, _make_id(recipe, "pay", n)))
    wrong_sums = dice.sample(range(recipe.settlement_count()), dict(recipe.errors).get("sum_mismatch", 0))
    for index in wrong_sums:
        found.setdefault(index, []).append(("sum_mismatch", ""))
    return found


def _make_settlement(recipe: Recipe, index: int, errors: list[tuple[str, str]]) -> Settlement:
    settlement = _begin_settlement(recipe, index)
    settlement_reports.fill_settlement(
        settlement, [_make_line(recipe, settlement, n) for n in recipe.lines_of(index)], errors
    )
    return settlement


def _begin_settlement(recipe: Recipe, index: int) -> Settlement:
    at = recipe.at + index
    return Settlement(
        id=_make_id(recipe, "setl", index),
        amount=0,
        fees=0,
        tax=0,
        utr=f"{at}{_make_text(recipe, 'utr', index, 6).lower()}",
        created_at=at,
        lines=0,
    )


def _make_line(recipe: Recipe, settlement: Settlement, n: int) -> ReportLine:
    kind = recipe.kind_of(n)
    common: ReportLine = {"type": kind, "created_at": recipe.at - 2 * _DAY + n % _DAY}
    if kind == "adjustment":
        return settlement_reports.make_line(settlement, common, _describe_adjustment(recipe, n))
    paid = n if kind == "payment" else n - 1
    own = _describe_payment(recipe, n) if kind == "payment" else _describe_refund(recipe, n, paid)
    return settlement_reports.make_line(settlement, common, _describe_source(recipe, paid), own)


def _describe_adjustment(recipe: Recipe, n: int) -> ReportLine:
    return {
        "entity_id": _make_id(recipe, "adj", n),
        "amount": _ADJUSTED_PAISE,
        "debit": _ADJUSTED_PAISE,
        "description": "Correction",
    }


def _describe_payment(recipe: Recipe, n: int) -> ReportLine:
    amount = _choose_amount(recipe, n)
    fee, tax = compute_fee_and_tax(amount)
    return {
        "entity_id": _make_id(recipe, "pay", n),
        "amount": amount,
        "credit": amount - fee,
        "fee": fee,
        "tax": tax,
    }


def _describe_refund(recipe: Recipe, n: int, paid: int) -> ReportLine:
    amount = max(_LOWEST_REFUND, _choose_amount(recipe, paid) // 2)
    return {
        "entity_id": _make_id(recipe, "rfnd", n),
        "amount": amount,
        "debit": amount,
        "payment_id": _make_id(recipe, "pay", paid),
    }


def _describe_source(recipe: Recipe, paid: int) -> ReportLine:
    receipt = f"{recipe.receipt_prefix}{paid}"
    source: ReportLine = {
        "order_id": _make_id(recipe, "order", paid),
        "order_receipt": receipt,
        "method": _METHODS[paid % len(_METHODS)],
        "notes": f'{{"receipt":"{receipt}"}}',
    }
    if source["method"] == "card":
        source.update({"card_network": "Visa", "card_issuer": "HDFC", "card_type": "credit"})
    return source


def _choose_amount(recipe: Recipe, n: int) -> int:
    """Return paise between 100 rupees and 5,000 rupees."""
    return 10_000 + int.from_bytes(_compute_digest(recipe, "amount", n)[:4], "big") % 490_001


def _make_id(recipe: Recipe, prefix: str, n: int) -> str:
    return f"{prefix}_{_make_text(recipe, prefix, n, 14)}"


def _make_text(recipe: Recipe, kind: str, n: int, length: int) -> str:
    value = int.from_bytes(_compute_digest(recipe, kind, n)[:16], "big")
    characters = []
    for _ in range(length):
        value, index = divmod(value, 62)
        characters.append(_BASE62[index])
    return "".join(characters)


def _compute_digest(recipe: Recipe, kind: str, n: int) -> bytes:
    return hashlib.sha256(f"synthetic:{recipe.seed}:{kind}:{n}".encode()).digest()
