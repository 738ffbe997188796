"""The OpenAPI document as threads share it."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from apps.core.api import schema
from tests.support.threads import run_together

pytestmark = pytest.mark.race


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A generator of documents that breaks when two threads are in it, as the library's does."""
    busy = threading.Lock()

    class Generator:
        runs = 0

        def get_schema(self, **_: object) -> dict[str, Any]:
            assert busy.acquire(blocking=False), "two threads generate at the same time"
            Generator.runs += 1
            time.sleep(0.2)
            busy.release()
            return {"openapi": "3.1.0"}

    monkeypatch.setattr(schema, "SchemaGenerator", Generator)
    schema._generate.cache_clear()
    yield Generator
    schema._generate.cache_clear()


@pytest.mark.django_db(transaction=True)
class TestDescribeApi:
    def test_threads_that_ask_first_at_the_same_moment_share_one_document(self, generator: Any) -> None:
        documents = run_together(*[schema.describe_api] * 8)

        assert documents == [{"openapi": "3.1.0"}] * 8
        assert generator.runs == 1

    def test_control_without_the_lock_they_break_each_other(self, generator: Any) -> None:
        documents = run_together(*[schema._generate] * 8)

        assert sum(isinstance(document, AssertionError) for document in documents) == 7
