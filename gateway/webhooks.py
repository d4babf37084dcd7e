"""Webhooks both ways: what tells callers of their jobs, and where the vendor tells of its tasks.

Owns: building these, and the order in which they end. Must not know: how any of them works.
"""

from gateway.access.failures import Failures
from gateway.clock import Clock
from gateway.config.answers import Webhooks as Section
from gateway.config.sections import Server
from gateway.jobs.hints import Hints
from gateway.jobs.hooks import Hooks
from gateway.jobs.memory import Memory
from gateway.jobs.promises import Promises
from gateway.jobs.reception import Glance
from gateway.jobs.schedule import Experience
from gateway.openai.callbacks import CallbackEndpoint
from gateway.openai.generation_task import served, with_links
from gateway.openai.proxies import Proxies
from gateway.openai.terms import CurrentTerms
from gateway.web.policy import Policy
from gateway.web.posts import Posts


class Webhooks:
    """What tells, and what is told: ``promises`` are made at the desk, ``policy`` says to whom.

    ``lifetime`` is for how many seconds pictures live, and telling is of use.
    """

    def __init__(
        self,
        memory: Memory,
        terms: CurrentTerms,
        experience: Experience,
        section: Section,
        lifetime: float,
    ) -> None:
        self.policy = Policy(hosts=frozenset(section.hosts))
        self.promises = Promises(memory, experience)
        self._posts = Posts(self.policy, section.time, memory.clock)

        def secrets(key_name: str) -> tuple[bytes, ...]:
            return terms.now.webhook_secrets.get(key_name, ())

        def render(glance: Glance, base_url: str) -> tuple[str, bytes]:
            return with_links(served(glance, terms.now), base_url)

        self.hooks = Hooks(memory, self._posts, secrets, render, section, lifetime)

    def __repr__(self) -> str:
        return f"<Webhooks {self.hooks!r}>"

    async def close(self) -> None:
        """Begin nothing more, give what is under way a little time, close every connection."""
        await self.hooks.finish()
        await self._posts.close()


def vendors_webhooks(hints: Hints, section: Server, clock: Clock) -> CallbackEndpoint:
    """Where the vendor's webhooks arrive."""
    failures = Failures(section.failed_auth_per_minute, clock)
    proxies = Proxies(section.trusted_proxies)
    return CallbackEndpoint(hints, failures, proxies, section.bounds, clock)
