"""Values that a field must refuse by its type, and texts that it must survive."""

from typing import Any

WRONG_FOR_TEXT: dict[str, Any] = {
    "O09 integer": 123456,
    "N15 fraction": 1.9,
    "N13 true": True,
    "O09 list": ["123456"],
    "empty list": [],
    "O09 operator": {"$ne": 1},
    "empty object": {},
}
WRONG_FOR_NUMBER: dict[str, Any] = {
    "null": None,
    "text": "1",
    "N07 full-width digits": "１２",
    "N08 Devanagari digits": "१२",
    "N09 blanks": " 1 ",
    "N10 thousands": "1,000",
    "N11 rupees": "₹10",
    "N12 hexadecimal": "0x10",
    "N12 underscore": "1_000",
    "N13 true": True,
    "N14 fraction as text": "1.0",
    "N15 fraction": 1.9,
    "N15 whole fraction": 1.0,
    "N05 exponent": "1e2",
    "N06 huge exponent": "1E+999999999",
    "N18 2^63": 2**63,
    "N18 beyond 64 bits": 10**30,
    "N18 -2^63": -(2**63),
    "N17 2^53+1": 2**53 + 1,
    "list": [1],
    "object": {"$gt": 0},
}
#: Numbers that may be right or wrong by the bounds of their field, and must break nothing.
NUMBERS: dict[str, int] = {
    "N01 -1": -1, "N03 0": 0, "N16 2^31": 2**31, "N16 2^31-1": 2**31 - 1, "N24 10^9": 10**9, "N18 18 digits": 10**18 - 1,
    "2^15": 2**15, "10^13": 10**13,
}  # fmt: skip
WRONG_FOR_BOOLEAN: dict[str, Any] = {
    "null": None, "text": "true", "yes": "yes", "on": "on", "one": 1, "zero": 0, "fraction": 1.0, "list": [True], "object": {},
}  # fmt: skip
WRONG_FOR_LIST: dict[str, Any] = {
    "null": None, "text": "x", "number": 1, "object": {}, "list of null": [None], "list of lists": [[]], "list of texts": ["x"],
    "I13 1000 of them": [{}] * 1000, "100000 of them": [{}] * 100_000, "list of empty objects": [{}],
}  # fmt: skip
WRONG_FOR_OBJECT: dict[str, Any] = {
    "null": None, "text": "x", "number": 1, "list": [], "value is a number": {"a": 1}, "value is null": {"a": None},
    "value is an object": {"a": {"b": "c"}}, "no name": {"": "x"}, "1000 pairs": {str(index): "x" for index in range(1000)},
    "long name": {"n" * 41: "x"}, "long value": {"a": "x" * 300}, "line in name": {"a\nb": "x"}, "RTL in name": {"a\u202eb": "x"},
}  # fmt: skip
#: Texts of a field of any kind: what it makes of them is its own matter, but it answers, and quickly.
TEXTS: dict[str, str] = {
    "S06 blank": "   ",
    "S06 unseen": "\u200b\u200d\u2060",
    "S06 Hangul filler": "\u3164",
    "S07 201 characters": "x" * 201,
    "S09 joiners": "A\u200dsha\u200c",
    "S10 override": "\u202egpj.exe",
    "S11 homoglyph": "\u0430sha@example.in",
    "S12 decomposed": "e\u0301",
    "S13 dotted capital I": "İ@example.in",
    "S13 sharp s": "ß@ß.in",
    "S14 emoji": "👩‍👩‍👧‍👦",
    "S15 Devanagari": "क्षत्रिय श्री",
    "S15 Tamil": "க்ஷௌ",
    "S16 Zalgo": "a" + "\u0301" * 5000,
    "S17 line break": "a\r\nBcc: x@y.example",
    "S18 controls": "a\t\v\f",
    "S19 ANSI": "\x1b[2J",
    "S20 HTML": "<img src=x onerror=alert(1)>",
    "S21 templates": "{{7*7}}{% debug %}${7*7}",
    "S22 formats": "%s %n {0.__class__} {unknown} {",
    "S23 SQL": "'\";-- %' OR 1=1",
    "noncharacter": "\uffff\U0010ffff",
    "O16 mail header": "a@b.in\r\nBcc: c@d.in",
    "O17 literal": "a@[127.0.0.1]",
    "O17 320 characters": "a" * 300 + "@" + "b" * 16 + ".in",
    "O18 punycode": "a@xn--" + "a" * 60 + ".in",
    "O12 premium": "+19005550123",
    "O12 satellite": "+88216000000000",
    "O08 full-width": "＋９１９８７６５４３２１０",
    "N07 full-width digits": "１２３４５６",
    "N08 Devanagari digits": "५६०००१",
    "I06 path": "../../etc/passwd",
    "D04 24:00": "2026-01-01T24:00:00Z",
}
#: The same, large.
HEAVY_TEXTS: dict[str, str] = {
    "S08 long": "x" * 900_000,
    "S16 Zalgo in disorder": "a" + "\u0301\u0316" * 10_000,
    "S24 ReDoS": "a" * 50_000 + "!",
    "S24 ReDoS of a slug": "a-" * 25_000,
    "S24 ReDoS of an address": "a@" + "a." * 20_000,
}
#: Ids in bodies: none of them is one.
IDS: dict[str, Any] = {
    "I02 nil UUID": "00000000-0000-0000-0000-000000000000",
    "I03 braced": "{0198c0de-0000-7000-8000-000000000000}",
    "I04 integer": 1,
    "I05 60 digits": "9" * 60,
    "I06 path": "../1",
    "I09 another kind": "xyz_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "I12 array": ["ord_01jf3z8k4qe7tv2w9x0y1z2a3b"],
    "upper case": "ORD_01JF3Z8K4QE7TV2W9X0Y1Z2A3B",
    "overflow": "zzzzzzzzzzzzzzzzzzzzzzzzzz",
    "Kelvin sign": "\u212a" * 26,
    "null": None,
    "blank": "",
}
#: Ids in paths, as they stand in the URL.
PATH_IDS: dict[str, str] = {
    "I02 nil UUID": "00000000-0000-0000-0000-000000000000",
    "I03 urn": "urn:uuid:0198c0de-0000-7000-8000-000000000000",
    "I04 integer": "1",
    "I05 60 digits": "9" * 60,
    "I07 NUL": "%00",
    "I08 escaped dots": "%2e%2e%2f%2e%2e%2fadmin",
    "bad UTF-8": "%ff%c0%80",
    "line break": "a%0d%0aSet-Cookie:%20a=b",
    "ANSI": "%1b[2J",
    "long": "x" * 4000,
    "full-width digits": "%EF%BC%91",
    "format": "{0.__class__}%25s",
    "RTL": "%E2%80%AE",
    "Q16 suffix": "x.csv",
}
#: What an attacker would like to say of himself or his order, as unknown fields.
PRIVILEGED: dict[str, Any] = {
    "id": "ord_01jf3z8k4qe7tv2w9x0y1z2a3b", "is_staff": True, "is_superuser": True, "user_id": 1, "customer_id": "cus_1",
    "status": "paid", "amount": 1, "price": 1, "total_amount": 1, "paid_amount": 10**6, "discount": 100, "coupon": "FREE",
    "tax_rate": 0, "email_confirmed_at": "2026-01-01T00:00:00Z", "session_version": 0, "version": 99, "groups": ["admin"],
    "user_permissions": [1], "lowest_price": 1, "on_hand": 10**6, "purpose": "log_in",
}  # fmt: skip
