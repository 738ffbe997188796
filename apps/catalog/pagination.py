"""How lists of products are cut into pages."""

from rest_framework.request import Request

from apps.catalog import selectors
from apps.core.api import KeysetPagination


class ProductPagination(KeysetPagination):
    """Pages of products; those that were searched for come with the most relevant first."""

    sorts = {"created_at": "created_at", "name": "name", "price": "lowest_price"}
    sort_description = "The newest first if not given; with `q` the most relevant first."

    def sort_by_relevance(self) -> None:
        """Let the page be sorted by the relevance that what was searched for has, and sort it so if nothing else is asked for."""
        self.sorts, self.default = {**self.sorts, "relevance": "relevance"}, "-relevance"

    def get_audience(self, request: Request) -> str:
        return "staff" if selectors.can_view_all_products(request.user) else "public"

    def sort_choices(self) -> list[str]:
        return sorted([*super().sort_choices(), "-relevance", "relevance"])
