import pytest
from tests.factories.accounts import make_user

@pytest.mark.django_db
def test_db():
    u = make_user()
    assert u.pk
