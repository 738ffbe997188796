"""What orders go through, and in what its two runs differ."""

from tests.twins.rows import find_differences
from tests.twins.shop import Shop, Step, run_under

#: What a journey is about -> its steps.
JOURNEYS: dict[str, list[Step]] = {
    "paid by webhook": [Shop.place, Shop.start, Shop.webhook],
    "paid by poll, three times the same": [Shop.place, Shop.start, lambda shop: shop.pay(copies=3)],
    "failed, then paid": [Shop.place, Shop.start, lambda shop: shop.pay(status="failed"), Shop.pay],
    "authorised, then paid": [Shop.place, Shop.start, lambda shop: shop.pay(status="authorized"), Shop.pay],
    "paid twice": [Shop.place, Shop.start, Shop.pay, Shop.pay],
    "paid with less": [Shop.place, Shop.start, lambda shop: shop.pay(less=1_000)],
    "expired, and paid late": [Shop.place, Shop.start, Shop.wait, Shop.pay],
    "expired, sold out, and paid late": [
        lambda shop: shop.place(quantity=3), Shop.start, Shop.wait, lambda shop: shop.place(customer=1, quantity=2), Shop.pay,
    ],
    "cancelled before it is paid": [Shop.place, Shop.start, Shop.cancel, Shop.webhook],
    "cancelled after it is paid": [Shop.place, Shop.start, Shop.pay, Shop.cancel],
    "refunded in part": [Shop.place, Shop.start, Shop.pay, Shop.refund],
    "sold out": [lambda shop: shop.place(quantity=2), lambda shop: shop.place(customer=1, quantity=2)],
    "started twice": [Shop.place, Shop.start, Shop.start],
}  # fmt: skip


def differences(shop: Shop, steps: list[Step]) -> list[str]:
    """Return in what the two runs differ."""
    (said, rows), (said_by_other, rows_of_other) = run_under("orm", shop, steps), run_under("sql", shop, steps)
    others = [f"! {one} | {other}" for one, other in zip(said, said_by_other, strict=True) if one != other]
    return [*others, *find_differences(rows, rows_of_other)]


def require_equal(differing: list[str]) -> None:
    """Fail with the differences of two runs, if there are any; pytest would compare their long lines letter by letter."""
    if differing:
        raise AssertionError("\n".join([f"{len(differing)} differences", *(line[:2_000] for line in differing[:20])]))
