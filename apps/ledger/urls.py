"""Routes of the ledger."""

from apps.core.api.routers import ApiRouter
from apps.ledger.views import ReconciliationExceptionViewSet

router = ApiRouter()
router.register("reconciliation/exceptions", ReconciliationExceptionViewSet, basename="reconciliation-exception")

urlpatterns = router.urls
