"""Webhooks and what is sent to them: /webhooks, /webhooks/{id}/deliveries."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.validators import RegexValidator
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from compute import egress
from compute.access import Scope
from compute.api.http import filters, writes
from compute.api.http.fields import (
    Flag,
    Id,
    Labels,
    Name,
    Names,
    NoBody,
    RequestBody,
    Text,
)
from compute.api.http.viewset import ResourceViewSet
from compute.bodies.examples import WEBHOOK_URL
from compute.bodies.webhooks import DELIVERY_BODY, WEBHOOK_BODY
from compute.errors import NotFound
from compute.label_selector import MAX_LENGTH
from compute.limits import MAX_URL
from compute.models import Delivery, DeliveryStatus, Webhook
from compute.models.webhook import (
    EVENT_TYPE,
    MAX_EVENT_TYPE,
    MAX_EVENT_TYPES,
    WebhookQuerySet,
)
from compute.services import webhooks


@extend_schema_field(
    {"type": "string", "format": "uri", "pattern": "^https?://", "maxLength": MAX_URL}
)
class URL(Text):
    """A URL of a form that is called; what its name leads to, the service looks up."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            egress.parse(text)
        except egress.Refused as error:
            raise serializers.ValidationError(str(error), code="invalid") from error
        return text


class EventType(Text):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_EVENT_TYPE, **kwargs)
        message = "Must be a type such as vm.created, or vm.*."
        self.validators.append(RegexValidator(rf"\A{EVENT_TYPE}\Z", message))


class EventTypes(Names):
    child = EventType()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_EVENT_TYPES, required=False, **kwargs)


class Selector(Text):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_length=MAX_LENGTH, allow_blank=True, required=False, **kwargs
        )


_URL_HELP = "HTTPS, at a public address."
_TYPES_HELP = "These types of events; `vm.*` is all of VMs. Empty: every type."
_SELECTOR_HELP = (
    "Events about what has such labels, as in lists: `env=prod,tier!=db`. Empty: "
    "whatever the labels are."
)


class WebhookCreate(RequestBody):
    example = {"name": "billing", "url": WEBHOOK_URL, "event_types": ["vm.*"]}

    name = Name()
    url = URL(max_length=MAX_URL, help_text=_URL_HELP)
    project = Id(
        required=False,
        help_text=(
            "If omitted, the API token's project, or the default project if you may"
            " create there."
        ),
    )
    event_types = EventTypes(help_text=_TYPES_HELP)
    label_selector = Selector(help_text=_SELECTOR_HELP)
    labels = Labels(required=False)


class WebhookUpdate(RequestBody):
    """Fields that are left out stay; lists and `labels` are replaced as a whole."""

    example = {"event_types": ["vm.*", "operation.finished"], "enabled": True}

    name = Name(required=False)
    url = URL(max_length=MAX_URL, required=False, help_text=_URL_HELP)
    event_types = EventTypes(help_text=_TYPES_HELP)
    label_selector = Selector(help_text=_SELECTOR_HELP)
    labels = Labels(required=False)
    enabled = Flag(
        required=False,
        help_text=(
            "False: nothing is sent until it is true again; then what happened "
            "meanwhile is, as far back as a stream can begin."
        ),
    )


class WebhookFilter(filters.NamedFilterSet, filters.UpdatedFilterSet):
    project = filters.UUIDIn(help_text="These projects.")
    enabled = filters.YesNo(help_text="Whether they are sent anything.")
    search = filters.Search(help_text="Part of the name, or the beginning of the id.")
    label_selector = filters.LabelSelector()


class WebhookViewSet(ResourceViewSet[Webhook]):
    """Webhooks: URLs that are sent the events of a project."""

    queryset = Webhook.objects.none()  # its model, for the schema
    noun = "webhook"
    about = "URLs that are sent the events of a project."
    is_in_navigation = True
    starts_operations = False
    shows = WEBHOOK_BODY
    filterset_class = WebhookFilter
    orderings = ("created_at", "updated_at", "name")
    counts_are_kept = True
    statuses = {"rotate_secret": 200}
    bodies = {
        "create": WebhookCreate,
        "partial_update": WebhookUpdate,
        "destroy": NoBody,
        "rotate_secret": NoBody,
    }

    @staticmethod
    def readable(scope: Scope) -> QuerySet[Webhook]:
        every: WebhookQuerySet = Webhook.objects.alive()
        return scope.of(every, field="project_id")

    def related(self, data: Any) -> Sequence[tuple[str, str]]:
        if "id" not in data:
            return []
        url = reverse("webhook-deliveries", kwargs={"id": data["id"]})
        return [("Its deliveries", url)]

    def create(self, request: Request) -> Response:
        """Add a webhook. Only this answer shows its secret."""
        body, actor = self.body(), self.actor
        project = self.project(body.pop("project", None))
        body["url"] = webhooks.look_up(body["url"], actor=actor)
        return writes.make(
            self,
            lambda: webhooks.create(project=project, actor=actor, **body),
            project_id=project.pk,
            shown_once="secret",
        )

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change it, or have it pause or go on."""
        webhook, changes = self.get_object(), self.body()
        if "url" in changes:
            changes["url"] = webhooks.look_up(changes["url"], actor=self.actor)
        changed = webhooks.update(
            webhook, actor=self.actor, changes=changes, expect=self.expect
        )
        return self.item(changed)

    def destroy(self, request: Request, id: Any) -> Response:
        """Delete it. What was not delivered yet is dropped."""
        webhook = self.get_object()
        self.body()
        webhooks.delete(webhook, actor=self.actor, expect=self.expect)
        return Response(status=204)

    @action(
        detail=True,
        methods=["post"],
        url_path="actions/rotate-secret",
        url_name="rotate-secret",
    )
    def rotate_secret(self, request: Request, id: Any) -> Response:
        """Make a new secret. Only this answer shows it; for 24 hours both sign."""
        webhook, actor, expect = self.get_object(), self.actor, self.expect
        self.body()
        return writes.make(
            self,
            lambda: webhooks.rotate_secret(webhook, actor=actor, expect=expect),
            project_id=webhook.project_id,
            shown_once="secret",
            status=200,
        )


class DeliveryFilter(filters.CreatedFilterSet):
    status = filters.ChoiceIn(DeliveryStatus, help_text="These statuses.")
    event_type = filters.TextIn(help_text="Of events of these types.")


class DeliveryViewSet(ResourceViewSet[Delivery]):
    """What one webhook was sent, or will be."""

    queryset = Delivery.objects.none()  # its model, for the schema
    noun = "webhook delivery"
    starts_operations = False
    shows = DELIVERY_BODY
    filterset_class = DeliveryFilter
    orderings = ("created_at",)
    statuses = {"test": 202, "redeliver": 202}
    bodies = {"test": NoBody, "redeliver": NoBody}
    webhook_id: UUID

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # What the path names first is the webhook; rows are known by their own id.
        self.webhook_id = self.kwargs["id"]
        self.kwargs["id"] = self.kwargs.get("delivery")
        super().initial(request, *args, **kwargs)

    @property
    def permission(self) -> str:
        return "webhook.test" if self.action == "test" else super().permission

    @classmethod
    def title(cls, *, plural: bool) -> str:
        return "Webhook deliveries" if plural else "Webhook delivery"

    def url(self, noun: str, id: Any) -> str:
        kwargs = {"id": self.webhook_id, "delivery": id}
        return reverse("webhook-delivery", kwargs=kwargs, request=self.request)

    def label_of(self, row: Any) -> str:
        return f"{row['event_type']} {row['sequence']}"

    def get_queryset(self) -> QuerySet[Delivery]:
        return Delivery.objects.filter(webhook=self.webhook()).select_related("webhook")

    def webhook(self) -> Webhook:
        """Return the webhook of the path, or raise NotFound or PermissionDenied."""
        there = WebhookViewSet.readable(self.access.scope("webhook.retrieve"))
        webhook = there.filter(pk=self.webhook_id).first()
        if webhook is None:
            raise NotFound(f"No webhook {self.webhook_id}.")
        self.target = webhook
        self.permit(webhook.project_id)
        return webhook

    def get_object(self) -> Delivery:
        return self._first(self.get_queryset())  # type: ignore[no-any-return]  # a row of this viewset's model

    def test(self, request: Request, id: Any) -> Response:
        """Send the event `webhook.tested`, whatever the filters are."""
        webhook, actor, expect = self.webhook(), self.actor, self.expect
        self.body()
        return writes.make(
            self,
            lambda: webhooks.send_test(webhook, actor=actor, expect=expect),
            project_id=webhook.project_id,
            status=202,
        )

    def redeliver(self, request: Request, id: Any, delivery: Any) -> Response:
        """Send it again, at once and under the same id."""
        found, actor, expect = self.get_object(), self.actor, self.expect
        self.body()
        return writes.make(
            self,
            lambda: webhooks.redeliver(found, actor=actor, expect=expect),
            project_id=found.project_id,
            status=202,
        )
