"""How the numbers of documents begin: by their kind, in series of their own (CGST Rules, rules 46(b), 49(b) and 53(1A))."""

import re
from typing import Final

#: These documents of every registration begin so; no tax invoice may, or two series could give one number twice.
CREDIT_NOTE_PREFIX: Final = "CRN"
BILL_OF_SUPPLY_PREFIX: Final = "BOS"
INVOICE_CUM_BILL_PREFIX: Final = "ICB"
_RESERVED: Final = frozenset({CREDIT_NOTE_PREFIX, BILL_OF_SUPPLY_PREFIX, INVOICE_CUM_BILL_PREFIX})
_FORM: Final = re.compile(r"[A-Z1-9][A-Z0-9]{0,3}")


def is_invoice_prefix(prefix: str) -> bool:
    """Test if tax invoices may begin so: one to four capitals or digits, no zero first, and not as other documents do."""
    return _FORM.fullmatch(prefix) is not None and prefix not in _RESERVED
