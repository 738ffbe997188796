"""The register of caches, and the page that describes them."""

from pathlib import Path

from config.caches import RESPONSE_CACHES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "caching.md"


def test_the_page_describes_each_cache() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")][1:]

    expected = [
        f"| {each.name} | {each.holds} | {each.key} | {each.life} | {each.ends} |"
        for each in (cache.description for cache in RESPONSE_CACHES)
    ]
    assert rows == expected
    assert len({cache.description.name for cache in RESPONSE_CACHES}) == len(expected) > 0
