"""The WSGI application: what gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

from config.settings import settings_module

os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings_module(os.environ))

application = get_wsgi_application()
