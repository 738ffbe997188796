"""An API client that holds every answer against the OpenAPI document."""

import functools
import json
from typing import Any

from django.urls import resolve
from django.urls.exceptions import Resolver404
from jsonschema import Draft202012Validator, FormatChecker
from rest_framework.test import APIClient

from apps.core.api.schema import describe_api


class CheckedClient(APIClient):
    """Fails when an answer of an operation has a status, a body or headers that the document does not give it."""

    def request(self, **kwargs: Any) -> Any:
        response = super().request(**kwargs)
        if faults := faults_of(response):
            raise AssertionError(f"The OpenAPI document does not describe this answer: {'; '.join(faults)}")
        return response


def faults_of(response: Any) -> list[str]:
    """Return in what an answer differs from the description of its operation; nothing for what is no operation."""
    method, path = response.request["REQUEST_METHOD"].lower(), response.request["PATH_INFO"]
    operation = _operation(method, path)
    if operation is None:
        return []
    name, status = f"{method.upper()} {path}", str(response.status_code)
    described = operation["responses"].get(status)
    if described is None:
        return [f"{name} answered {status}, which is not one of {', '.join(operation['responses'])}"]
    described = _resolved(described)
    missing = [header for header, told in described.get("headers", {}).items()
               if _resolved(told).get("required") and header not in response]  # fmt: skip
    faults = [f"{name} {status} lacks the header {header}" for header in missing]
    content_type = response.get("Content-Type", "").partition(";")[0]
    if content_type == "application/json" and response.content:
        if content_type not in described.get("content", {}):
            return [*faults, f"{name} {status} is described without a JSON body"]
        reference = json.dumps(described["content"][content_type]["schema"], sort_keys=True)
        problems = _validator(reference).iter_errors(json.loads(response.content))
        faults += [f"{name} {status} at {problem.json_path}: {problem.message[:200]}" for problem in problems]
    return faults


def _operation(method: str, path: str) -> dict[str, Any] | None:
    try:
        route = resolve(path).route
    except Resolver404:
        return None
    template = "/" + route.replace("<str:", "{").replace(">", "}")
    operation: dict[str, Any] | None = describe_api()["paths"].get(template, {}).get(method)
    return operation


def _resolved(told: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = told
    if "$ref" in told:
        _, _, kind, name = told["$ref"].split("/")
        found = describe_api()["components"][kind][name]
    return found


@functools.cache
def _validator(reference: str) -> Draft202012Validator:
    schema = {**json.loads(reference), "components": describe_api()["components"]}
    return Draft202012Validator(schema, format_checker=FormatChecker())
