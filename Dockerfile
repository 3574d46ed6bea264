# One image; the command picks api, stream, worker, beat or migrate (compose.yaml).

FROM python:3.11-slim-trixie AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements.lock /requirements.lock
# The base image's pip installs into it, so that there is none inside.
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --require-hashes --requirement /requirements.lock
WORKDIR /app
COPY . .
# What git checked out may be readable by its owner only (umask 077); the service runs as
# another user. Compiled here, because it cannot write there.
RUN rm requirements.lock && chmod -R u=rwX,go=rX . && /venv/bin/python -m compileall -q .
# The key signs nothing here: it exists for this one command.
RUN SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(64))')" \
    ALLOWED_HOSTS=build DATA_DIR=/tmp/build STATIC_ROOT=/app/staticfiles \
    /venv/bin/python manage.py collectstatic --no-input

FROM python:3.11-slim-trixie
# Nothing is installed from here on; /data is www-data's.
RUN pip uninstall --yes --root-user-action=ignore pip setuptools wheel \
    && rm -rf /usr/local/lib/python3.11/ensurepip \
    && install --directory --owner=33 --group=33 /data
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DEBUG=false \
    DATA_DIR=/data \
    STATIC_ROOT=/app/staticfiles
# HTTP/1 alone, and how much (bytes) and how long (ms) its headers are waited for.
ENV GRANIAN_HTTP=1 GRANIAN_HTTP1_BUFFER_SIZE=65536 GRANIAN_HTTP1_HEADER_READ_TIMEOUT=10000
COPY --from=builder /venv /venv
COPY --from=builder /app /app
WORKDIR /app
# www-data, which the base image has.
USER 33:33
VOLUME /data
EXPOSE 8000
# By http.client, which obeys no http_proxy.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import http.client, sys; at = http.client.HTTPConnection('127.0.0.1', 8000, timeout=3); at.request('GET', '/health'); sys.exit(at.getresponse().status != 200)"]
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--blocking-threads", "16", "--respawn-failed-workers", "--workers-kill-timeout", "8", "vmmanager.wsgi:application"]
