"""Members of staff as constants, for tests that name them as actors; the fixture `colleagues` makes their rows."""

from uuid import UUID

from apps.core import ids
from apps.core.events import Actor
from tests.factories.accounts import make_staff

_ROLES = ("finance", "finance", "finance", "support")
_PKS = [UUID(int=number) for number, _ in enumerate(_ROLES, start=1)]

#: Asha, Bala and Chitra may approve refunds; Deepa may request them.
ASHA, BALA, CHITRA, DEEPA = (Actor("user", ids.encode("cus", pk)) for pk in _PKS)


def make_colleagues() -> None:
    """Make the rows of ASHA, BALA, CHITRA and DEEPA."""
    for role, pk in zip(_ROLES, _PKS, strict=True):
        make_staff(role, pk=pk)
