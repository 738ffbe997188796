"""
Holds, parcels, dispatch and completion by the model, from the states of the API and the decisions on shipments and invoices.

A parcel is known by the id that the product gives it.
"""

from dataclasses import dataclass

from tests.model.books import Books
from tests.model.order import Line, Order, Refused, Stock


@dataclass
class Parcel:
    order: str
    units: dict[int, int]
    has_reason: bool  # staff said why refunded units, or goods whose money was lost, are sent all the same
    status: str = "packed"

    OPEN = ("packed", "dispatched")


class Parcels:
    """What a shop does with its goods."""

    orders: dict[str, Order]
    stock: dict[str, Stock]
    books: Books
    invoices_at_dispatch: bool

    def __init__(self) -> None:
        super().__init__()
        self.parcels: dict[str, Parcel] = {}

    def hold(self, name: str, *, reason: str) -> None:
        self._move_order(name, "confirmed", "on_hold", reason)

    def release(self, name: str, *, reason: str) -> None:
        self._move_order(name, "on_hold", "confirmed", reason)

    def _move_order(self, name: str, source: str, status: str, reason: str) -> None:
        order = self.orders[name]
        if order.status != source or not reason.strip():
            raise Refused
        order.status = status

    def pack(self, name: str, units: dict[int, int], *, has_reason: bool = False) -> Parcel:
        """Pack units of a paid order, which is in fulfilment then."""
        order = self.orders[name]
        self._check_shippable(order, has_reason=has_reason)
        for at, count in units.items():
            line = order.lines[at]
            left = line.ordered - line.shipped
            if count > left or (count > left - order.refunded_units(at)["stays"] and not has_reason):
                raise Refused
        for at, count in units.items():
            order.lines[at].packed += count
        order.status = "in_fulfilment"
        return Parcel(name, units, has_reason)

    def dispatch(self, parcel: Parcel, *, has_reason: bool = False) -> None:
        """Goods leave: the reservation is consumed and the stock on hand falls, both by the same units."""
        order = self.orders[parcel.order]
        has_reason = has_reason or parcel.has_reason
        if parcel.status != "packed":
            raise Refused
        self._check_shippable(order, has_reason=has_reason)
        if not has_reason and any(self._has_excess(order, at) for at in parcel.units):
            raise Refused
        for at, count in parcel.units.items():
            line, stock = order.lines[at], self.stock[order.lines[at].article.sku]
            line.packed -= count
            line.reserved -= count
            line.dispatched += count
            stock.reserved -= count
            stock.on_hand -= count
        parcel.status = "dispatched"
        self.post_invoice(order)

    @staticmethod
    def _check_shippable(order: Order, *, has_reason: bool) -> None:
        """Goods of a paid order leave while no dispute is undecided and something of the money is left to keep."""
        if order.status not in {"confirmed", "in_fulfilment"} or order.captured < order.total:
            raise Refused
        if order.is_disputed or order.is_given_back or (order.lost and not has_reason):
            raise Refused

    @staticmethod
    def _has_excess(order: Order, at: int) -> bool:
        """Parcels have more units of a line than are neither refunded nor were sent before they were."""
        line = order.lines[at]
        return line.shipped + order.refunded_units(at)["stays"] > line.ordered

    def post_invoice(self, order: Order) -> None:
        if not order.invoiced:
            order.invoiced = True
            self.books.invoice(id(order), order.document.sum, order.document.round_off)

    def arrive(self, parcel: Parcel, how: str) -> None:
        """A parcel is delivered, lost or damaged; what was lost stays consumed."""
        if parcel.status != "dispatched":
            raise Refused
        parcel.status = how
        order = self.orders[parcel.order]
        if how == "delivered":
            for at, count in parcel.units.items():
                order.lines[at].delivered += count
        self.complete_if_done(parcel.order)

    def complete_if_done(self, name: str) -> None:
        """Complete an order of which nothing is left to be sent, refunded or decided; what was not sent is released."""
        order = self.orders[name]
        is_open = any(one.order == name and one.status in one.OPEN for one in self.parcels.values())
        if order.status != "in_fulfilment" or is_open or not order.is_balanced:
            return
        if order.is_given_back or all(self._is_done(order, at, line) for at, line in enumerate(order.lines)):
            order.status = "completed"
            self.release_stock(order)

    @staticmethod
    def _is_done(order: Order, at: int, line: Line) -> bool:
        """
        Each unit arrived, or its money went back without that.

        One that was refunded may be sent all the same, and one that was refunded on its way may arrive: then it arrived.
        """
        refunded = order.refunded_units(at, is_processed=True)
        stay, lost = line.ordered - line.dispatched, line.dispatched - line.delivered
        stayed = min(refunded["stays"], stay)
        gone = min(refunded["under way"] + refunded["stays"] - stayed, lost)
        return stayed + gone >= stay + lost

    def cancel_parcels(self, name: str) -> None:
        for parcel in self.parcels.values():
            if parcel.order == name and parcel.status == "packed":
                parcel.status = "cancelled"
        for line in self.orders[name].lines:
            line.packed = 0

    def release_stock(self, order: Order) -> None:
        for line in order.lines:
            self.stock[line.article.sku].reserved -= line.reserved
            line.reserved = 0
