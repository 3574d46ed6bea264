"""/health for who restarts the service, /health/ready for who sends it traffic."""

from typing import Any

from celery import current_app
from django.db import DatabaseError, connection
from drf_spectacular.utils import extend_schema
from kombu.exceptions import OperationalError
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from compute.api.problems import NotReady
from compute.models import Cloud

#: Seconds the broker has to answer.
BROKER_TIMEOUT = 2


class HealthSerializer(serializers.Serializer[Any]):
    status = serializers.CharField(help_text="Always ok.")


class CloudHealthSerializer(serializers.Serializer[Any]):
    observed_at = serializers.DateTimeField(allow_null=True)
    failures = serializers.IntegerField()


class ReadySerializer(HealthSerializer):
    checks = serializers.DictField(child=serializers.CharField())
    clouds = serializers.DictField(child=CloudHealthSerializer())


class Health(APIView):
    """Say that the process answers. Touches nothing else."""

    authentication_classes = ()
    permission_classes = ()
    http_method_names = ("get", "head")

    @extend_schema(responses=HealthSerializer, tags=["health"])
    def get(self, request: Request) -> Response:
        return Response({"status": "ok"})


class Ready(APIView):
    """Check the database and the broker.

    The clouds are reported, not checked: while one is away the service still answers
    reads, and restarting it helps nobody.
    """

    authentication_classes = ()
    permission_classes = ()
    http_method_names = ("get", "head")

    @extend_schema(responses=ReadySerializer, tags=["health"])
    def get(self, request: Request) -> Response:
        checks = {"database": _database(), "broker": _broker()}
        if set(checks.values()) != {"ok"}:
            failed = [name for name, result in checks.items() if result != "ok"]
            raise NotReady(f"No answer from: {', '.join(failed)}.", checks=checks)
        clouds = {
            cloud.alias: {"observed_at": cloud.observed_at, "failures": cloud.failures}
            for cloud in Cloud.objects.all()
        }
        return Response({"status": "ok", "checks": checks, "clouds": clouds})


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "unavailable"
    return "ok"


def _broker() -> str:
    try:
        with current_app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, timeout=BROKER_TIMEOUT)
    except (OperationalError, OSError):
        return "unavailable"
    return "ok"
