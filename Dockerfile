# One image; the command picks api, stream, worker, beat or migrate (compose.yaml).

FROM python:3.11-slim-bookworm AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements.lock /requirements.lock
RUN python -m venv /venv \
    && /venv/bin/pip install --require-hashes --requirement /requirements.lock
RUN mkdir /data

FROM python:3.11-slim-bookworm
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DEBUG=false \
    DATA_DIR=/data \
    STATIC_ROOT=/app/staticfiles
# HTTP/1 alone, and how much (bytes) and how long (ms) its headers are waited for.
ENV GRANIAN_HTTP=1 GRANIAN_HTTP1_BUFFER_SIZE=65536 GRANIAN_HTTP1_HEADER_READ_TIMEOUT=10000
COPY --from=builder /venv /venv
COPY --from=builder --chown=33:33 /data /data
WORKDIR /app
COPY . .
# The key signs nothing here: it exists for this one command.
RUN SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(64))')" \
    ALLOWED_HOSTS=build DATA_DIR=/tmp/build \
    python manage.py collectstatic --no-input
# www-data, which the base image has.
USER 33:33
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=3)"]
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--blocking-threads", "8", "vmmanager.wsgi:application"]
