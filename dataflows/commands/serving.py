"""``respond --listen``: the API of a responder's process."""

from __future__ import annotations

import os

import typer

from agents.api.context import Context
from agents.api.feed import Feed
from agents.api.server import Server
from agents.api.tokens import FILE, TOKENS, Tokens
from agents.human.links import Links
from agents.ledger.keyfile import KeyMissing
from agents.llm.build import key_file
from agents.service import Service, Worker
from dataflows.commands.failures import UserError
from dataflows.commands.listening import address


def serving(listen: str, service: Service) -> list[Worker]:
    """Workers that answer at an address and follow what happens.

    Raises:
        UserError: for an address that cannot be listened on, or tokens that are none.
    """
    host, port = address(listen)
    token = key_file(service.ledger, "api.token")
    try:
        tokens = Tokens.from_environment(os.environ, token)
        links = Links.from_environment(os.environ, key_file(service.ledger, "link.key"))
    except KeyMissing as error:
        raise UserError(str(error)) from None
    feed = Feed(service.ledger, service.clock)
    context = Context(service.ledger, service.policy, service.clock, tokens, feed, service.wake, links)
    try:
        server = Server(context, host, port)
    except OSError as error:
        raise UserError(f"--listen {host}:{port}: cannot be listened on: {error.strerror}; name a free port") from None
    own = "" if os.environ.get(TOKENS) or os.environ.get(FILE) else f", token in {token}"
    typer.echo(f"API on http://{host}:{server.port}{own}", err=True)
    return [feed, server]
