import io

import pytest

from apps.core.api.parser import BodyTooLarge, MalformedJson, StrictJSONParser, parse_object


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "Expecting value"),
        (b"null", "an object is expected"),
        (b"[]", "an object is expected"),
        (b'"x"', "an object is expected"),
        (b"42", "an object is expected"),
        (b'{"a":', "Expecting value"),
        (b'{"a":1,}', "Illegal trailing comma|Expecting property name"),
        (b'{"a":1 /* no */}', "Expecting ',' delimiter"),
        (b'{"a":1} x', "Extra data"),
        (b'{"amount":1,"amount":100}', "'amount' is given twice"),
        (b'{"a":{"b":1,"b":2}}', "'b' is given twice"),
        (b'{"a":NaN}', "NaN is not a JSON number"),
        (b'{"a":-Infinity}', "-Infinity is not a JSON number"),
        (b'{"a":1e400}', "too large"),
        (b'{"a":' + b"9" * 5000 + b"}", "too large"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deeper than 20"),
        (b'{"a":' + b"[" * 20 + b"]" * 20 + b"}", "deeper than 20"),
        (b'{"a":' * 21 + b"1" + b"}" * 21, "deeper than 20"),
        (b'{"a":' * 100_000, "deeper than 20"),
        (b'\xef\xbb\xbf{"a":1}', "BOM"),
        ('{"a":1}'.encode("utf-16"), "not UTF-8"),
        (b'{"a":"\xff"}', "not UTF-8"),
        (b'{"a":"\\u0000"}', "cannot be stored"),
        (b'{"a":"\\ud800"}', "cannot be stored"),
        (b'{"\\udfff":1}', "cannot be stored"),
        (b'{"a":[{"b":"\\u0000"}]}', "cannot be stored"),
    ],
)
def test_refuses_what_can_be_misread(raw: bytes, sentence: str) -> None:
    with pytest.raises(MalformedJson, match=sentence):
        parse_object(raw)


def test_accepts_what_is_plain() -> None:
    assert parse_object('{"a":[{"b":"₹ நன்றி 👩‍🚀 \\" ] }"}],"c":-0.5}'.encode()) == {
        "a": [{"b": '₹ நன்றி 👩‍🚀 " ] }'}],
        "c": -0.5,
    }


def test_nineteen_levels_inside_the_object_are_enough() -> None:
    assert parse_object(b'{"a":' + b"[" * 19 + b"]" * 19 + b"}")["a"] is not None


def test_a_body_over_one_megabyte_is_too_large() -> None:
    with pytest.raises(BodyTooLarge):
        StrictJSONParser().parse(io.BytesIO(b'{"a":"' + b"x" * 1_048_576 + b'"}'))


def test_another_charset_is_refused() -> None:
    with pytest.raises(MalformedJson, match="only UTF-8"):
        StrictJSONParser().parse(io.BytesIO(b"{}"), "application/json; charset=utf-16")
