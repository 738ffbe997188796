"""How the numbers of documents begin: by their kind, in series of their own (CGST Rules, rules 46(b) and 53(1A))."""

import re
from typing import Final

#: Credit notes of every registration begin so; no invoice may, or the two series could give one number twice.
CREDIT_NOTE_PREFIX: Final = "CRN"
_FORM: Final = re.compile(r"[A-Z1-9][A-Z0-9]{0,3}")


def is_invoice_prefix(prefix: str) -> bool:
    """Test if the invoices of a registration may begin so: one to four capitals or digits, no zero first, and not as credit notes do."""
    return _FORM.fullmatch(prefix) is not None and prefix != CREDIT_NOTE_PREFIX
