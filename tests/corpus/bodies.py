"""J: bodies that are no JSON object, or that two readers could understand in two ways. Each is refused whatever the endpoint."""

_DEEP = 100_000

#: name -> the bytes of the body
STRUCTURES: dict[str, bytes] = {
    "J02 null": b"null",
    "J03 array": b"[]",
    "J03 array of objects": b'[{"a":1}]',
    "J04 text": b'"x"',
    "J05 number": b"42",
    "J05 true": b"true",
    "J06 truncated": b'{"a":',
    "J06 open text": b'{"a":"',
    "J07 trailing comma": b'{"a":1,}',
    "J08 comment": b'{"a":1 /* no */}',
    "J09 trailing garbage": b'{"a":1} x',
    "J09 two objects": b"{}{}",
    "J10 duplicate keys": b'{"amount":1,"amount":100}',
    "J10 duplicate keys by escape": b'{"amount":1,"\\u0061mount":100}',
    "J10 duplicate keys below": b'{"a":[{"b":1,"b":2}]}',
    "J11 NaN": b'{"a":NaN}',
    "J12 Infinity": b'{"a":-Infinity}',
    "J13 1e400": b'{"a":1e400}',
    "J14 deep": b'{"a":' + b"[" * 900 + b"]" * 900 + b"}",
    "J16 BOM": b"\xef\xbb\xbf{}",
    "J17 UTF-16": '{"a":1}'.encode("utf-16"),
    "J17 UTF-32": '{"a":1}'.encode("utf-32"),
    "J18 bad UTF-8": b'{"a":"\xff"}',
    "J18 overlong UTF-8": b'{"a":"\xc0\x80"}',
    "J18 surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "J19 5000 digits": b'{"a":' + b"9" * 5000 + b"}",
    "J21 unknown field": b'{"is_staff":true}',
    "J22 __proto__": b'{"__proto__":{"is_staff":true}}',
    "J22 constructor": b'{"constructor":{}}',
    "J22 $where": b'{"$where":"1"}',
    "J22 empty name": b'{"":1}',
    "S01 NUL": b'{"a":"\\u0000"}',
    "S03 lone surrogate": b'{"a":"\\ud800"}',
    "S03 lone surrogate as key, twice": b'{"\\ud800":1,"\\ud800":2}',
}

#: The same, large.
HEAVY: dict[str, bytes] = {
    "J13 long fraction": b'{"a":0.' + b"1" * 400_000 + b"}",
    "J15 very deep": b'{"a":' + b"[" * _DEEP + b"]" * _DEEP + b"}",
    "J15 never closed": b'{"a":' * _DEEP,
    "J20 100000 keys": b"{" + b",".join(b'"k%d":1' % index for index in range(80_000)) + b"}",
    "J21 long unknown field": b'{"' + b"k" * 900_000 + b'":1}',
    "S08 over 1 MB": b'{"a":"' + b"x" * 1_048_576 + b'"}',
    "H24 5 MB": b"x" * 5_000_000,
}

#: name -> content type and body
MEDIA_TYPES: dict[str, tuple[str, bytes]] = {
    "H22 XML": ("text/xml", b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>"),
    "H22 plain": ("text/plain", b"{}"),
    "H22 form": ("application/x-www-form-urlencoded", b"name=x"),
    "H22 multipart without boundary": ("multipart/form-data", b"--x"),
    "H22 multipart": ("multipart/form-data; boundary=x", b"--x\r\n\r\n--x--\r\n"),
    "H22 bogus charset": ("application/json; charset=bogus", b"{}"),
    "H22 UTF-7": ("application/json; charset=utf-7", b"+ACI-"),
    "H22 missing": ("", b"{}"),
    "H22 no type": ("/", b"{}"),
    "H22 long": ("application/" + "x" * 5000, b"{}"),
}
