"""What pages of other origins may do, where CORS_ALLOWED_ORIGINS names theirs: docs/http.md."""

CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_CREDENTIALS = (
    True  # the cookie of the refresh token; SameSite=Strict sends it from origins of the same site alone
)
CORS_ALLOW_METHODS = ["DELETE", "GET", "HEAD", "PATCH", "POST"]
CORS_ALLOW_HEADERS = [
    "accept", "authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "x-request-id",
]  # fmt: skip
CORS_EXPOSE_HEADERS = [
    "Allow", "Content-Disposition", "ETag", "Idempotent-Replayed", "Location", "RateLimit-Limit", "RateLimit-Remaining",
    "RateLimit-Reset", "Retry-After", "WWW-Authenticate", "X-Request-Id",
]  # fmt: skip
CORS_PREFLIGHT_MAX_AGE = 7_200  # seconds: the most that Chrome keeps one
