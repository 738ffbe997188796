"""What a refused transition says: what it is about, its state, and the state that was asked for."""

import pytest

from apps.core.states import InvalidTransition, transition_table
from apps.fulfilment.states import ShipmentStatus
from apps.orders.states import OrderStatus

transition = transition_table({ShipmentStatus.PENDING: {ShipmentStatus.PACKED}})


class TestInvalidTransition:
    def test_names_the_thing_and_both_states(self) -> None:
        with pytest.raises(InvalidTransition) as refusal:
            transition(ShipmentStatus.DELIVERED, to=ShipmentStatus.PACKED)

        assert refusal.value.text == str(refusal.value) == "The shipment is delivered and cannot become packed."

    def test_says_that_a_state_is_reached_already(self) -> None:
        with pytest.raises(InvalidTransition) as refusal:
            transition(ShipmentStatus.PACKED, to=ShipmentStatus.PACKED)

        assert refusal.value.text == str(refusal.value) == "The shipment is packed already."
        assert refusal.value.code == "invalid_transition"
        assert refusal.value.details == [{"allowed": []}]

    def test_writes_states_as_people_do(self) -> None:
        refusal = InvalidTransition(OrderStatus.IN_FULFILMENT, OrderStatus.ON_HOLD)

        assert refusal.text == "The order is in fulfilment and cannot become on hold."

    def test_a_state_that_is_only_text_is_of_no_named_thing(self) -> None:
        assert InvalidTransition("in_transit", "failed").text == "It is in transit and cannot become failed."
        assert InvalidTransition("lost", ShipmentStatus.PACKED).text == "The shipment is lost and cannot become packed."
