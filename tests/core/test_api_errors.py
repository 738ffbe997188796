"""What a client reads of a request that does not validate: each error with the path of its field."""

from typing import Any

import pytest
from rest_framework import exceptions as drf
from rest_framework import serializers

from apps.core.api.errors import exception_response


class LineRequest(serializers.Serializer[Any]):
    quantity = serializers.IntegerField()
    codes = serializers.ListField(child=serializers.CharField(max_length=3), required=False)


class OrderRequest(serializers.Serializer[Any]):
    note = serializers.CharField(max_length=3, required=False)
    lines = LineRequest(many=True)

    def validate_note(self, note: str) -> str:
        if note == "no":
            raise serializers.ValidationError(["One reason.", "Another reason."], code="refused")
        return note

    def validate(self, attrs: Any) -> Any:
        if not attrs["lines"]:
            raise serializers.ValidationError("An order needs a line.", code="empty_order")
        return attrs


def read_errors(error: drf.ValidationError) -> list[dict[str, Any]]:
    """Return the details of the answer, as a client reads them."""
    response = exception_response(error)
    assert response is not None
    assert response.status_code == 400
    details: list[dict[str, Any]] = response.data["error"]["details"]
    return details


def validate(body: dict[str, Any]) -> list[tuple[str | None, str, str]]:
    """Return path, code and message of each error of a body."""
    with pytest.raises(drf.ValidationError) as refused:
        OrderRequest(data=body).is_valid(raise_exception=True)
    return [(each["param"], each["code"], each["message"]) for each in read_errors(refused.value)]


class TestPathsOfErrors:
    def test_a_field_is_named(self) -> None:
        assert validate({}) == [("lines", "required", "This field is required.")]

    def test_a_field_of_a_list_has_its_index(self) -> None:
        assert validate({"lines": [{"quantity": 1}, {"quantity": "x"}, {}]}) == [
            ("lines[1].quantity", "invalid", "A valid integer is required."),
            ("lines[2].quantity", "required", "This field is required."),
        ]

    def test_a_value_of_a_list_in_a_list_has_both_indexes(self) -> None:
        assert validate({"lines": [{"quantity": 1, "codes": ["abc", "abcd"]}]}) == [
            ("lines[0].codes[1]", "max_length", "Ensure this field has no more than 3 characters."),
        ]

    def test_two_errors_of_one_field_share_its_path(self) -> None:
        assert validate({"note": "no", "lines": [{"quantity": 1}]}) == [
            ("note", "refused", "One reason."),
            ("note", "refused", "Another reason."),
        ]

    def test_an_error_of_the_whole_body_has_no_path(self) -> None:
        assert validate({"lines": []}) == [(None, "empty_order", "An order needs a line.")]

    def test_an_error_of_a_whole_item_has_the_path_of_the_item(self) -> None:
        assert validate({"lines": ["x"]}) == [
            ("lines[0]", "invalid", "Invalid data. Expected a dictionary, but got str."),
        ]

    def test_fields_may_be_called_message_and_code(self) -> None:
        error = drf.ValidationError({"message": ["Too short."], "code": ["Too long."]})

        assert read_errors(error) == [
            {"param": "message", "code": "invalid", "message": "Too short."},
            {"param": "code", "code": "invalid", "message": "Too long."},
        ]

    def test_the_answer_repeats_its_first_error(self) -> None:
        response = exception_response(drf.ValidationError({"a": ["First."], "b": ["Second."]}))

        assert response is not None
        error = response.data["error"]
        assert (error["param"], error["code"], error["message"]) == ("a", "invalid", "First.")

    def test_an_error_without_details_still_has_a_sentence(self) -> None:
        response = exception_response(drf.ValidationError([]))

        assert response is not None
        assert response.data["error"] == {
            "type": "invalid_request",
            "code": "invalid",
            "message": "The request is not valid.",
            "request_id": response.data["error"]["request_id"],
        }
