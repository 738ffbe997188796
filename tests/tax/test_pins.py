"""PIN codes and states: which prefixes lie where, and what an address may leave out."""

import pytest
from structlog.testing import capture_logs

from apps.tax import rules, selectors

SHARED = {
    "160": ("03", "04"), "194": ("01", "38"), "244": ("05", "09"), "249": ("05", "09"), "262": ("05", "09"), "263": ("05", "09"),
    "362": ("24", "26"), "396": ("24", "26"), "403": ("27", "30"), "507": ("36", "37"), "533": ("34", "37"),
    "605": ("33", "34"), "607": ("33", "34"), "609": ("33", "34"), "673": ("32", "34"), "682": ("31", "32"),
    "737": ("11", "19"), "813": ("10", "20"), "835": ("10", "20"),
}  # fmt: skip


class TestStatesOfPin:
    @pytest.mark.parametrize(
        ("pin", "states"),
        [
            ("110001", ("07",)),
            ("121001", ("06",)),
            ("136999", ("06",)),
            ("140001", ("03",)),
            ("171001", ("02",)),
            ("180001", ("01",)),
            ("201301", ("09",)),
            ("250001", ("09",)),
            ("345001", ("08",)),
            ("411001", ("27",)),
            ("488001", ("23",)),
            ("492001", ("22",)),
            ("500001", ("36",)),
            ("530001", ("37",)),
            ("560001", ("29",)),
            ("600001", ("33",)),
            ("695001", ("32",)),
            ("700001", ("19",)),
            ("744101", ("35",)),
            ("751001", ("21",)),
            ("781001", ("18",)),
            ("791111", ("12",)),
            ("793001", ("17",)),
            ("795001", ("14",)),
            ("796001", ("15",)),
            ("797001", ("13",)),
            ("799001", ("16",)),
            ("800001", ("10",)),
            *((f"{prefix}191", states) for prefix, states in SHARED.items()),
        ],
    )
    def test_prefix_names_its_states(self, pin: str, states: tuple[str, ...]) -> None:
        assert rules.states_of_pin(pin) == states
        assert all(rules.is_pin_of_state(pin, state) for state in states)

    @pytest.mark.parametrize("pin", ["111001", "137001", "199001", "298001", "446001", "999999"])
    def test_prefix_in_no_range_lies_anywhere(self, pin: str) -> None:
        assert rules.states_of_pin(pin) == ()
        assert rules.is_pin_of_state(pin, "29")

    def test_army_post_lies_anywhere(self) -> None:
        assert rules.is_army_pin("912345")
        assert rules.is_known_pin_prefix("912345")
        assert rules.is_pin_of_state("912345", "38")

    def test_no_pin_lies_in_a_state_that_is_none(self) -> None:
        assert not rules.is_pin_of_state("912345", "28")

    def test_every_state_but_other_territory_has_prefixes(self) -> None:
        without = [code for code in rules.STATES if rules.is_supply_state(code) and not rules.pin_prefixes(code)]

        assert without == ["97"]

    def test_shared_prefixes_are_those_of_the_list(self) -> None:
        shared = {prefix for prefix, states in rules.STATES_OF_PIN_PREFIX.items() if len(states) > 1}

        assert shared == set(SHARED) | {str(prefix) for prefix in (*range(244, 250), *range(813, 836))}


class TestStateOfAnAddress:
    def test_state_is_derived_from_a_pin_of_one_state(self) -> None:
        assert selectors.get_state_of_pin(pin="560001") == "29"

    @pytest.mark.parametrize("state", ["24", "26"])
    def test_state_that_shares_the_prefix_is_kept(self, state: str) -> None:
        assert selectors.get_state_of_pin(pin="396191", state=state) == state

    def test_other_state_is_refused_by_name(self) -> None:
        with pytest.raises(selectors.PinStateMismatch) as refused:
            selectors.get_state_of_pin(pin="560001", state="27")

        assert refused.value.code == "pin_state_mismatch"
        assert refused.value.text == (
            "PIN code 560001 belongs to Karnataka (29), not to Maharashtra (27). Correct the PIN code or the state."
        )
        assert refused.value.details == [{"param": "pin", "code": "pin_of_another_state", "states": ["29"]}]

    def test_all_states_of_the_prefix_are_named(self) -> None:
        with pytest.raises(selectors.PinStateMismatch) as refused:
            selectors.get_state_of_pin(pin="396191", state="27")

        assert "belongs to Gujarat (24) and Dadra and Nagar Haveli and Daman and Diu (26), not to" in refused.value.text

    def test_pin_of_several_states_asks_which(self) -> None:
        with pytest.raises(selectors.PinStateMismatch) as refused:
            selectors.get_state_of_pin(pin="194101")

        assert (refused.value.code, refused.value.param) == ("pin_state_mismatch", "state")
        assert refused.value.text == (
            "PIN code 194101 belongs to Jammu and Kashmir (01) or Ladakh (38). Enter the two-digit code of the state."
        )

    @pytest.mark.parametrize("pin", ["912345", "199001"])
    def test_pin_without_a_state_needs_one(self, pin: str) -> None:
        with pytest.raises(selectors.PinStateMismatch) as refused:
            selectors.get_state_of_pin(pin=pin)

        assert refused.value.text == (
            f"PIN code {pin} does not identify a state. Enter the two-digit code of the state."
        )

    def test_unknown_prefix_is_accepted_and_logged(self) -> None:
        with capture_logs() as logs:
            assert selectors.get_state_of_pin(pin="199001", state="01") == "01"

        assert [(one["event"], one["prefix"], one["log_level"]) for one in logs] == [
            ("pin_prefix_unknown", "199", "warning")
        ]

    def test_army_post_is_accepted_without_warning(self) -> None:
        with capture_logs() as logs:
            assert selectors.get_state_of_pin(pin="912345", state="38") == "38"

        assert logs == []
