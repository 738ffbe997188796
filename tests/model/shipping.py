"""Holds, parcels and what became of them: staff pack and hand over, carriers deliver, lose and damage."""

from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition

from apps.fulfilment.services import (
    ShipmentLineInput,
    create_shipment,
    deliver_shipment,
    dispatch_shipment,
    mark_shipment_damaged,
    mark_shipment_lost,
    pack_shipment,
)
from apps.orders import services as orders
from apps.orders.models import OrderLine
from tests.model.parcels import Parcel
from tests.model.stage import PICK, Stage, Trouble, step
from tests.support.colleagues import ASHA

ENDS = {"delivered": deliver_shipment, "lost": mark_shipment_lost, "damaged": mark_shipment_damaged}


class Shipping(Stage):
    """The rules about goods on their way."""

    @step(index=PICK, is_release=st.booleans(), reason=st.sampled_from(["The address looks wrong", "Asked them", " "]))
    @precondition(lambda self: self.has_order("confirmed", "on_hold"))
    def hold_or_release(self, trouble: Trouble, index: int, reason: str, *, is_release: bool) -> None:
        name = self.pick_order(index)
        service = orders.release_order if is_release else orders.hold_order
        model = self.model.release if is_release else self.model.hold
        self.both(
            lambda: self.driver.do_once(
                lambda: service(order_id=self.rows[name].pk, reason=reason, actor=ASHA, now=self.driver.now).pk,
                trouble.kill,
                repeat=trouble.is_repeated,
            ),
            lambda: model(name, reason=reason),
        )
        self.finish(trouble)

    @step(
        index=PICK,
        is_all=st.booleans(),
        has_reason=st.booleans(),
        until=st.sampled_from(["packed", "dispatched", "dispatched", "delivered", "lost"]),
    )
    @precondition(lambda self: self.has_order("confirmed", "in_fulfilment", "on_hold"))
    def send(
        self, trouble: Trouble, index: int, *, is_all: bool, has_reason: bool = False, until: str = "dispatched"
    ) -> None:
        """
        Staff pack what is left of an order, or one unit of it, and hand it to a carrier, or keep it for now.

        A carrier that is quick ends the parcel at once, as histories are short.
        """
        name = self.pick_order(index, "confirmed", "in_fulfilment", "on_hold", "completed")
        order = self.model.orders[name]
        left = {at: line.ordered - line.shipped for at, line in enumerate(order.lines) if line.ordered > line.shipped}
        # Where nothing is left a unit is asked for all the same, and refused.
        units = (left if is_all else {min(left): 1}) if left else {0: 1}
        skus = {order.lines[at].article.sku: count for at, count in units.items()}
        rows = OrderLine.objects.filter(order_id=self.rows[name].pk, sku__in=skus)
        lines = [ShipmentLineInput(order_line_id=row.pk, quantity=skus[row.sku]) for row in rows]

        def pack() -> str:
            shipment = create_shipment(
                order_id=self.rows[name].pk, lines=lines, refund_override_reason="Agreed" if has_reason else "",
                actor=ASHA, now=self.driver.now,
            )  # fmt: skip
            pack_shipment(
                shipment_id=shipment.pk, carrier_name="Post", tracking_number="1", actor=ASHA, now=self.driver.now
            )
            return str(shipment.pk)

        made: list[str] = []
        # Goods leave once they are invoiced, which a worker may still have to do.
        self.finish()
        parcel = self.both(
            lambda: made.append(self.driver.do_once(pack, trouble.kill, repeat=trouble.is_repeated)),
            lambda: self.model.pack(name, units, has_reason=has_reason),
        )
        if parcel is not None:
            self.model.parcels[made[0]] = parcel
            if until != "packed":
                self._hand_over(made[0], parcel, trouble, has_reason=False)
            if until in ENDS:
                self._end(made[0], parcel, trouble, until)
        self.finish(trouble)

    @step(index=PICK, has_reason=st.booleans())
    @precondition(lambda self: self.has_parcel("packed", "cancelled"))
    def parcel_leaves(self, trouble: Trouble, index: int, *, has_reason: bool) -> None:
        """A parcel that was packed leaves later: meanwhile its order may be cancelled, refunded or disputed."""
        shipment_id, parcel = self.pick_parcel(index, "packed", "cancelled")
        self.finish()
        self._hand_over(shipment_id, parcel, trouble, has_reason=has_reason)
        self.finish(trouble)

    def _hand_over(self, shipment_id: str, parcel: Parcel, trouble: Trouble, *, has_reason: bool) -> None:
        self.both(
            lambda: self.driver.do_once(
                lambda: (
                    dispatch_shipment(
                        shipment_id=UUID(shipment_id), refund_override_reason="Agreed" if has_reason else "",
                        actor=ASHA, now=self.driver.now,
                    ).pk
                ),
                trouble.kill,
                repeat=trouble.is_repeated,
            ),
            lambda: self.model.dispatch(parcel, has_reason=has_reason),
        )  # fmt: skip

    @step(index=PICK, how=st.sampled_from(["delivered", "delivered", "lost", "damaged"]))
    @precondition(lambda self: self.model.parcels)
    def parcel_arrives(self, trouble: Trouble, index: int, how: str) -> None:
        """A parcel arrives or does not; what is said of one that has not left, or has arrived, is refused."""
        shipment_id, parcel = self.pick_parcel(index)
        self._end(shipment_id, parcel, trouble, how)
        self.finish(trouble)

    def _end(self, shipment_id: str, parcel: Parcel, trouble: Trouble, how: str) -> None:
        self.both(
            lambda: self.driver.do_once(
                lambda: ENDS[how](shipment_id=UUID(shipment_id), actor=ASHA, now=self.driver.now).pk,
                trouble.kill,
                repeat=trouble.is_repeated,
            ),
            lambda: self.model.arrive(parcel, how),
        )

    def has_parcel(self, *statuses: str) -> bool:
        return any(parcel.status in statuses for parcel in self.model.parcels.values())

    def pick_parcel(self, index: int, *statuses: str) -> tuple[str, Parcel]:
        found = [one for one in self.model.parcels.items() if not statuses or one[1].status in statuses]
        chosen: tuple[str, Parcel] = self.pick(found, index)
        return chosen
