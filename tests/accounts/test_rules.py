import time
from datetime import timedelta

import pytest

from apps.accounts import rules


class TestNormalisePhone:
    @pytest.mark.parametrize(
        "typed",
        [
            "9876543210",
            "+919876543210",
            "09876543210",
            "919876543210",
            "98765 43210",
            "+91-98765-43210",
            "0091 9876543210",
            " 9876543210 ",
        ],
    )
    def test_all_ways_of_writing_a_number_are_one_identity(self, typed: str) -> None:
        assert rules.normalise_phone(typed) == "+919876543210"

    @pytest.mark.parametrize("typed", ["6000000000", "7000000000", "9999999999", "6123456789"])
    def test_the_first_digit_decides_where_metadata_lags(self, typed: str) -> None:
        assert rules.normalise_phone(typed) == f"+91{typed}"

    @pytest.mark.parametrize(
        "typed",
        [
            "5876543210", "1234567890", "022-24123456", "0000000000", "+9198765432100", "+14155552671", "+19005551234", "+8821234567890",
            "+870773111632", "", "+", "98765", "9876543210 ext 5", "tel:9876543210", "९८७६५४३२१०", "９８７６５４３２１０", "9876543210\n",
            "9876543210;ext=1", "9" * 5000,
        ],
    )  # fmt: skip
    def test_refuses_what_is_no_indian_mobile(self, typed: str) -> None:
        with pytest.raises(ValueError):
            rules.normalise_phone(typed)

    def test_other_countries_are_let_in_by_name_and_for_mobiles_only(self) -> None:
        assert rules.normalise_phone("+447400123456", countries=["IN", "GB"]) == "+447400123456"
        with pytest.raises(ValueError):
            rules.normalise_phone("+442079460000", countries=["IN", "GB"])

    def test_a_shop_may_leave_india_out(self) -> None:
        with pytest.raises(ValueError):
            rules.normalise_phone("+919876543210", countries=["GB"])


class TestNormaliseEmail:
    @pytest.mark.parametrize(
        ("typed", "stored"),
        [
            ("Asha@Example.IN", "asha@example.in"),
            (" asha+shop@example.in ", "asha+shop@example.in"),
            ("asha@bücher.example", "asha@xn--bcher-kva.example"),
            ("asha@straße.example", "asha@xn--strae-oqa.example"),
            ("a.b-c_d@mail.example.co.in", "a.b-c_d@mail.example.co.in"),
        ],
    )
    def test_is_lower_case_and_ascii(self, typed: str, stored: str) -> None:
        assert rules.normalise_email(typed) == stored

    @pytest.mark.parametrize(
        "typed",
        [
            "", "@", "a@", "@b.in", "a@b", "a@[127.0.0.1]", "a@127.0.0.1", '"a b"@example.in', "a..b@example.in", ".a@example.in",
            "a@b.c\r\nBcc: x@y.in", "\u0430sha@example.in", "İ@example.in",
            "a b@example.in", "a@exa_mple.in", "a@-b.in", f"{'a' * 65}@example.in",
            f"a@{'b' * 320}.in", "a@b@example.in", "a\u200b@example.in", "a@example..in",
            "a@shop.local", "a@localhost.localhost", "a@example.test", "a@xn--zz.in",
        ],
    )  # fmt: skip
    def test_refuses_what_no_mailbox_is_called(self, typed: str) -> None:
        with pytest.raises(ValueError):
            rules.normalise_email(typed)

    @pytest.mark.parametrize(
        "evil", ["a" * 50_000 + "!", "a." * 25_000 + "@", "a@" + "b." * 25_000 + "!", "+" + "1 " * 25_000]
    )
    def test_no_text_costs_time(self, evil: str) -> None:
        began = time.thread_time()
        for normalise in (rules.normalise_email, rules.normalise_phone):
            with pytest.raises(ValueError):
                normalise(evil)

        assert time.thread_time() - began < 1  # of our own time; where each letter is compared with each, minutes


class TestCodes:
    FACTS = {
        "pepper": "pepper", "challenge": "chal_1", "purpose": "log_in", "destination": "+919876543210", "code": "123456",
    }  # fmt: skip

    def test_a_code_is_bound_to_challenge_purpose_destination_and_pepper(self) -> None:
        hashed = rules.hash_code(**self.FACTS)

        assert rules.matches_code(**self.FACTS, code_hash=hashed)
        for name in self.FACTS:
            assert not rules.matches_code(**{**self.FACTS, name: "another"}, code_hash=hashed)

    def test_no_code_fits_a_challenge_that_has_none_yet(self) -> None:
        assert not rules.matches_code(**{**self.FACTS, "code": ""}, code_hash="")


class TestRateLimits:
    LIMITS = rules.OtpRequestLimits(per_network_per_hour=20, per_prefix_per_day=100, per_day=1000)

    def test_sms_code_has_rate_limits_of_phone_network_series_and_day(self) -> None:
        rate_limits = rules.code_rate_limits(
            destination="+919876543210", purpose="log_in", ip="203.0.113.7", peppers=["p"], limits=self.LIMITS
        )

        assert [
            (rate_limit.key.rsplit(":", 1)[0], rate_limit.allowed, rate_limit.window) for rate_limit in rate_limits
        ] == [
            ("code:interval:log_in", 1, timedelta(seconds=30)),
            ("code:10min", 3, timedelta(minutes=10)),
            ("code:day", 10, timedelta(days=1)),
            ("code:ip", 20, timedelta(hours=1)),
            ("code", 1000, timedelta(days=1)),
            ("code:series", 100, timedelta(days=1)),
        ]

    def test_no_key_holds_the_phone(self) -> None:
        rate_limits = rules.code_rate_limits(
            destination="+919876543210", purpose="log_in", ip="203.0.113.7", peppers=["p"], limits=self.LIMITS
        )

        assert not [rate_limit.key for rate_limit in rate_limits if "98765" in rate_limit.key]

    def test_numbers_of_one_series_share_a_rate_limit(self) -> None:
        keys = [
            {
                rate_limit.key
                for rate_limit in rules.code_rate_limits(
                    destination=phone, purpose="log_in", ip="203.0.113.7", peppers=["p"], limits=self.LIMITS
                )
                if rate_limit.key.startswith("code:series")
            }
            for phone in ("+919876543210", "+919876540000", "+919876553210")
        ]

        assert keys[0] == keys[1] != keys[2]

    def test_ipv6_network_counts_as_one_client(self) -> None:
        assert (
            rules.client_network("2001:db8:1:2:3:4:5:6")
            == rules.client_network("2001:db8:1:2::9")
            == "2001:db8:1:2::/64"
        )
        assert rules.client_network("203.0.113.7") == "203.0.113.7"


class TestFindAddressError:
    @pytest.mark.parametrize(
        ("state", "pin", "gstin", "fault"),
        [
            ("29", "560001", "", None),
            ("27", "411030", "27AAPFU0939F1ZV", None),
            ("29", "560001", "27AAPFU0939F1ZV", ("gstin", "gstin_of_another_state")),
            ("27", "411030", "27AAPFU0939F1ZW", ("gstin", "wrong_check_character")),
            ("28", "520001", "", ("state", "unknown_state")),
            ("96", "560001", "", ("state", "unknown_state")),
            ("99", "560001", "", ("state", "unknown_state")),
            ("00", "560001", "", ("state", "unknown_state")),
            ("29", "056001", "", ("pin", "not_a_pin")),
            ("29", "56000", "", ("pin", "not_a_pin")),
            ("29", "५६०००१", "", ("pin", "not_a_pin")),
        ],
    )
    def test_names_the_field_and_the_reason(
        self, state: str, pin: str, gstin: str, fault: tuple[str, str] | None
    ) -> None:
        assert rules.find_address_error(state=state, pin=pin, gstin=gstin) == fault
