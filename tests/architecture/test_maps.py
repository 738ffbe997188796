"""The maps in `config` are complete: every event, task, invariant and reference step is on its page."""

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.conf import settings
from django.utils.module_loading import import_string

from apps.core.relay import get_subscriptions
from config.celery import app as celery_app
from config.invariants import INVARIANTS
from config.queues import QUEUES
from config.reference_data import STEPS
from config.schedule import SCHEDULE
from config.subscriptions import HANDLERS, PROJECTED, UNSUBSCRIBED
from tests.support.capabilities import read_capabilities

ROOT = Path(__file__).resolve().parent.parent.parent
#: Modules that every app may have, so that their name alone says which file is meant.
LAYERS = (
    "admin", "events", "filters", "handlers", "invariants", "locks", "models", "openapi", "rules", "serializers", "states",
    "urls", "views",
)  # fmt: skip
APPS = sorted(path.parent.name for path in ROOT.glob("apps/*/apps.py"))


def modules(name: str) -> dict[str, Any]:
    found = {}
    for app in APPS:
        place = ROOT / "apps" / app / name
        if (place.with_suffix(".py").exists() or place.is_dir()) and not (app == "core" and name == "events"):
            found[app] = importlib.import_module(f"apps.{app}.{name}")
    return found


def all_events() -> set[str]:
    """Return every constant that names an event, whichever module it stands in."""
    found = set()
    for path in sorted((ROOT / "apps").glob("*/**/*.py")):
        app = path.relative_to(ROOT / "apps").parts[0]
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                value = str(node.value.value)
                if re.fullmatch(rf"{app}(\.[a-z_]+){{2}}", value):
                    found.add(value)
    return found


def test_every_event_has_a_handler_or_is_listed_as_unsubscribed() -> None:
    assert set(HANDLERS) | UNSUBSCRIBED == all_events()
    assert set(HANDLERS) & UNSUBSCRIBED == set()
    assert all_events() >= PROJECTED


def test_events_are_named_app_object_verb() -> None:
    for app, module in modules("events").items():
        names = [value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)]
        assert all(value.split(".")[0] == app and len(value.split(".")) == 3 for value in names)


def full_name(handler: Any) -> str:
    return f"{handler.__module__}.{handler.__qualname__}"


@pytest.mark.parametrize(
    "handler",
    sorted({each.call for group in get_subscriptions().values() for each in group}, key=full_name),
    ids=full_name,
)
def test_every_handler_lives_in_handlers_and_takes_event_and_now(handler: Any) -> None:
    assert handler.__module__.endswith(".handlers")
    assert list(inspect.signature(handler).parameters) == ["event", "now"]
    assert import_string(f"{handler.__module__}.{handler.__qualname__}") is handler


def test_every_handler_is_subscribed() -> None:
    written = {
        value
        for module in modules("handlers").values()
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }

    assert {each.call for group in get_subscriptions().values() for each in group} == written


def test_the_schedule_and_the_tasks_agree() -> None:
    celery_app.loader.import_default_modules()
    ours = {name for name in current_app.tasks if name.split(".")[0] in APPS}
    not_by_clock = {"core.run_handlers"}

    assert {entry["task"] for entry in SCHEDULE.values()} == ours - not_by_clock


def test_every_handler_and_every_task_of_the_clock_has_one_queue() -> None:
    named = [each if isinstance(each, str) else full_name(each) for group in QUEUES.values() for each in group]
    subscribed = {full_name(each.call) for group in get_subscriptions().values() for each in group}

    assert sorted(named) == sorted({*subscribed, *(entry["task"] for entry in SCHEDULE.values())})
    assert list(QUEUES) == ["buyer", "money", "documents", "messages", "exports", "housekeeping"]
    assert set(settings.MAX_QUEUE_WAIT_SECONDS) <= set(QUEUES)


def test_the_clock_sends_each_task_to_its_queue() -> None:
    celery_app.finalize()
    sent_to = {entry["task"]: entry["options"]["queue"] for entry in celery_app.conf.beat_schedule.values()}

    assert sent_to["payments.poll_open_payments"] == "money"
    assert sent_to["core.audit"] == "housekeeping"
    assert all(name in QUEUES[queue] for name, queue in sent_to.items())


def test_every_queue_has_a_worker_in_the_procfile() -> None:
    celery_app.finalize()

    # Without -Q a worker consumes all of them.
    assert sorted(queue.name for queue in celery_app.conf.task_queues) == sorted(QUEUES)
    assert " -Q" not in (ROOT / "Procfile").read_text()


def test_what_shares_a_hint_calls_nothing_outside_and_renders_nothing() -> None:
    together = {each.name for group in get_subscriptions().values() for each in group if not each.calls_external}

    assert together == {
        "apps.payments.handlers.process_webhook",
        "apps.payments.handlers.erase_payer",
        "apps.invoicing.handlers.issue_invoices_of_order",
        "apps.invoicing.handlers.issue_credit_notes_of_refund",
        "apps.invoicing.handlers.issue_pending_credit_notes",
        "apps.fulfilment.handlers.complete_order",
        "apps.settlements.handlers.request_reported_settlement",
        "apps.notifications.handlers.notify",
        "apps.notifications.handlers.erase_messages",
    }


def test_every_invariant_of_every_app_is_audited() -> None:
    written = [one for module in modules("invariants").values() for one in module.INVARIANTS]

    assert sorted(one.id for one in INVARIANTS) == sorted(one.id for one in written)
    assert len(INVARIANTS) >= 25


def test_every_app_with_reference_data_is_on_its_page() -> None:
    offered = {
        module.set_up_reference_data
        for app in APPS
        if app != "core" and _has_services(app)
        for module in [importlib.import_module(f"apps.{app}.services")]
        if hasattr(module, "set_up_reference_data")
    }

    assert set(STEPS) == offered


def _has_services(app: str) -> bool:
    return (ROOT / "apps" / app / "services.py").exists() or (ROOT / "apps" / app / "services").is_dir()


class TestArchitecture:
    """What ARCHITECTURE.md says of one order: its paths, functions and events are in the code."""

    PAGE = (ROOT / "ARCHITECTURE.md").read_text()

    def test_paths_exist(self) -> None:
        paths = re.findall(r"`((?:apps|config|sandbox|docs|tests)/[\w/.-]+)`", self.PAGE)

        assert len(paths) >= 30
        assert [path for path in paths if not (ROOT / path).exists()] == []

    def test_no_module_is_named_without_its_directory(self) -> None:
        bare = set(re.findall(r"`(\w+\.py)`", self.PAGE))

        assert bare <= {f"{layer}.py" for layer in LAYERS}

    def test_readme_has_a_row_for_each_app(self) -> None:
        rows = re.findall(r"^\| `apps/(\w+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)

        assert sorted(rows) == APPS

    def test_functions_are_in_the_module_that_is_named(self) -> None:
        named = re.findall(r"`(apps/[\w/]+\.py)` `(\w+)`", self.PAGE)

        assert len(named) >= 15
        assert [
            name
            for path, name in named
            if not re.search(rf"^(def|class) {name}\b", (ROOT / path).read_text(), re.MULTILINE)
        ] == []

    def test_events_exist(self) -> None:
        named = set(re.findall(r"`((?:orders|payments|invoicing|ledger)(?:\.[a-z_]+){2})`", self.PAGE))

        assert len(named) >= 8
        assert named - all_events() == set()


def tables(page: str) -> list[list[list[str]]]:
    """Return the tables of a page: each is its rows, of which the first is the header, and each row is its cells."""
    found = re.findall(r"(?:^\|.*\n)+", (ROOT / page).read_text() + "\n", re.MULTILINE)
    return [[[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()] for table in found]


@pytest.mark.parametrize(("page", "count"), [("GLOSSARY.md", 1), ("docs/where-to-change.md", 10)])
def test_each_row_of_a_table_has_the_cells_of_its_header(page: str, count: int) -> None:
    found = tables(page)

    assert len(found) == count
    assert [row for table in found for row in table if len(row) != len(table[0]) or not row[0]] == []


def test_each_word_of_the_glossary_is_at_home_in_a_file() -> None:
    [[_, _, *rows]] = tables("GLOSSARY.md")
    without_a_home = {"in doubt"}

    assert [row[0] for row in rows if row[0] not in without_a_home and not (ROOT / row[-1].strip("`")).is_file()] == []


def are_in_module(path: str, names: list[str]) -> bool:
    text = (ROOT / path).read_text()
    return all(re.search(rf"^(def|class) {name}\b", text, re.MULTILINE) for name in names)


class TestWhereToChange:
    """docs/where-to-change.md leads from the words of the trade to modules and functions that exist."""

    *PARTS, ABSENT = [table[2:] for table in tables("docs/where-to-change.md")]
    ROWS = [row for part in PARTS for row in part]

    def test_modules_exist(self) -> None:
        assert len(self.ROWS) >= 120
        assert [
            module
            for _, module, _ in self.ROWS
            if not re.fullmatch(r"`(apps|bench|config|devtools|sandbox)/[\w/]+\.py`", module)
            or not (ROOT / module.strip("`")).exists()
        ] == []

    def test_functions_are_in_the_module_that_is_named(self) -> None:
        named = [(module.strip("`"), re.findall(r"`(\w+)`", functions)) for _, module, functions in self.ROWS]

        assert sum(len(names) for _, names in named) >= 110
        assert [(path, names) for path, names in named if not are_in_module(path, names)] == []

    def test_what_is_absent_is_a_capability_that_does_not_wholly_work(self) -> None:
        unfinished = {row.id for rows in read_capabilities(ROOT).values() for row in rows if row.state != "works"}

        assert len(self.ABSENT) >= 30
        assert {capability for _, capability, _ in self.ABSENT} - unfinished == set()

    def test_what_there_is_of_an_absent_capability_exists(self) -> None:
        named = [one for _, _, part in self.ABSENT for one in re.findall(r"`([\w/]+\.py)`(?: `(\w+)`)?", part)]

        assert len(named) >= 10
        assert [one for one in named if not (ROOT / one[0]).exists() or not are_in_module(one[0], [one[1]])] == []

    def test_the_first_row_with_a_word_is_the_one_that_lists_it(self) -> None:
        rows = [*self.ROWS, *self.ABSENT]
        wrong = []
        for row in rows:
            for word in row[0].split(", "):
                first = next(
                    one for one in rows if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", one[0], re.IGNORECASE)
                )
                if first is not row:
                    wrong.append((word, first[0]))

        assert wrong == []
