from typing import Any

import pytest

pytestmark = pytest.mark.django_db


class TestGstinCheck:
    def test_returns_state_and_kind(self, client_of: Any, owner: Any) -> None:
        response = client_of(owner).get("/api/v1/gst/gstin/27aapfu0939f1zv")

        assert response.status_code == 200
        assert response.json() == {
            "object": "gstin_check",
            "gstin": "27AAPFU0939F1ZV",
            "is_valid": True,
            "kind": "normal",
            "refusal": None,
            "state": "27",
            "state_name": "Maharashtra",
        }

    def test_says_why_a_text_is_none(self, client_of: Any, owner: Any) -> None:
        body = client_of(owner).get("/api/v1/gst/gstin/27AAPFU0939F1ZW").json()

        assert (body["is_valid"], body["refusal"], body["state"]) == (False, "wrong_check_character", None)

    def test_is_the_same_for_everybody_who_has_signed_in(self, client_of: Any, owner: Any, stranger: Any) -> None:
        url = "/api/v1/gst/gstin/27AAPFU0939F1ZV"

        assert client_of(owner).get(url).json() == client_of(stranger).get(url).json()

    def test_requires_authentication(self, anonymous: Any) -> None:
        assert anonymous.get("/api/v1/gst/gstin/27AAPFU0939F1ZV").status_code == 401


class TestRates:
    def test_of_a_day_are_public_and_may_be_cached(self, anonymous: Any, reference_data: None) -> None:
        response = anonymous.get("/api/v1/gst/rates?on=2025-09-21")

        rates = {row["tax_class"]: row["rate"] for row in response.json()["data"]}
        assert (rates["gst_5"], rates["gst_5_was_18"], rates["gst_18_was_28"]) == (500, 1800, 2800)
        assert response["Cache-Control"] == "public, max-age=60, stale-while-revalidate=300"
        again = anonymous.get("/api/v1/gst/rates?on=2025-09-21", headers={"If-None-Match": response["ETag"]})
        assert (again.status_code, again.content) == (304, b"")

    def test_without_a_day_are_todays(self, anonymous: Any, reference_data: None) -> None:
        rates = {row["tax_class"]: row["rate"] for row in anonymous.get("/api/v1/gst/rates").json()["data"]}

        assert rates["gst_5_was_18"] == 500

    @pytest.mark.parametrize(
        "query", ["on=yesterday", "on=20250921", "on=2026-02-29", "on=2026-W47-6", "day=2026-01-01"]
    )
    def test_invalid_date_is_refused(self, anonymous: Any, query: str) -> None:
        assert anonymous.get(f"/api/v1/gst/rates?{query}").status_code == 400


class TestListStates:
    def test_anybody_may_read_codes_names_and_pin_prefixes(self, anonymous: Any) -> None:
        response = anonymous.get("/api/v1/states")

        states = {state["code"]: state for state in response.json()["data"]}
        assert response.status_code == 200
        assert len(states) == 37
        assert states["29"] == {
            "object": "state",
            "code": "29",
            "name": "Karnataka",
            "is_union_territory": False,
            "levies_utgst": False,
            "pin_prefixes": [str(prefix) for prefix in range(560, 592)],
        }
        assert states["26"]["pin_prefixes"] == ["362", "396"]

    def test_union_territories_that_levy_utgst_are_marked(self, anonymous: Any) -> None:
        data = anonymous.get("/api/v1/states").json()["data"]

        assert [state["code"] for state in data if state["is_union_territory"]] == [
            "01", "04", "07", "26", "31", "34", "35", "38",
        ]  # fmt: skip
        assert [state["code"] for state in data if state["levies_utgst"]] == ["04", "26", "31", "35", "38", "97"]

    def test_retired_states_are_left_out(self, anonymous: Any) -> None:
        codes = {state["code"] for state in anonymous.get("/api/v1/states").json()["data"]}

        assert codes.isdisjoint({"25", "28", "96", "99"})

    def test_unknown_parameter_is_refused(self, anonymous: Any) -> None:
        assert anonymous.get("/api/v1/states", {"q": "x"}).status_code == 400
