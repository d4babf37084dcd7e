"""Rules that span settings.

Owns: what must hold between sections (the rules of keys are in ``key_checks.py``). Works on plain
values, as they stand before the models are built, so that its faults are told together with all
others; values of a wrong type are passed over here. Must not know: where values come from. No
message holds a secret.
"""

import difflib
import math
from collections.abc import Iterator, Mapping

from gateway.config.addresses import is_loopback
from gateway.config.draft import Tree, find
from gateway.config.key_checks import Finding, key_findings, unfit
from gateway.config.sections import Config
from gateway.config.signing import signing_keys
from gateway.config.units import SECONDS

LEAST_TOKEN = 16  # characters: the right one is heard however many wrong ones came before
LEAST_SECRET = 16  # characters: the vendor makes 32 bytes, and does not say how it writes them


def findings(values: Tree) -> Iterator[Finding]:
    """List what is wrong between settings: a path and a sentence each."""
    yield from key_findings(values, _names(values))
    yield from _single_secrets(values)
    yield from _webhooks(values)
    yield from _signing_secrets(values)
    yield from _models(values)
    yield from _listeners(values)
    yield from _memories(values)


def _single_secrets(values: Tree) -> Iterator[Finding]:
    for section, name, least in (
        ("upstream", "api_key", 1),
        ("upstream", "webhook_secret", LEAST_SECRET),
        ("ops", "token", LEAST_TOKEN),
    ):
        secret = _text(values, section, name)
        fault = unfit(secret, least) if secret is not None else ""
        if fault:
            yield (section, name), fault


def _webhooks(values: Tree) -> Iterator[Finding]:
    """The vendor has to reach what it is to tell."""
    wanted = find(values, ("upstream", "webhook_secret")) is not None
    if wanted and find(values, ("server", "public_url")) is None:
        yield (
            ("upstream", "webhook_secret"),
            "needs server.public_url, under which the vendor reaches the gateway",
        )


def _signing_secrets(values: Tree) -> Iterator[Finding]:
    """What webhooks are signed with, for all keys and for each."""
    keys = values.get("keys")
    number = len(keys) if isinstance(keys, list) else 0
    places = (("webhooks", "secret"), *(("keys", at, "webhook_secret") for at in range(number)))
    for place in places:
        secret = _text(values, *place)
        if secret is None:
            continue
        try:
            signing_keys(secret)
        except ValueError as fault:
            yield place, str(fault)


def _configured(values: Tree) -> Mapping[str, object]:
    """The models as a file has them, or those that are there without one; empty where unusable."""
    models = values.get("models")
    if models is None:
        known = Config.model_fields["models"].default
        return {name: {"aliases": list(model.aliases)} for name, model in known.items()}
    return models if isinstance(models, dict) else {}


def _names(values: Tree) -> dict[str, tuple[str, ...]]:
    """The models' names, each with its aliases."""
    aliases = {name: find(model, ("aliases",)) for name, model in _configured(values).items()}
    return {
        name: tuple(one for one in listed if isinstance(one, str))
        if isinstance(listed, list)
        else ()
        for name, listed in aliases.items()
    }


def _models(values: Tree) -> Iterator[Finding]:
    models = _configured(values)
    owners: dict[str, str] = {}
    for name, model in models.items():
        aliases = find(model, ("aliases",))
        for index, alias in enumerate(aliases if isinstance(aliases, list) else ()):
            path = ("models", name, "aliases", index)
            if not isinstance(alias, str):
                continue
            if alias in models and alias != name:
                yield path, "is the name of another model"
            elif alias in owners:
                yield path, f"is an alias of {owners[alias]} already"
            owners.setdefault(alias, name)
    yield from _default_model(values, [*models, *owners])


def _default_model(values: Tree, known: list[str]) -> Iterator[Finding]:
    given = find(values, ("requests", "default_model"))
    name = Config.model_fields["requests"].default.default_model if given is None else given
    if isinstance(name, str) and name and known and name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        subject = f"is {name} by default, which" if given is None else "it"
        yield ("requests", "default_model"), f"{subject} is neither a model nor an alias; {hint}"


def _listeners(values: Tree) -> Iterator[Finding]:
    host = _text(values, "ops", "host") or "127.0.0.1"
    if not is_loopback(host) and find(values, ("ops", "token")) is None:
        yield ("ops", "token"), "is required where ops.host is not loopback"
    port, ops_port = (
        _port(values, "server", Config.model_fields["server"].default.port),
        _port(values, "ops", Config.model_fields["ops"].default.port),
    )
    if port and port == ops_port and host == (_text(values, "server", "host") or "127.0.0.1"):
        yield ("ops", "port"), "is the port of server too"


def _port(values: Tree, section: str, default: int) -> object:
    port = find(values, (section, "port"))
    return default if port is None else port


def _text(values: Tree, *path: str | int) -> str | None:
    value = find(values, path)
    return value if isinstance(value, str) else None


def _memories(values: Tree) -> Iterator[Finding]:
    """A job has to be remembered for as long as its pictures lie here."""
    try:
        keep = SECONDS.read(find(values, ("state", "keep")))
        lifetime = SECONDS.read(find(values, ("images", "lifetime")))
    except ValueError:
        return  # told by the section itself
    keep = Config.model_fields["state"].default.keep if keep is None else keep
    lifetime = Config.model_fields["images"].default.lifetime if lifetime is None else lifetime
    if not isinstance(keep, int | float) or not isinstance(lifetime, int | float):
        return
    if keep < lifetime < math.inf:
        yield ("state", "keep"), "must not be shorter than images.lifetime"
