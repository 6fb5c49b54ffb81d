"""Endpoints of the application file with their secrets read from the environment and from files."""

from __future__ import annotations

from collections.abc import Mapping

from agents.effects.signing import check_secret
from agents.effects.target import Target, networks
from models.application.respond.resolved import Endpoint


def targets(endpoints: Mapping[str, Endpoint], environment: Mapping[str, str]) -> dict[str, Target]:
    """By name.

    Raises:
        ApplicationErrors: naming the variable or file that is missing.
        SecretError: for a signing secret that is none.
    """
    return {name: _target(endpoint, environment) for name, endpoint in endpoints.items()}


def _target(endpoint: Endpoint, environment: Mapping[str, str]) -> Target:
    secrets = tuple(each.resolve(environment) for each in endpoint.secrets)
    found = Target(
        endpoint.name, endpoint.url.resolve(environment), endpoint.format, secrets, endpoint.schedule, endpoint.timeout,
        networks(endpoint.private), endpoint.template, "" if endpoint.sender is None else endpoint.sender.resolve(environment),
        tuple(each.resolve(environment) for each in endpoint.recipients),
    )  # fmt: skip
    if found.signs:
        for secret in secrets:
            check_secret(secret, endpoint.name)
    return found
