"""`manage.py prove`: what an operator runs to prove the books, in one process, for programs that want the answers."""

import json
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser

from apps.core.management.operator_commands import FAILED, MISMATCH, OperatorCommand, add_examples

COMMANDS = (("ledger",), ("reconcile", "--against-sandbox"), ("order", "replay", "--all"), ("audit",))


class Command(OperatorCommand):
    """Runs the four checks of the books."""

    help = (
        "Run `ledger`, `reconcile --against-sandbox`, `order replay --all` and `audit`, one after the other, and print one JSON"
        " object: the output and the exit code of each. Exits 1 if one of them found what does not agree, else 2 if one"
        " could not run. For a shop that runs against the sandbox: a real gateway has no books to compare with."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(
            parser,
            [
                ("manage.py prove", "while `make run` runs"),
                ("manage.py prove > proof.json", "keep the answers of all four commands"),
            ],
        )

    def handle(self, *_args: object, **_options: object) -> None:
        found = {" ".join(words): self._run(words) for words in COMMANDS}
        self.stdout.write(json.dumps(found, indent=2))
        codes = {each["code"] for each in found.values()}
        if codes != {0}:
            raise SystemExit(MISMATCH if MISMATCH in codes else FAILED)

    def _run(self, words: tuple[str, ...]) -> dict[str, Any]:
        said, code = StringIO(), 0
        try:
            call_command(*words, "--json", stdout=said, stderr=self.stderr)
        except SystemExit as end:
            code = int(str(end.code))
        except CommandError as refusal:
            code = refusal.returncode
        return {"code": code, "report": json.loads(said.getvalue())}
