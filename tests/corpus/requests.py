"""Q, H, A, K: query strings, headers, tokens and keys."""

import base64
import json

#: Query strings that every route refuses: no route knows these parameters.
FOREIGN_QUERIES: dict[str, str] = {
    "Q05 order by": "ordering=password",
    "Q06 order by attribute": "ordering=note,__class__",
    "Q07 lookup": "owner__password__startswith=p",
    "Q08 connector": "_connector=OR",
    "Q08 negated": "_negated=1",
    "Q10 brackets": "status[]=paid",
    "Q11 5000 parameters": "&".join(f"a{index}=1" for index in range(5000)),
    "Q12 NUL as a name": "%00=1",
    "Q15 fields": "fields=*",
    "Q15 expand": "expand=user.password",
    "Q16 format": "format=csv.exe",
    "Q17 bad UTF-8": "%ff=%fe",
    "Q18 unknown": "colour=red",
    "A21 token": "access_token=x",
    "H08 method": "_method=DELETE",
    "long name": "n" * 7000 + "=1",
    "line break": "a%0d%0ab=1",
    "no name": "=1",
}
#: Values that no parameter of a list takes, but for free text.
PARAMETER_VALUES: dict[str, str] = {
    "blank": "",
    "Q01 zero": "0",
    "Q01 minus one": "-1",
    "Q02 10^9": "1000000000",
    "N07 full-width digits": "%EF%BC%91",
    "N08 superscript": "%C2%B2",
    "N05 exponent": "1e2",
    "N09 blank": "%201",
    "N18 20 digits": "9" * 20,
    "Q03 tampered": "WyJhIl0:AAAA",
    "Q03 not ASCII": "%E2%82%B9:%E2%82%B9",
    "Q06 attribute": "-__class__",
    "Q12 NUL": "a%00b",
    "Q13 10 kB": "x" * 7000,
    "Q14 wildcards": "%25_%25",
    "Q17 bad UTF-8": "%ff",
    "Q19 semicolon": "a;b=1",
    "Q20 commas": "," * 5000,
    "Q20 one wrong behind many": "cancelled," * 60 + "x",
    "S23 SQL": "'%20OR%201=1--",
    "S21 template": "{{7*7}}",
    "D01 first year": "0001-01-01T00:00:00%2B05:30",
    "D02 last year": "9999-12-31T23:59:59-12:00",
    "D03 no leap day": "2026-02-29",
    "D04 24:00": "2026-01-01T24:00:00Z",
    "D05 leap second": "2026-01-01T23:59:60Z",
    "D06 naive": "2026-01-01T00:00:00",
    "D07 zone": "2026-01-01T00:00:00%2B99:99",
    "D08 epoch": "1767225600",
    "D09 negative epoch": "-1",
    "D14 week": "2026-W47-6T00:00:00Z",
    "Q parentheses": "(((((",
    "Q quotes": '"%20or%20-"',
    "Q tsquery": "a%20%26%20!b:*%20<->%20c",
    "Q colons": ":,::,a:",
}

#: Headers that must change nothing of what a request means, nor break it.
HEADERS: dict[str, dict[str, str]] = {
    "H05 forged address": {"X-Forwarded-For": "203.0.113.99, ::1%eth0, <script>"},
    "H04 forged host": {"X-Forwarded-Host": "evil.example"},
    "H06 forged scheme": {"X-Forwarded-Proto": "https"},
    "H08 override": {"X-HTTP-Method-Override": "DELETE"},
    "H16 many": {f"X-Many-{index}": "x" for index in range(90)},
    "H21 odd Accept": {"Accept": "application/json;q=abc, ;;/;,"},
    "Accept indent": {"Accept": "application/json; indent=99999999"},
    "K02 bad If-None-Match": {"If-None-Match": '"' * 5000},
    "odd language": {"Accept-Language": "../../etc, \x01;q=9"},
    "odd cookie": {"Cookie": 'sessionid="\\0"; bahi_refresh=;;=;' + "a=b;" * 500},
    "odd request id": {"X-Request-Id": "a\x1b[2Jb" * 100},
    "Range": {"Range": "bytes=0-,5-9999999999999999999999"},
    "odd date": {"If-Modified-Since": "Sat, 99 Foo 99999 99:99:99 GMT"},
}


def _part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


_SIGNATURE = "A" * 42 + "A"
_CLAIMS = {"typ": "access", "sub": "cus_x", "exp": 99999999999}
_HS256 = {"alg": "HS256", "typ": "JWT"}


def _token(header: object, claims: object = _CLAIMS, signature: str = _SIGNATURE) -> str:
    return f"{_part(header)}.{_part(claims)}.{signature}"


#: Access or refresh tokens, none of which opens anything.
TOKENS: dict[str, str] = {
    "A02 empty": "",
    "A04 none": _token({"alg": "none"}, signature=""),
    "A04 none, signed": _token({"alg": "none"}),
    "A04 nOnE": _token({"alg": "nOnE"}),
    "A05 RS256": _token({"alg": "RS256"}),
    "A05 ES256": _token({"alg": "ES256"}),
    "A06 other secret": _token(_HS256),
    "A16 kid path": _token({**_HS256, "kid": "../../dev/null"}),
    "A16 kid SQL": _token({**_HS256, "kid": "' OR 1=1"}),
    "A16 kid number": _token({**_HS256, "kid": 1}),
    "A17 jku": _token({**_HS256, "jku": "https://evil.example/keys"}),
    "A17 jwk": _token({**_HS256, "jwk": {"kty": "oct", "k": "AA"}}),
    "A18 crit": _token({**_HS256, "crit": ["exp", "x"]}),
    "A18 crit is a number": _token({**_HS256, "crit": 5}),
    "A18 b64": _token({**_HS256, "b64": False}),
    "A20 10 kB": "x" * 10_000,
    "A20 4 kB of one part": "x" * 4000,
    "header is a list": _token([1]),
    "header is null": _token(None),
    "header is a text": _token("HS256"),
    "header is no JSON": _token(b"{"),
    "header is UTF-16": _token('{"alg":"HS256"}'.encode("utf-16")),
    "header is bad UTF-8": _token(b'{"alg":"\xff"}'),
    "header is deep": _token(b"[" * 2200),
    "header is deep objects": _token(b'{"a":' * 500),
    "header has 2000 digits": _token(b'{"alg":' + b"9" * 2000 + b"}"),
    "alg is a list": _token({"alg": ["HS256"]}),
    "alg is an object": _token({"alg": {"a": 1}}),
    "alg is a number": _token({"alg": 1}),
    "claims are deep": _token(_HS256, b"[" * 2200),
    "claims are a list": _token(_HS256, [1]),
    "two parts": "a.b",
    "four parts": "a.b.c.d",
    "not ASCII": "\xe9.\xe9.\xe9",
}
AUTHORIZATIONS: dict[str, str] = {
    "A02 no token": "Bearer",
    "A02 blank": "Bearer ",
    "A03 two schemes": "Bearer a, Basic b",
    "A03 two tokens": "Bearer a b",
    "A24 key": "Bearer sk_live_x",
    "basic": "Basic YWRtaW46YWRtaW4=",
    "digest": "Digest username=x",
    "not ASCII": "\xa0\xff",
    "long": "Bearer " + "a" * 8000,
}

KEYS: dict[str, str] = {
    "K02 empty": "", "K02 one character": "k", "K02 256 characters": "k" * 256, "K02 not ASCII": "\xe9" * 10,
    "K02 blank inside": "key of mine", "K02 tab": "key\tkey\tkey",
}  # fmt: skip

#: Paths under /api where nothing is.
NO_PATHS = (
    "/api", "/api/", "/api/v1", "/api/v1/", "/api/v2/me", "/api/v1/me/", "/api/v1//me", "/api/v1/admin", "/api/v1/me%00",
    "/api/v1/%2e%2e/admin", "/api/v1/me;x=1", "/api/v1/me%0d%0aX: y",
)  # fmt: skip
