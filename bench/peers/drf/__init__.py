"""A shop as the tutorials of Django REST Framework build it: model serializers, viewsets, pages by number, the ORM throughout."""
