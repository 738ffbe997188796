"""Routes of settlements."""

from apps.core.api.routers import ApiRouter
from apps.settlements.views import BankStatementViewSet, SettlementImportViewSet, SettlementViewSet

router = ApiRouter()
router.register("settlements/import", SettlementImportViewSet, basename="settlement-import")
router.register("bank-statements", BankStatementViewSet, basename="bank-statement")
router.register("settlements", SettlementViewSet, basename="settlement")

urlpatterns = router.urls
