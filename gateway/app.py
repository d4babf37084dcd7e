"""The only place that builds: from a configuration to live parts and two ASGI apps.

Owns: which vendor and which backends there are, what is given to whom, and the order of starting
and stopping. Must not know: how any part works. Nothing here runs at import.
"""

import asyncio
import shutil
from functools import partial
from pathlib import Path

from starlette.middleware import Middleware
from starlette.types import ASGIApp

from gateway.access.failures import Failures
from gateway.catalog import terms_of
from gateway.clock import Clock
from gateway.config.addresses import ledger_path
from gateway.config.sections import Config, Ops, Server
from gateway.events import JobClaimed
from gateway.facts import Emit, InFlight
from gateway.images.shelf import Shelf
from gateway.images.workshop import Workshop
from gateway.jobs.ages import Ages
from gateway.jobs.board import Board
from gateway.jobs.collector import Asker, Collector
from gateway.jobs.creator import Creator
from gateway.jobs.given import Given
from gateway.jobs.hints import Hints
from gateway.jobs.housekeeping import Housekeeping
from gateway.jobs.joins import Joins
from gateway.jobs.journal import Journal
from gateway.jobs.late_words import LateWords
from gateway.jobs.memory import Memory
from gateway.jobs.poller import Poller
from gateway.jobs.queue import Queue
from gateway.jobs.reception import Reception
from gateway.jobs.recovery import Recovery, SecondLook
from gateway.jobs.restraint import Restraint
from gateway.jobs.runner import Line, Runner, Span
from gateway.openai.admission import Admission
from gateway.openai.cors import CrossOrigin, Origins, Preflights
from gateway.openai.desk import Desk
from gateway.openai.insiders import Insider
from gateway.openai.links import BaseUrls
from gateway.openai.proxies import Proxies
from gateway.openai.remote import RemotePictures
from gateway.openai.requests import Reading
from gateway.openai.routes import clients_app
from gateway.openai.terms import CurrentTerms
from gateway.ops.bars import ROWS
from gateway.ops.bearer import OperatorsToken
from gateway.ops.console import Console, Sources
from gateway.ops.exposition import Exposition, metrics_route
from gateway.ops.gauges import set_gauges
from gateway.ops.guard import Guard
from gateway.ops.health import full, operators_app
from gateway.ops.lag import LagSampler
from gateway.ops.metrics import Metrics, Registry
from gateway.ops.middleware import RequestContext
from gateway.ops.playground import Playing
from gateway.ops.recent import Recent
from gateway.ops.watchers import Watchers
from gateway.overview import Overview, Parts, Settings, names, uses_in
from gateway.state.base import Store
from gateway.state.memory import MemoryStore
from gateway.state.sqlite import SqliteStore
from gateway.upstream.balance import Balance
from gateway.upstream.breaker import Breaker
from gateway.upstream.budget import RetryBudget
from gateway.upstream.download import Bounds, Downloads
from gateway.upstream.governor import Governor
from gateway.upstream.quota import Listened, Quota
from gateway.upstream.toapis import Toapis
from gateway.upstream.uploads import Uploads
from gateway.upstream.webhooks import WebhookReader
from gateway.web.clients import Files, Outgoing
from gateway.web.policy import Policy, origin
from gateway.webhooks import Webhooks, vendors_webhooks

# It lies with the simulator, which draws with it; browsers may lack such letters as well.
_FONT = Path(__file__).parent / "simulator" / "fonts" / "NotoSansCJKsc-subset.woff2"
_SWEEP = 60.0
_LAST_WORDS = 0.1  # until answers that were just decided upon are written


class Gateway:
    """Everything that lives while the gateway serves.

    ``clients`` and ``operators`` are ASGI apps; they answer between ``start`` and ``stop``.
    ``emit`` is given every fact that is told, and must neither block nor raise. ``drain_asked`` is
    set when an operator wants the process to stop.
    """

    def __init__(self, config: Config, clock: Clock, emit: Emit) -> None:
        self._clock = clock
        self.watchers = emit = Watchers(emit)
        registry = Registry()
        self.metrics = Metrics(registry, names(config.models, config.keys))
        self.watchers.add(self.metrics.observe)
        self.board = Board()
        self.in_flight = InFlight()
        self._store = _store(config, clock, emit)
        section = config.joins
        self._ages = Ages(clock, max(section.failures, section.orphans, section.delivered))
        self._journal = Journal(self._store, (self._ages, emit), clock)
        self._spool = str(Path(config.images.folder) / "spool")
        self._workshop = Workshop(config.images, config.upstream.upload_bytes)
        self._shelf = Shelf(config.images, clock)
        self._reach_vendor(config, clock)
        memory = self._make_runner(config, clock)
        self.terms = CurrentTerms(terms_of(config))
        pace, lifetime = self._poller.experience, config.images.lifetime
        self._webhooks = Webhooks(memory, self.terms, pace, config.webhooks, lifetime)
        self.watchers.add(self._webhooks.hooks.observe)
        self.clients = self._clients(config, clock, emit)
        self._checks = {
            "loops": self._loops_reason,
            "ledger": lambda: self._store.trouble,
            "queue": full(lambda: len(self._queue), config.queue.requests),
            "draining": self._draining_reason,
        }
        self._draining = False
        self._loops: tuple[asyncio.Task[None], ...] = ()
        self.overview = self._overview(config, clock)
        token = _operators_token(config.ops, clock, self.watchers)
        self._console = self._built_console(config, token, clock)
        self.operators = self._operators(config, token, registry)

    async def start(self) -> None:
        """Take up ledger, shelf and unfinished jobs, set the loops going; then callers may come.

        What callers' files a dead process left is cleared.
        Raises: LedgerFault, OSError if the folder of pictures cannot be used.
        """
        await self._store.open()
        await self._shelf.open(await self._store.claimed())
        await asyncio.to_thread(shutil.rmtree, self._spool, ignore_errors=True)
        await self.overview.refresh()
        loops = {
            "poller": self._poller.run(),
            "shelf": self._shelf.keep_swept(_SWEEP),
            "housekeeping": self._housekeeping.run(),
            "webhooks": self._webhooks.hooks.run(),
            "late_words": self._late.run(),
            "overview": self.overview.run(),
            "lag": LagSampler(self._clock, self.metrics.lag.observe).run(),
            **({"balance": self._balance.run()} if self._balance.asked else {}),
        }
        self._loops = tuple(asyncio.create_task(run, name=name) for name, run in loops.items())
        await self._recovery.recover()

    def reload(self, config: Config) -> None:
        """Serve what begins from now on by new terms; what is under way keeps those it took.

        Only what ``terms_of`` reads is put in force: the rest must be as it was at the start.
        """
        self.terms.now = terms_of(config)
        self.metrics.extend(config.models, (key.name for key in config.keys))
        self.overview.reload(config.keys)

    def announce_drain(self) -> None:
        """Say that the process is about to stop: ``/readyz`` fails, and all is served as before."""
        self._draining = True

    async def drain(self) -> None:
        """Take no new work, let creates under way end, then tell whoever waits.

        Call it while the listeners still serve, so that the answers get out. Cancelled, it tells
        them at once: a caller who is just cut off would not know that it may come back.
        """
        self.announce_drain()
        self._webhooks.hooks.close()
        try:
            await self._runner.stop()
        except asyncio.CancelledError:
            await self._runner.abort()
            await self._clock.sleep(_LAST_WORDS)
            raise
        finally:
            self._console.close()

    async def stop(self) -> None:
        """Leave off the jobs, end the loops and every connection, in a bounded time."""
        self._console.close()
        await self._runner.abort()
        await self._queue.close()
        await self._webhooks.close()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        for client in (self._outgoing, self._results, self._callers):
            await client.close()
        await self._store.close()
        self._workshop.close()

    async def claim(self, job_id: str) -> bool:
        """Write that an operator took a job's pictures out by hand; whether there is such a job."""
        row = await self._store.job(job_id)
        if row is None:
            return False
        await self._journal.remark(JobClaimed(job_id=row.job_id, at=self._clock.wall()))
        for picture in row.pictures:
            self._shelf.delivered(picture.token)
        return True

    def _reach_vendor(self, config: Config, clock: Clock) -> None:
        policy = Policy(
            origins=frozenset({origin(config.upstream.base_url)}),
            hosts=frozenset(config.images.fetch_from),
            only_hosts=frozenset(config.upstream.result_hosts),
        )
        self._outgoing = Outgoing(config.upstream)
        self._results = Files(config.upstream, policy)
        bounds = Bounds(config.images.result, config.upstream.download_time)
        self._downloads = Downloads(
            self._results, policy, clock, bounds, tell=self._journal.announce
        )
        self._governor = Governor(
            config.upstream.submit_per_second, config.upstream.query_per_second, clock
        )
        self._queue = Queue(
            self._governor.submits,
            config.queue,
            config.upstream.max_tasks,
            clock,
            self._journal.announce,
        )
        self._quota = Quota(clock)
        self._upstream = Toapis(config.upstream, Listened(self._outgoing, self._quota), clock)
        self._balance = Balance(config.upstream, self._outgoing, clock)
        self._poller = Poller(
            self._upstream,
            self._governor,
            self._journal,
            clock,
            config.upstream.polling,
            config.upstream.settle_time,
        )

    def _make_runner(self, config: Config, clock: Clock) -> Memory:
        section, drain = config.upstream, config.drain
        asker = Asker(self._upstream, self._governor, self._journal, section.settle_time)
        self._budget = budget = RetryBudget(section.retry_share, clock)
        self._breaker = breaker = Breaker(section.breaker, clock, self._journal.announce)
        least = self._poller.experience.least
        restraint = Restraint(self._governor, self._queue, least, breaker, budget)
        creator = Creator(self._upstream, restraint, self._journal, self.board, clock, section)
        line = Line(
            uploads=Uploads(
                self._upstream, clock, section.upload_lifetime, budget, self._journal.announce
            ),
            queue=self._queue,
            creator=creator,
            poller=self._poller,
            collector=Collector(asker, self._downloads, self._workshop, self._shelf, self._journal),
        )
        follow = section.polling.follow
        span = Span(follow, creates=drain.creates)
        self._runner = Runner(line, self._shelf, self._journal, self.board, clock, span)
        memory = Memory(self._store, self._journal, self.board, self._shelf, clock)
        self._recovery = Recovery(memory, self._runner, follow)
        look = SecondLook(memory, self._recovery, creator, self._upstream, self._governor)
        self._housekeeping = Housekeeping(memory, look, config.state.keep)
        self._late = LateWords(memory, look)
        given = Given(clock, config.images.lifetime)
        joins = Joins(self.board, self._store, self._shelf, self._ages, given, config.joins)
        self._reception = Reception(memory, self._runner, joins, look, self._queue)
        return memory

    def _clients(self, config: Config, clock: Clock, emit: Emit) -> ASGIApp:
        # A policy, connections and turns of their own: callers' links must neither reach what the
        # vendor's may, nor keep a paid result waiting.
        policy = Policy(hosts=frozenset(config.images.fetch_from))
        self._callers = Files(config.upstream, policy, strangers=True)
        bounds = Bounds(config.images.bounds.bytes, config.upstream.download_time)
        fetching = Downloads(self._callers, policy, clock, bounds)
        reading = Reading(
            bounds=config.server.bounds,
            picture_bounds=config.images.bounds,
            strict=config.server.compatibility == "strict",
            spool_folder=self._spool,
            pictures=self._workshop,
            remote=RemotePictures(policy, fetching),
            clock=clock,
        )
        desk = Desk(
            admission=self._admission(config.server, clock),
            reading=reading,
            reception=self._reception,
            promises=self._webhooks.promises,
            shelf=self._shelf,
            base_urls=BaseUrls(config.server.public_url, config.server.trusted_proxies),
            deadlines=config.upstream.deadlines,
            clock=clock,
            heartbeats=config.server.heartbeats,
            webhook_policy=self._webhooks.policy,
        )
        context = Middleware(RequestContext, clock=clock, emit=emit, in_flight=self.in_flight)
        origins = Origins(config.server.cors_origins)
        layers = Middleware(CrossOrigin, origins=origins), context
        preflights = Middleware(Preflights, origins=origins)
        hints, section = self._hints(config, clock), config.server
        callbacks = None if hints is None else vendors_webhooks(hints, section, clock)
        return clients_app(desk, [*layers, preflights], callbacks)

    def _hints(self, config: Config, clock: Clock) -> Hints | None:
        secret = config.upstream.webhook_secret
        if secret is None:
            return None
        reader = WebhookReader(secret.get_secret_value(), clock)
        return Hints(reader, self.board, self._poller, self._late, self._journal)

    def _admission(self, section: Server, clock: Clock) -> Admission:
        failures = Failures(section.failed_auth_per_minute, clock)
        proxies = Proxies(section.trusted_proxies)
        return Admission(self.terms, self._reception, failures, proxies, clock)

    def _overview(self, config: Config, clock: Clock) -> Overview:
        parts = Parts(
            board=self.board,
            in_flight=self.in_flight,
            queue=self._queue,
            experience=self._poller.experience,
            breaker=self._breaker,
            governor=self._governor,
            budget=self._budget,
            quota=self._quota,
            balance=self._balance,
            store=self._store,
            shelf=self._shelf,
            checks=self._checks,
            draining=lambda: self._draining,
            uses=partial(uses_in, ledger_path(config.state.url)),
        )
        settings = Settings(
            upstream=config.upstream,
            queue=config.queue,
            images=config.images,
            connections=config.server.bounds.connections,
        )
        return Overview(parts, settings, config.keys, clock, self.watchers)

    def _operators(
        self, config: Config, token: OperatorsToken | None, registry: Registry
    ) -> ASGIApp:
        exposition = Exposition(registry, self._set_gauges)
        return operators_app(
            self._checks,
            started=self._loops_reason,
            token=token,
            claim=self.claim,
            host=config.ops.host,
            routes=[metrics_route(exposition, token, config.ops.host), *self._console.routes()],
        )

    def _built_console(self, config: Config, token: OperatorsToken | None, clock: Clock) -> Console:
        self.drain_asked = asyncio.Event()
        self.recent = Recent(clock)
        self.watchers.add(self.recent)
        host = f"{config.server.host}:{config.server.port}"
        insider = Insider(self.clients, self.terms, clock, host)
        playing = Playing(
            play=insider.generate,
            quote=insider.quote,
            models=lambda: self.terms.now.rules.models,
            picture=insider.picture,
        )
        sources = Sources(
            snapshot=lambda: self.overview.snapshot(most_jobs=ROWS),
            keys=self.overview.keys,
            recent=self.recent,
            playing=playing,
            drain=self.drain_asked.set,
        )
        guard = Guard(token, config.ops.host, clock, self.watchers)
        return Console(sources, guard, clock, self.watchers, _FONT)

    def _set_gauges(self) -> None:
        set_gauges(self.metrics, self.overview.snapshot(most_jobs=0))

    def _draining_reason(self) -> str | None:
        """Why nothing new should be sent here, if nothing should."""
        return "the process is about to stop" if self._draining else None

    def _loops_reason(self) -> str | None:
        """Why the loops do not run, if they do not."""
        stopped = [loop.get_name() for loop in self._loops if loop.done()]
        if not self._loops:
            return "not started"
        return f"ended: {', '.join(stopped)}" if stopped else None


def _operators_token(section: Ops, clock: Clock, emit: Emit) -> OperatorsToken | None:
    return OperatorsToken(section.token.get_secret_value(), clock, emit) if section.token else None


def _store(config: Config, clock: Clock, emit: Emit) -> Store:
    path = ledger_path(config.state.url)
    return MemoryStore(clock) if path is None else SqliteStore(path, config.state, clock, emit)
