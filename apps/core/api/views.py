"""The base of every view."""

from datetime import UTC
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import is_client_error
from rest_framework.viewsets import GenericViewSet

from apps.core.api.contacts import mask_contacts
from apps.core.api.parser import LengthRequired, UnexpectedBody
from apps.core.api.rate_limits import check_write_limit
from apps.core.api.requests import METHODS_WITHOUT_BODY, has_body, read_query_params


class ApiView(GenericViewSet[Any]):
    """
    A resource: one method per action, each parse -> one service or selector -> serialize.

    `params` maps a method's name to the query parameters that it accepts; methods not named there accept none.
    `raises` maps a method's name to the errors that the API's description lists in addition to those of every method.
    Methods for POST, PUT and PATCH that are named in `without_body` refuse a body; the other verbs never accept one.
    Contact details in a response, except in a client error, are masked for staff who may not read them.
    `shows_own_contacts` turns masking off for a view whose responses hold only the requester's own data.
    """

    params: dict[str, tuple[str, ...]] = {}
    without_body: tuple[str, ...] = ()
    raises: dict[str, tuple[Exception, ...]] = {}
    shows_own_contacts = False

    @property
    def allowed_methods(self) -> list[str]:
        """Return the methods of this route, for `Allow`: DRF's own list has OPTIONS in it, which no view of ours answers."""
        return sorted(method.upper() for method in self.action_map or {})

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # DRF writes instants in the zone of the thread, which is India's for the sake of the back office.
        with timezone.override(UTC):
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        check_write_limit(request)
        if "Transfer-Encoding" in request.headers:
            raise LengthRequired  # Django reads as many bytes as Content-Length says: of chunks none
        if self.action is None:
            return  # no method of ours was called, which is all there is to say
        takes_no_body = request.method in METHODS_WITHOUT_BODY or self.action in self.without_body
        if takes_no_body and has_body(request):
            raise UnexpectedBody
        self.query = read_query_params(request, self.params.get(self.action, ()))

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        if isinstance(response, Response) and not is_client_error(response.status_code):
            response.data = mask_contacts(request, response.data)
        if not response.has_header("Cache-Control"):
            response["Cache-Control"] = "private, no-store"
        return response

    def read(self, serializer_class: type[Any], request: Request) -> dict[str, Any]:
        """
        Return the body of a request in the shape of a serializer.

        :raises ValidationError: if it does not have that shape
        """
        serializer = serializer_class(data=request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)
