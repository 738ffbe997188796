"""The API's description: valid, with an example for each operation, and a page that needs nobody else's server."""

import re
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def schema() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(schema: Any) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]


def test_the_schema_is_valid_openapi_3_1(schema: Any) -> None:
    assert schema["openapi"] == "3.1.0"
    validate(schema)


def test_the_description_says_how_to_sign_in(schema: Any) -> None:
    assert schema["components"]["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    assert schema["paths"]["/api/v1/me/notifications"]["get"]["security"] == [{"bearer": []}]


def has_a_body(operation: dict[str, Any]) -> bool:
    answers = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
    # A PDF has no example that anybody could read.
    return "requestBody" in operation or any("application/json" in answer.get("content", {}) for answer in answers)


def test_every_operation_that_says_anything_has_an_example(schema: Any) -> None:
    without = [
        name for name, operation in operations(schema) if has_a_body(operation) and "'example" not in str(operation)
    ]

    assert without == []


def test_every_operation_has_a_name_of_its_own_and_a_summary(schema: Any) -> None:
    names = [operation["operationId"] for _, operation in operations(schema)]

    assert len(names) == len(set(names))
    assert [name for name, operation in operations(schema) if not operation.get("summary")] == []


def test_the_page_refers_to_our_own_files_alone() -> None:
    page = Client().get("/api/docs").content.decode()

    assert "://" not in page
    found = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(found) >= 3
    for path in found:
        assert path.startswith("/static/")
        assert finders.find(path.removeprefix("/static/"))


def test_the_page_asks_nobody_to_validate() -> None:
    assert '"validatorUrl": null' in Client().get("/api/docs").content.decode()


def test_the_schema_and_the_page_are_public_and_the_root_leads_there() -> None:
    client = Client()

    assert client.get("/api/schema").status_code == 200
    assert client.get("/")["Location"] == "/api/docs"


def test_the_static_files_are_served_without_collecting_them() -> None:
    answer = Client().get("/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui.css")

    assert answer.status_code == 200
    assert b"swagger-ui" in b"".join(answer.streaming_content)[:5000]


def examples(schema: Any) -> list[tuple[str, dict[str, Any], Any]]:
    """Return the name, schema and value of every example of a request or a response."""
    found = []
    for name, operation in operations(schema):
        bodies = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for status, body in bodies.items():
            media = body.get("content", {}).get("application/json", {})
            for title, example in media.get("examples", {}).items():
                found.append((f"{name} {status} {title}", media["schema"], example["value"]))
    return found


def test_every_example_fits_its_schema(schema: Any) -> None:
    wrong = {}
    for name, described, value in examples(schema):
        validator = Draft202012Validator({**described, "components": schema["components"]})
        if faults := [f"{fault.json_path}: {fault.message[:120]}" for fault in validator.iter_errors(value)]:
            wrong[name] = faults[:3]

    assert wrong == {}


def test_every_list_is_one_list_object(schema: Any) -> None:
    answers = {
        name: operation["responses"]["200"]["content"]["application/json"]["schema"]
        for name, operation in operations(schema)
        if operation["operationId"].startswith("list_")
    }

    assert len(answers) >= 19
    assert {name for name, answer in answers.items() if set(answer) != {"$ref"}} == set()
