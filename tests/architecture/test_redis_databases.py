import pytest

from tests.support.redis_databases import with_database


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("unix:///tmp/bahi/valkey.sock?db=0", "unix:///tmp/bahi/valkey.sock?db=14"),
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/14"),
        ("rediss://user:word@redis.example:6380/3", "rediss://user:word@redis.example:6380/14"),
    ],
)
def test_a_worker_uses_a_database_of_its_own_on_the_given_server(url: str, expected: str) -> None:
    assert with_database(url, 14) == expected
