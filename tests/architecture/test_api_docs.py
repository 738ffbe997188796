"""The API's description: valid, with an example for each operation, and a page that needs nobody else's server."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from apps.core.api.schema import describe_api

ROOT = Path(__file__).resolve().parent.parent.parent
#: Answered by the web server itself.
BELOW_THE_APPLICATION = {"414", "431"}
#: The page's own script: its policy allows none in the page itself.
SCRIPT = "/api/docs?script="
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def schema() -> Any:
    """Return the description; operations hold what they refer to among the responses that they share."""
    schema = copy.deepcopy(describe_api())
    for _, operation in operations(schema):
        for status, answer in operation["responses"].items():
            if "$ref" in answer:
                operation["responses"][status] = schema["components"]["responses"][answer["$ref"].rsplit("/", 1)[1]]
    return schema


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


@pytest.mark.parametrize("body", ["AddressRequest", "AddressChangeRequest"])
def test_texts_of_an_address_have_the_bounds_of_an_invoice(schema: Any, body: str) -> None:
    texts = schema["components"]["schemas"][body]["properties"]
    bounds = {"type": "string", "minLength": 3, "maxLength": 100}
    required = {**bounds, "description": "3 to 100 characters."}
    optional = {
        "oneOf": [bounds, {"type": "string", "maxLength": 0}],
        "description": "Empty, or 3 to 100 characters.",
    }

    assert {name: texts[name] for name in ("name", "company", "line1", "line2", "city")} == {
        "name": required,
        "company": optional,
        "line1": {**required, "minLength": 1, "description": "1 to 100 characters."},
        "line2": optional,
        "city": required,
    }


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
    assert SCRIPT in found
    for path in set(found) - {SCRIPT}:
        assert path.startswith("/static/")
        assert finders.find(path.removeprefix("/static/"))


def test_the_page_asks_nobody_to_validate() -> None:
    assert '"validatorUrl": null' in Client().get(SCRIPT).content.decode()


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


def test_the_page_on_http_names_every_operation_whose_body_has_no_field(schema: Any) -> None:
    paragraph = (ROOT / "docs" / "http.md").read_text().split("- A body without fields ")[1].split("\n\n")[0]
    bodies = schema["components"]["schemas"]
    without = {
        re.sub(r"\{\w+\}", "{id}", path.removeprefix("/api/v1"))
        for path, item in schema["paths"].items()
        for operation in item.values()
        if "requestBody" in operation
        for content in operation["requestBody"]["content"].values()
        if not bodies.get(content["schema"].get("$ref", "").rsplit("/", 1)[-1], {"properties": True}).get("properties")
    }

    assert set(re.findall(r"`(/[^`]+)`", paragraph)) == without


def test_every_list_is_one_list_object(schema: Any) -> None:
    answers = {
        name: operation["responses"]["200"]["content"]["application/json"]["schema"]
        for name, operation in operations(schema)
        if operation["operationId"].startswith("list_")
    }

    assert len(answers) >= 19
    assert {name for name, answer in answers.items() if set(answer) != {"$ref"}} == set()


def parameters(operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in operation.get("parameters", [])}


def headers(operation: dict[str, Any], status: str) -> set[str]:
    return set(operation["responses"][status]["headers"])


class TestErrorsOfOperations:
    def test_every_error_has_the_one_shape_and_an_example(self, schema: Any) -> None:
        for name, operation in operations(schema):
            for status, answer in operation["responses"].items():
                if status >= "400" and status not in BELOW_THE_APPLICATION:
                    media = answer["content"]["application/json"]
                    assert media["schema"] == {"$ref": "#/components/schemas/Error"}, (name, status)
                    assert media["examples"], (name, status)

    def test_every_operation_names_what_may_happen_to_any_request(self, schema: Any) -> None:
        for name, operation in operations(schema):
            assert {"400", "406", "414", "429", "431", "500", "503"} <= set(operation["responses"]), name
            assert "Retry-After" in headers(operation, "429"), name
            assert "Retry-After" in headers(operation, "503"), name

    def test_every_answer_carries_the_request_id(self, schema: Any) -> None:
        for name, operation in operations(schema):
            for status in set(operation["responses"]) - BELOW_THE_APPLICATION:
                assert "X-Request-Id" in headers(operation, status), (name, status)

    def test_who_must_sign_in_can_be_refused(self, schema: Any) -> None:
        for name, operation in operations(schema):
            if operation.get("security") == [{"bearer": []}]:
                assert {"401", "403"} <= set(operation["responses"]), name
                assert "WWW-Authenticate" in headers(operation, "401"), name

    def test_a_change_of_what_people_share_needs_if_match(self, schema: Any) -> None:
        changes = [operation for name, operation in operations(schema) if name.startswith("PATCH ")]

        assert len(changes) == 5
        for operation in changes:
            assert parameters(operation)["If-Match"]["required"] is True
            assert {"412", "428"} <= set(operation["responses"])

    def test_a_key_that_was_used_is_refused(self, schema: Any) -> None:
        with_key = [operation for _, operation in operations(schema) if "Idempotency-Key" in parameters(operation)]

        assert len(with_key) >= 25
        for operation in with_key:
            assert {"409", "422"} <= set(operation["responses"])
            assert "Idempotent-Replayed" in headers(operation, "409")
            assert parameters(operation)["Idempotency-Key"]["schema"]["minLength"] == 8

    def test_an_object_of_the_path_may_be_missing(self, schema: Any) -> None:
        for name, operation in operations(schema):
            if "{" in name and "{gstin}" not in name:
                assert "404" in operation["responses"], name

    def test_examples_fit_their_operation(self, schema: Any) -> None:
        def codes(path: str, method: str, status: str) -> list[str]:
            answer = schema["paths"][path][method]["responses"][status]
            found = answer["content"]["application/json"]["examples"].values()
            return [example["value"]["error"]["code"] for example in found]

        assert codes("/api/v1/orders/{order_id}", "get", "404") == ["order_not_found"]
        assert codes("/api/v1/orders", "post", "409") == [
            "insufficient_stock", "too_many_unpaid_orders", "too_many_unpaid_orders",
        ]  # fmt: skip
        assert codes("/api/v1/orders", "get", "400") == [
            "invalid_order_status", "invalid_order_number", "invalid_customer_id", "invalid_phone", "query_length_out_of_range",
            "invalid_instant",
        ]  # fmt: skip
        assert codes("/api/v1/customers", "get", "400") == [
            "invalid_phone",
            "invalid_email",
            "query_length_out_of_range",
        ]
        assert codes("/api/v1/me/password/confirm", "post", "400") == ["invalid_otp", "password_too_weak"]
        assert codes("/api/v1/refunds", "post", "409") == ["refund_exceeds_payment", "nothing_to_refund"]
        assert codes("/api/v1/refunds/{refund_id}/approve", "post", "403") == ["self_approval_forbidden"]
        assert codes("/api/v1/auth/login", "post", "401") == ["invalid_credentials"]
        assert codes("/api/v1/me", "patch", "412") == ["version_mismatch"]


class TestBounds:
    def test_ids_in_paths_have_the_form_of_their_kind(self, schema: Any) -> None:
        order = parameters(schema["paths"]["/api/v1/orders/{order_id}"]["get"])["order_id"]["schema"]["pattern"]

        assert re.search(order, "ord_01jf3z8k4qe7tv2w9x0y1z2a3b")
        assert not re.search(order, "pay_01jf3z8k4qe7tv2w9x0y1z2a3b")
        for name, operation in operations(schema):
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path" and parameter["name"].endswith("_id"):
                    assert "pattern" in parameter["schema"], name

    def test_parameters_of_texts_and_numbers_are_bounded(self, schema: Any) -> None:
        unbounded = [
            f"{name} {parameter['name']}"
            for name, operation in operations(schema)
            for parameter in operation.get("parameters", [])
            if parameter["schema"]["type"] in ("string", "integer")
            and parameter["name"] != "gstin"  # whatever it is, the answer says what is wrong with it
            and not {"pattern", "maxLength", "maximum", "enum", "format"} & set(parameter["schema"])
        ]

        assert unbounded == []

    def test_a_page_has_1_to_100_items(self, schema: Any) -> None:
        limit = parameters(schema["paths"]["/api/v1/orders"]["get"])["limit"]["schema"]

        assert limit == {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}

    def test_a_request_body_takes_no_other_fields(self, schema: Any) -> None:
        shapes = schema["components"]["schemas"]
        open_ones = [name for name, shape in shapes.items() if name.endswith("Request") and shape["type"] == "object"
                     and shape.get("additionalProperties") is not False]  # fmt: skip

        assert open_ones == []

    def test_a_list_says_that_it_is_one(self, schema: Any) -> None:
        shape = schema["components"]["schemas"]["OrderSummaryListResponse"]

        assert shape["properties"]["object"] == {"type": "string", "const": "list"}
        assert shape["required"] == ["data", "has_more", "next_cursor", "object", "prev_cursor"]
        assert shape["properties"]["data"]["items"] == {"$ref": "#/components/schemas/OrderSummaryResponse"}
