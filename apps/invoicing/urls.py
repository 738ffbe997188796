"""The paths of invoices and credit notes, under /api/v1/."""

from apps.core.api.routers import ApiRouter
from apps.invoicing.views import CreditNoteViewSet, InvoiceViewSet

router = ApiRouter()
router.register("invoices", InvoiceViewSet, basename="invoice")
router.register("credit-notes", CreditNoteViewSet, basename="credit-note")

urlpatterns = router.urls
