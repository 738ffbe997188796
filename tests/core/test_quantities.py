import pytest

from apps.core.quantities import to_milli, to_units


@pytest.mark.parametrize(("units", "milli"), [(0, 0), (1, 1_000), (-11, -11_000), (1_000_000_000, 1_000_000_000_000)])
def test_whole_units_are_stored_in_thousandths(units: int, milli: int) -> None:
    assert to_milli(units) == milli
    assert to_units(milli) == units


@pytest.mark.parametrize("milli", [1, 999, 1_500, -1])
def test_a_part_of_a_unit_is_not_read_as_a_whole_number(milli: int) -> None:
    with pytest.raises(ValueError, match=f"{milli} thousandths are no whole number of units"):
        to_units(milli)
