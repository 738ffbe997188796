"""`manage.py prove`: what an operator runs to prove the books, in one process, for programs that want the answers."""

import json
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

PROOFS = (("ledger",), ("reconcile", "--against-sandbox"), ("order", "replay", "--all"), ("audit",))


class Command(BaseCommand):
    help = (
        "Run `ledger`, `reconcile --against-sandbox`, `order replay --all` and `audit`, one after the other, and print one JSON"
        " object: what each said, and the code with which it ended. Exits 1 if one of them did not find all well."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        found = {" ".join(words): self._run(words) for words in PROOFS}
        self.stdout.write(json.dumps(found, indent=2))
        if any(each["code"] for each in found.values()):
            raise SystemExit(1)

    def _run(self, words: tuple[str, ...]) -> dict[str, Any]:
        said, code = StringIO(), 0
        try:
            call_command(*words, "--json", stdout=said, stderr=self.stderr)
        except SystemExit as end:
            code = int(str(end.code))
        return {"code": code, "report": json.loads(said.getvalue())}
