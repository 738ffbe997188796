"""The roles of staff: groups, and what each may do."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from django.contrib.auth.models import Group, Permission

from apps.accounts.states import Role
from apps.core.transactions import transactional

_CATALOGUE: Final = (
    "catalog.category", "catalog.product", "catalog.variant", "catalog.location", "catalog.stocklevel", "catalog.stockmovement",
    "catalog.reservation",
)  # fmt: skip
_SALES: Final = (
    "orders.order", "orders.orderline", "payments.payment", "payments.paymentattempt", "payments.refund", "payments.refundline",
    "payments.dispute", "payments.disputeevidence", "fulfilment.shipment", "fulfilment.shipmentline",
    "payments.paymentdowntime",
    "invoicing.invoice",
    "invoicing.invoiceline", "invoicing.invoicefile", "accounts.user", "accounts.address",
)  # fmt: skip
_MONEY: Final = (
    "payments.webhook", "ledger.account", "ledger.ledgertransaction", "ledger.ledgerentry",
    "settlements.settlement", "settlements.settlementline", "settlements.settlementimport",
    "settlements.feerate", "settlements.feecheck",
    "settlements.bankline", "settlements.bankstatementimport", "ledger.reconciliationexception",
    "ledger.balancecheckpoint", "invoicing.numberseries", "tax.registration", "tax.taxrate", "core.auditrun",
    "core.incident", "backoffice.dailysales",
)  # fmt: skip
_OPERATIONS: Final = (
    "accounts.session", "accounts.challenge", "auth.group", "core.event", "core.outbox", "core.handlerrun",
    "core.idempotencykey",
)  # fmt: skip


def _view(*models: str) -> set[str]:
    return {model.replace(".", ".view_") for model in models}


_EDIT_CATALOGUE: Final = {
    "catalog.add_category", "catalog.change_category", "catalog.add_product", "catalog.change_product",
    "catalog.add_variant", "catalog.change_variant", "catalog.change_stocklevel", "catalog.add_stockmovement",
}  # fmt: skip

#: What each role may do; that money, stock, documents and events cannot be edited at all is the matter of their pages.
PERMISSIONS: Final[dict[Role, set[str]]] = {
    Role.SUPPORT: {
        *_view(*_SALES, *_CATALOGUE, "notifications.notification"),
        "orders.change_order", "payments.add_payment", "payments.add_refund", "notifications.change_notification",
        "fulfilment.add_shipment", "fulfilment.change_shipment",
    },
    Role.FINANCE: {
        *_view(*_SALES, *_CATALOGUE, *_MONEY),
        "payments.change_payment", "payments.change_paymentattempt", "invoicing.change_invoice",
        "payments.add_payment", "payments.add_refund", "payments.change_refund", "payments.change_dispute",
        "settlements.add_settlementimport", "settlements.add_feerate", "ledger.change_reconciliationexception",
    },
    Role.CATALOGUE_MANAGER: {*_view(*_CATALOGUE, "tax.taxrate"), *_EDIT_CATALOGUE},
    Role.ADMIN: {
        *_view(*_SALES, *_CATALOGUE, *_MONEY, *_OPERATIONS, "notifications.notification"),
        *_EDIT_CATALOGUE,
        "accounts.manage_users", "accounts.add_user", "accounts.change_user", "accounts.change_session",
        "payments.add_payment", "payments.add_refund", "payments.change_refund", "payments.change_dispute",
        "settlements.add_settlementimport", "settlements.add_feerate", "ledger.change_reconciliationexception",
        "orders.change_order", "payments.change_payment", "payments.change_paymentattempt", "invoicing.change_invoice",
        "fulfilment.add_shipment", "fulfilment.change_shipment",
        "notifications.change_notification", "core.change_handlerrun",
        "tax.add_registration", "tax.change_registration", "tax.add_taxrate", "tax.change_taxrate",
    },
}  # fmt: skip


class PermissionsMissing(RuntimeError):
    """Permissions are named here that no model has: the migrations have not run, or a model has another name."""


@transactional
def set_up_reference_data(*, now: datetime) -> None:
    """
    Make the groups of staff with exactly their permissions; may run again at any time.

    :raises PermissionsMissing: if the database does not know one of them
    """
    known = _ids_by_name({name for names in PERMISSIONS.values() for name in names})

    for role, names in PERMISSIONS.items():
        group, _ = Group.objects.get_or_create(name=role.value)
        group.permissions.set(known[name] for name in names)


def _ids_by_name(names: Iterable[str]) -> dict[str, int]:
    rows = Permission.objects.values_list("content_type__app_label", "codename", "pk")
    known = {f"{app}.{codename}": pk for app, codename, pk in rows}
    missing = sorted(set(names) - set(known))
    if missing:
        raise PermissionsMissing(", ".join(missing))
    return known
