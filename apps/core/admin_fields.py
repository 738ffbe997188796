"""
Amounts, rates and quantities of the back office, and its forms whose values were refused.

Staff read and type rupees, percent and units; the database keeps paise, basis points and thousandths of units.
"""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.core.errors import BahiError
from apps.core.money import parse_rupees, rupees
from apps.core.quantities import to_units

#: The most that a form takes, in paise: what the API takes too.
MAX_PAISE = 10**13
#: Names of amounts inside of JSON, where no column says what a number is.
_AMOUNT_ENDINGS = ("amount", "price", "balance")
_AMOUNT_NAMES = {"debit", "credit", "amount_deducted"}
_AMOUNTS_BY_KEY = "line_amounts"


class RupeesInput(UnfoldAdminTextInputWidget):
    """A box for an amount, with the sign of the rupee in front and the digits of a phone's keypad below."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(
            {"inputmode": "decimal", "autocomplete": "off", "prefix_icon": "currency_rupee", **(attrs or {})}
        )


class RupeesField(forms.Field):
    """An amount that people type in rupees; the cleaned value, like the initial one, is integer paise."""

    widget = RupeesInput
    default_error_messages = {
        "invalid": "Enter an amount in rupees with at most two decimals, such as 599.00.",
        "too_small": "Enter at least %(least)s.",
        "too_large": "Enter at most %(most)s.",
    }

    def __init__(self, *, min_paise: int = 0, max_paise: int = MAX_PAISE, **options: Any) -> None:
        super().__init__(**options)
        self.min_paise, self.max_paise = min_paise, max_paise

    def prepare_value(self, value: Any) -> Any:
        """Return paise as rupees with two decimals, and what was typed as it was typed."""
        return f"{value // 100}.{value % 100:02d}" if isinstance(value, int) else value

    def to_python(self, value: Any) -> int | None:
        if value in self.empty_values:
            return None
        try:
            return parse_rupees(str(value))
        except ValueError as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error

    def validate(self, value: Any) -> None:
        super().validate(value)
        if value is None:
            return
        if value < self.min_paise:
            raise ValidationError(self.error_messages["too_small"], "too_small", {"least": rupees(self.min_paise)})
        if value > self.max_paise:
            raise ValidationError(self.error_messages["too_large"], "too_large", {"most": rupees(self.max_paise)})


class PercentField(forms.DecimalField):
    """A rate that people type in percent, such as 18 or 0.25; the cleaned value, like the initial one, is integer basis points."""

    def __init__(self, **options: Any) -> None:
        widget = UnfoldAdminTextInputWidget({"inputmode": "decimal", "autocomplete": "off", "suffix": "%"})
        super().__init__(**{"min_value": 0, "max_value": 100, "decimal_places": 2, "widget": widget, **options})

    def prepare_value(self, value: Any) -> Any:
        """Return basis points as percent, and what was typed as it was typed."""
        return f"{value / 100:g}" if isinstance(value, int) else value

    def clean(self, value: Any) -> Any:
        if isinstance(value, str) and not value.isascii():
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        percent = super().clean(value)
        return None if percent is None else int(percent * 100)


class WholeNumberField(forms.IntegerField):
    """A whole number that people type in the digits 0 to 9; Python alone would read those of other scripts too."""

    def to_python(self, value: Any) -> int | None:
        if isinstance(value, str) and not value.isascii():
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


def is_money(field: Any) -> bool:
    """Test if a field of a model holds paise. All amounts are big integers; so are keys and quantities, which are none."""
    is_key = isinstance(field, models.AutoField) or str(getattr(field, "name", "")).endswith("_id")
    return isinstance(field, models.BigIntegerField) and not is_key and not is_quantity(field)


def is_quantity(field: Any) -> bool:
    """Test if a field of a model holds thousandths of units."""
    return str(getattr(field, "name", "")).endswith("_milli")


def money_fields(model: type[models.Model]) -> list[str]:
    """Return the names of a model's fields that hold paise."""
    return [field.name for field in model._meta.concrete_fields if is_money(field)]


def quantity_fields(model: type[models.Model]) -> list[str]:
    """Return the names of a model's fields that hold thousandths of units."""
    return [field.name for field in model._meta.concrete_fields if is_quantity(field)]


def as_units(contents: str) -> str:
    """Return thousandths that a page would show as a number as whole units; the sign for no value as it is."""
    return str(to_units(int(contents))) if contents.lstrip("-").isdecimal() else contents


def as_rupees(contents: str) -> str:
    """Return paise that a page would show as a number as rupees; anything else, such as the sign for no value, as it is."""
    try:
        return rupees(int(contents))
    except ValueError:
        return contents


def amounts_in_rupees(value: Any, name: str = "") -> Any:
    """Return JSON with all its amounts as people write them, such as `₹499.00`; the rest stays as it is."""
    if isinstance(value, dict):
        return {
            key: amounts_in_rupees(part, "amount" if name == _AMOUNTS_BY_KEY else str(key))
            for key, part in value.items()
        }
    if isinstance(value, list):
        return [amounts_in_rupees(part, name) for part in value]
    is_amount = name.endswith(_AMOUNT_ENDINGS) or name in _AMOUNT_NAMES
    return rupees(value) if is_amount and isinstance(value, int) and not isinstance(value, bool) else value


def show_json(value: Any) -> SafeString:
    """Return JSON for people to read, with its amounts in rupees."""
    text = json.dumps(amounts_in_rupees(value), indent=2, sort_keys=True, ensure_ascii=False, cls=DjangoJSONEncoder)
    return format_html('<pre class="text-xs" style="white-space:pre-wrap;overflow-wrap:anywhere">{}</pre>', text)


def refused_form(form: Any, refusal: BahiError) -> Any:
    """Return a form that says why its values were refused, at the field that the refusal is about if it has that."""

    class Refused(form):
        def clean(self) -> Any:
            cleaned = super().clean()
            self.add_error(refusal.param if refusal.param in self.fields else None, refusal.text)
            return cleaned

    return Refused
