# syntax=docker/dockerfile:1
# Bahi for production. One image, four processes; the web is the default and the others are started by their command:
#   docker run bahi celery --quiet -A config.celery worker --without-gossip --without-mingle
#   docker run bahi python manage.py relay
#   docker run bahi celery --quiet -A config.celery beat --schedule /tmp/bahi-beat-schedule --pidfile=
# Release step, before the new version starts:
#   docker run bahi sh -c "python manage.py migrate --no-input && python manage.py setup_reference_data"

FROM python:3.12-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/venv
COPY requirements/base.txt /tmp/base.txt
# Wheels only, so that nothing is compiled; docopt, which num2words asks for, was never published as one.
RUN /opt/venv/bin/pip install --no-deps --require-hashes --only-binary=:all: --no-binary=docopt -r /tmp/base.txt
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /app
COPY manage.py Procfile ./
COPY config config
COPY apps apps
COPY templates templates
# The settings insist on their values; none of these reaches the image, and production refuses them.
RUN DJANGO_SETTINGS_MODULE=config.settings.base \
    STATIC_ROOT=/app/staticfiles \
    SECRET_KEY=only-to-collect-static-files-key-0123456789 \
    JWT_SIGNING_KEY=only-to-collect-static-files-jwt-0123456789 \
    OTP_PEPPER=only-to-collect-static-files-otp-0123456789 \
    DATABASE_URL=postgres://nobody@127.0.0.1:9/none \
    REDIS_URL=redis://127.0.0.1:9/0 \
    RAZORPAY_KEY_ID=rzp_test_none \
    RAZORPAY_KEY_SECRET=only-to-collect-static-files-razorpay \
    RAZORPAY_WEBHOOK_SECRETS=only-to-collect-static-files-webhook \
    MSG91_AUTH_KEY=only-to-collect-static-files-msg91 \
    python manage.py collectstatic --no-input --verbosity 0 \
    && python -m compileall -q apps config

FROM python:3.12-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ENVIRONMENT=production \
    HOST=0.0.0.0 \
    PORT=8000 \
    STATIC_ROOT=/app/staticfiles \
    DOCUMENTS_DIR=/var/lib/bahi/documents
RUN useradd --system --uid 10001 --user-group --home-dir /nonexistent --shell /usr/sbin/nologin bahi \
    && install -d -o bahi -g bahi -m 0750 /var/lib/bahi/documents
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
USER bahi
VOLUME /var/lib/bahi/documents
EXPOSE 8000
STOPSIGNAL SIGTERM
# The host must be one that Django answers to. Start workers, relay and beat with --no-healthcheck.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["python", "-c", "\
import os, urllib.request as r; \
host = os.environ['ALLOWED_HOSTS'].split(',')[0].strip().lstrip('.'); \
r.urlopen(r.Request('http://127.0.0.1:' + os.environ['PORT'] + '/livez', headers={'Host': host}), timeout=2)"]
CMD ["gunicorn", "-c", "config/gunicorn.py", "config.wsgi"]
