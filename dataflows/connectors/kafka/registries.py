"""Schema registries, by connection; their client, whose import takes a fifth of a second, is only for who uses one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataflows.connectors.kafka.registry import Registry
    from dataflows.decoding.avro import Ask


class Registries:
    """The registries of an application's connections; ``settings``: those of the registry's client, by connection."""

    def __init__(self, settings: Mapping[str, Mapping[str, str]]) -> None:
        self.settings = settings
        self.opened: dict[str, Registry] = {}

    def of(self, connection: str) -> Ask:
        """What gives the schemas of a connection's registry.

        Raises:
            KafkaProblem: when its settings are wrong.
        """
        from dataflows.connectors.kafka.registry import Registry

        name = connection or next(iter(self.settings), "")
        if name not in self.opened:
            self.opened[name] = Registry(name, self.settings.get(name, {}))
        return self.opened[name].schema
