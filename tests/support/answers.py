"""Reading the answers of the API."""

from typing import Any


def without_request_id(response: Any) -> dict[str, Any]:
    error = dict(response.json()["error"])
    error.pop("request_id")
    return error
