"""Error codes are public: they stay, each means one thing, and each is described."""

import re
from collections import defaultdict

import pytest
from rest_framework import exceptions as drf

from apps.core.api.errors import exception_response
from apps.core.errors import BahiError, Conflict
from tests.architecture import error_map
from tests.architecture.error_codes import PUBLISHED

ERRORS = error_map.list_errors()
SENTENCE = re.compile(r"[A-Z`].*[A-Za-z0-9`)]\.")


def by_code() -> dict[str, list[type[BahiError]]]:
    found = defaultdict(list)
    for kind in ERRORS:
        found[kind.code].append(kind)
    return dict(found)


def find_changed(published: dict[str, str], found: dict[str, str]) -> list[str]:
    """Return a sentence per published code that is missing or belongs to another class."""
    return [
        f"Error codes are public: clients decide by them. `{code}` of {name} may not be removed, renamed or"
        f" given to {found.get(code, 'nothing')}."
        for code, name in published.items()
        if found.get(code) != name
    ]


class TestPublishedCodes:
    def test_no_published_code_has_changed_or_gone(self) -> None:
        assert find_changed(PUBLISHED, {code: kinds[0].__name__ for code, kinds in by_code().items()}) == []

    def test_every_code_is_published(self) -> None:
        assert sorted(set(by_code()) - set(PUBLISHED)) == [], "add the code to tests/architecture/error_codes.py"

    def test_published_codes_are_in_order(self) -> None:
        assert list(PUBLISHED) == sorted(PUBLISHED)

    @pytest.mark.parametrize(
        ("found", "end"),
        [
            ({}, "given to nothing."),
            ({"order_not_found": "OrderMissing"}, "given to OrderMissing."),
        ],
    )
    def test_a_code_that_goes_or_changes_its_class_is_refused(self, found: dict[str, str], end: str) -> None:
        changed = find_changed({"order_not_found": "OrderNotFound"}, found)

        assert changed == [
            f"Error codes are public: clients decide by them. `order_not_found` of OrderNotFound may not be removed, renamed or {end}"
        ]


def share_a_meaning(kinds: list[type[BahiError]]) -> bool:
    """Return whether all classes of one code derive from the first, whose condition they narrow."""
    return all(issubclass(kind, kinds[0]) for kind in kinds)


class TestMeanings:
    def test_classes_of_one_code_derive_from_one_class(self) -> None:
        assert {code: kinds for code, kinds in by_code().items() if not share_a_meaning(kinds)} == {}

    def test_a_code_of_two_classes_that_are_not_related_is_refused(self) -> None:
        one = type("OrderClosed", (Conflict,), {"__module__": __name__})
        other = type("OrderClosed", (Conflict,), {"__module__": __name__})
        narrower = type("OrderClosedLongAgo", (one,), {"code": one.code, "__module__": __name__})

        assert not share_a_meaning([one, other])
        assert share_a_meaning([one, narrower])

    def test_no_two_classes_have_one_name(self) -> None:
        names = [kind.__name__ for kind in ERRORS]

        assert sorted({name for name in names if names.count(name) > 1}) == []

    def test_no_class_has_a_code_of_the_framework(self) -> None:
        assert set(by_code()) & set(error_map.FRAMEWORK) == {"not_found"}


class TestDescriptions:
    @pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
    def test_a_class_says_when_it_occurs_and_what_to_do(self, kind: type[BahiError]) -> None:
        when, what_to_do = error_map.describe(kind)

        assert SENTENCE.fullmatch(when), f"{kind}: the first sentence of the docstring says when it occurs"
        assert SENTENCE.fullmatch(what_to_do), f"{kind}: the rest of the docstring says what to do"

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (drf.PermissionDenied(), "forbidden"),
            (drf.ParseError(), "malformed_request"),
            (drf.MethodNotAllowed("PUT"), "method_not_allowed"),
            (drf.NotAcceptable(), "not_acceptable"),
            (drf.NotAuthenticated(), "not_authenticated"),
            (drf.NotFound(), "not_found"),
            (drf.UnsupportedMediaType("text/plain"), "unsupported_media_type"),
        ],
    )
    def test_codes_of_the_framework_have_the_status_that_the_page_says(self, error: Exception, code: str) -> None:
        answer = exception_response(error)

        assert answer is not None
        assert answer.data["error"]["code"] == code
        assert answer.status_code == error_map.FRAMEWORK[code][0]

    def test_every_code_of_a_field_is_described(self) -> None:
        assert error_map.list_field_codes() == set(error_map.FIELD_CODES)
