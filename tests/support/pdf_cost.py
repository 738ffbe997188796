"""
What a document costs: CPU and memory of one process that renders, against its budget.

    python -m tests.support.pdf_cost

Every document differs from the one before. Of several rounds the least and the middle CPU time are shown: another process on
the machine can only add to them.
"""

import resource
import statistics
import time
from typing import Any

import django

#: CPU in ms by number of lines, and MiB resident.
BUDGETS, MEMORY_BUDGET = {3: 25, 15: 45, 60: 110}, 320
ROUNDS, DOCUMENTS_A_ROUND = 5, 10
NAMES = {
    "Latin": ("Handloom cotton kurta, indigo, size M", "Basmati rice, extra long grain"),
    "Hindi and Tamil": ("हथकरघा सूती कुर्ता, नीला", "கைத்தறி பருத்தி குர்தா"),
}


def main() -> None:
    django.setup()
    print(f"{'lines':>5}  {'names':<16}{'least':>8}{'middle':>8}{'budget':>8}   CPU ms, and bytes")
    for lines, budget in BUDGETS.items():
        for script, names in NAMES.items():
            times, size = _measure(lines, names)
            print(f"{lines:>5}  {script:<16}{min(times):>8.1f}{statistics.median(times):>8.1f}{budget:>8}   {size:>9,}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{memory} MiB resident at most, budget {MEMORY_BUDGET}")


def _measure(count: int, names: tuple[str, str]) -> tuple[list[float], int]:
    """Return the CPU milliseconds of a document in each round, and the size of the last."""
    from apps.invoicing.documents import render_invoice_pdf

    _document(count, names, 0)
    times, content = [], b""
    for round_ in range(ROUNDS):
        documents = [_document(count, names, round_ * DOCUMENTS_A_ROUND + at) for at in range(DOCUMENTS_A_ROUND)]
        start = time.process_time()
        for invoice, lines in documents:
            content = render_invoice_pdf(invoice, lines)
        times.append((time.process_time() - start) * 1000 / DOCUMENTS_A_ROUND)
    return times, len(content)


def _document(count: int, names: tuple[str, str], number: int) -> tuple[Any, list[Any]]:
    from tests.factories.invoicing import make_snapshot
    from tests.support.documents import build_invoice, build_line

    within = {"igst_amount": 0, "cgst_amount": 8_991, "sgst_amount": 8_991}
    lines = [
        build_line(
            at,
            name=f"{names[at % 2]} {number}",
            hsn=("61091000", "10063020")[at % 2],
            taxable_amount=99_900 + 137 * at + number,
            total_amount=117_882 + 137 * at + number,
            **within,
        )
        for at in range(1, count + 1)
    ]
    buyer = make_snapshot("27", name=names[0], line1=names[1], company=f"{names[0]} {number}")
    return build_invoice(number=f"INV26{number:07d}", buyer=buyer, place_of_supply="27", **within), lines


if __name__ == "__main__":
    main()
