"""Another project than the one that an entry of clouds.yaml names, for its account."""

from argparse import Namespace
from dataclasses import dataclass
from typing import Any

from openstack.config import OpenStackConfig
from openstack.config.cloud_region import CloudRegion
from openstack.exceptions import ConfigException

#: What else a token can be for; Keystone takes one of them.
_OTHER_SCOPES = ("project_id", "domain_id", "domain_name", "system_scope", "unscoped")
#: What says to which domain a project belongs that is named.
_DOMAINS = (
    "project_domain_id",
    "project_domain_name",
    "default_domain_id",
    "default_domain_name",
)


@dataclass(frozen=True, slots=True)
class Scope:
    """A project, by name."""

    project: str
    #: The name of its domain; empty: the domain of the entry's own project.
    domain: str = ""


class ScopedConfig(OpenStackConfig):
    """clouds.yaml, with all accounts in one project."""

    def __init__(self, scope: Scope, **options: Any) -> None:
        super().__init__(**options)
        self._scope = scope

    def get_one(
        self,
        cloud: str | None = None,
        validate: bool = True,
        argparse: Namespace | None = None,
        **kwargs: Any,
    ) -> CloudRegion:
        # Of a project's account, `domain_name` is the domain of user and project alike.
        kwargs["project_name"] = self._scope.project
        return super().get_one(cloud, validate, argparse, **kwargs)

    def auth_config_hook(self, config: dict[str, Any]) -> dict[str, Any]:
        """Put the account in the project, before its plugin is made of ``auth``."""
        config = super().auth_config_hook(config)
        auth: dict[str, Any] = config["auth"]
        if config["auth_type"] == "v3applicationcredential" or "trust_id" in auth:
            raise ConfigException(
                "an application credential or a trust is for one project: option"
                " 'project' needs an account with a password"
            )
        for name in _OTHER_SCOPES:
            auth.pop(name, None)
        auth["project_name"] = self._scope.project
        if self._scope.domain:
            auth.pop("project_domain_id", None)
            auth["project_domain_name"] = self._scope.domain
        elif not any(auth.get(name) for name in _DOMAINS):
            raise ConfigException(
                "no domain of a project is named: option 'project_domain' is needed"
            )
        return config
