"""One pod while it runs: its namespaces, its sidecar, its containers, and what is known of its state."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from xds.bootstrap.envoy import proxy_environment
from xds.local import pod_tokens, probes, sidecar
from xds.local.commands import CommandFailed, started_at
from xds.local.container import argv, environment, expand
from xds.local.output import OutputLine
from xds.local.pod_host import Sandbox
from xds.local.pod_network import hostname, intercepted
from xds.local.pod_place import PodPlace
from xds.local.pods import Container, Phase, PodSpec, PodStatus, Restart
from xds.local.program import Program, Supervisor, start
from xds.local.sidecar import Admin
from xds.local.state import PodEntry
from xds.model.problem import Problems
from xds.model.refs import FieldRef, ObjectRef

NODE_NAME = "local"
_PATIENCE_S: Final = 5.0


class Pod:
    """A pod of the local mesh. ``run`` is its whole life; ``status`` its state now."""

    def __init__(self, spec: PodSpec, place: PodPlace) -> None:
        self.spec = spec
        self._place = place
        self._sandbox: Sandbox | None = None
        self._envoy: Supervisor | None = None
        self._containers: list[Supervisor] = []
        self._ready: dict[str, bool] = {}
        self._proxy_live = asyncio.Event()
        if not spec.inject:
            self._proxy_live.set()
        self._stopped = asyncio.Event()
        self.status = PodStatus(
            namespace=spec.namespace,
            name=spec.name,
            labels=spec.labels,
            ips=place.addresses,
            ready=False,
            phase=Phase.PENDING,
            node_name=spec.node_name or NODE_NAME,
            service_account=spec.service_account,
            container_ports=spec.container_ports,
            hostname=hostname(spec),
            subdomain=spec.subdomain,
            sidecar=spec.inject,
        )

    @property
    def holder(self) -> int:
        """The process id of the pod's first process; 0 when it is not set up."""
        return self._sandbox.holder if self._sandbox else 0

    @property
    def set_up(self) -> bool:
        """Whether commands can be run in the pod."""
        return self._sandbox is not None and self.status.phase is not Phase.GONE

    @property
    def sandbox(self) -> Sandbox:
        """Where the pod runs. RuntimeError when it is not set up, or gone."""
        if self._sandbox is None or self.status.phase is Phase.GONE:
            raise RuntimeError(f"pod {self.spec.key} is not running")
        return self._sandbox

    @property
    def admin(self) -> Admin:
        """Where the admin interface of the pod's Envoy is. RuntimeError when the pod is not set up, or gone."""
        return Admin(self.sandbox.namespace, self._place.host.admin_address(self._place.addresses))

    @property
    def env(self) -> Mapping[str, str]:
        """The environment of the first container, and so of commands that are run in the pod."""
        return self._environment(self.spec.containers[0])

    def _environment(self, container: Container) -> dict[str, str]:
        outside = {**os.environ, **self.sandbox.env}
        return environment(self.spec, container, self._place.addresses, outside, tuple(self.sandbox.env))

    def entry(self) -> PodEntry:
        """What other terminals must know to run a command in the pod."""
        place, spec = self._place, self.spec
        return PodEntry(
            namespace=spec.namespace,
            name=spec.name,
            workload=spec.workload or spec.name,
            workload_kind=spec.workload_kind,
            holder=self.holder,
            holder_started=started_at(self.holder),
            addresses=place.addresses,
            sidecar=spec.inject,
            uid=place.user.uid,
            reads_all=place.user.reads_all,
            folder=str(place.settings.folder),
            env=dict(self.env),
        )

    def command(self, words: Sequence[str], container: Container | None = None) -> tuple[str, ...]:
        """The command as run in the pod by the user of its containers."""
        where = self._place.settings.folder / (container.working_dir if container else "")
        return self.sandbox.command(self._place.user, words, where)

    async def run(self) -> None:
        """Live: returns when the pod has ended, for good, and nothing of it is left."""
        try:
            await self._set_up()
            await self._live()
        except (CommandFailed, OSError) as error:
            self._say(f"cannot run: {error}")
            self._report(phase=Phase.FAILED, ready=False)
            await self._stopped.wait()
        finally:
            await asyncio.shield(self._clean_up())

    def withdraw(self) -> None:
        """Say that the pod is about to end, so that nobody sends it new requests."""
        self._report(terminating=True, ready=False)

    async def quiet(self) -> None:
        """Return when nobody sends the pod new requests, as far as its sidecar knows, or its patience is over."""
        if self.spec.inject and not self.spec.router and self._proxy_live.is_set():
            with contextlib.suppress(OSError, RuntimeError, TimeoutError):
                await asyncio.wait_for(sidecar.quiet(self.admin), _PATIENCE_S)

    def stop(self) -> None:
        """Tell the pod to end: its containers get SIGTERM now, all is killed after its grace period."""
        self.withdraw()
        self._stopped.set()

    async def _set_up(self) -> None:
        place, spec = self._place, self.spec
        self._sandbox = await place.host.open(spec, place.number, place.addresses)
        self._report()
        if not spec.inject or spec.router:
            return
        found = Problems()
        what = intercepted(spec, place.resolver, found)
        for problem in found:
            self._say(str(problem))
        if what is not None:
            await self._sandbox.intercept(what)

    async def _live(self) -> None:
        """Sidecar, init containers, containers, one after the other; then wait for the end."""
        tasks: list[asyncio.Task[Any]] = []
        stopped = asyncio.create_task(self._stopped.wait())
        life = asyncio.create_task(self._start(tasks))
        try:
            await asyncio.wait({stopped, life}, return_when=asyncio.FIRST_COMPLETED)
            if self._stopped.is_set():
                await self._end(life)
            elif life.done():
                self._finish(life.result())
                await self._stopped.wait()
        finally:
            for task in (stopped, life, *tasks):
                task.cancel()
            await asyncio.gather(stopped, life, *tasks, return_exceptions=True)

    async def _start(self, tasks: list[asyncio.Task[Any]]) -> list[int]:
        """The exit statuses of all containers, when all have ended and none is to be started again."""
        place = self._place
        if self.spec.inject:
            if place.tokens is not None:
                pod_tokens.write(place.host, self.spec, place.tokens)
                tasks.append(asyncio.create_task(pod_tokens.renew(place.host, self.spec, place.tokens, self._say)))
            tasks.append(asyncio.create_task(self._run_envoy()))
            await self._wait_for_envoy()
        for container in self.spec.init_containers:
            status = await Supervisor(self._program(container), Restart.ON_FAILURE).run()
            if status != 0:
                return [status]
        for container in self.spec.applications:
            self._ready[container.name] = False
        supervisors = [self._supervise(container) for container in self.spec.applications]
        self._containers = supervisors
        self._report(phase=Phase.RUNNING)
        if self.spec.router and not supervisors:  # a gateway, which lives until it is told to end
            await self._stopped.wait()
        return list(await asyncio.gather(*(supervisor.run() for supervisor in supervisors)))

    def _program(self, container: Container) -> Program:
        """The container as a program; CommandFailed when it has no command."""
        spec, place, found = self.spec, self._place, Problems()
        at = FieldRef(ObjectRef("", "Pod", spec.namespace, spec.name)) / "spec.containers"
        words = argv(container, at, found)
        if words is None:
            raise CommandFailed("; ".join(str(problem) for problem in found))
        env = self._environment(container)
        command = self.command(expand(words, env), container)
        return Program(spec.key, container.name, command, env, place.sink, wrapped=self.holder != 0)

    def _supervise(self, container: Container) -> Supervisor:
        """A supervisor for the container that keeps track of its readiness."""

        async def started() -> None:
            await probes.watch(container, self.sandbox.namespace, self._place.addresses[0], self._run_probe, report)

        def report(ready: bool) -> None:
            self._ready[container.name] = ready
            self._report()

        program = self._program(container)
        return Supervisor(program, self.spec.restart, started=started, ended=lambda: report(False))

    async def _run_probe(self, command: Sequence[str]) -> int:
        quiet = Program(
            self.spec.key, "probe", self.command(command), self.env, lambda line: None, wrapped=self.holder != 0
        )
        return await (await start(quiet)).wait()

    async def _run_envoy(self) -> None:
        place, settings = self._place, self._place.settings
        config = place.bootstrap_for(self.spec, place.addresses)
        workers = ("--concurrency", str(settings.envoy_concurrency))
        flags = (*workers, "--log-level", settings.envoy_log_level, *settings.envoy_flags)
        words = sidecar.envoy_command(place.host, self.spec.key, config, flags)
        command = self.sandbox.command(sidecar.PROXY, words, Path("/"))
        env = {"PATH": "/usr/bin:/bin", **proxy_environment(config)}
        program = Program(self.spec.key, "envoy", command, env, place.sink, wrapped=self.holder != 0)
        self._envoy = Supervisor(program, Restart.ALWAYS, started=self._watch_envoy, ended=self._envoy_ended)
        await self._envoy.run()

    async def _watch_envoy(self) -> None:
        await sidecar.live(self.admin)
        self._proxy_live.set()
        self._report()

    def _envoy_ended(self) -> None:
        self._proxy_live.clear()
        self._report()

    async def _wait_for_envoy(self) -> None:
        """Return when the sidecar is live, so that no container ever speaks without its configuration."""
        deadline = self._place.settings.proxy_ready.total_seconds()
        try:
            await asyncio.wait_for(self._proxy_live.wait(), deadline)
        except TimeoutError:
            self._say(f"Envoy is not live after {deadline:g} s (does it reach its control plane?); waiting on")
            await self._proxy_live.wait()

    async def _end(self, life: asyncio.Task[list[int]]) -> None:
        """Ask the containers to end and give them their grace; the sidecar lives as long as they."""
        for supervisor in self._containers:
            supervisor.stop()
        if self.spec.router:
            await self._drained()
        if self._containers:
            await asyncio.wait({life}, timeout=self.spec.termination_grace.total_seconds())

    async def _drained(self) -> None:
        """Return when a gateway has answered what it was asked, or its grace has passed."""
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(sidecar.drained(self.admin), self.spec.termination_grace.total_seconds())

    def _finish(self, statuses: list[int]) -> None:
        """All containers have ended by themselves: the pod is complete, and its sidecar with it."""
        if self._envoy is not None:
            self._envoy.stop()
        self._report(phase=Phase.FAILED if any(statuses) else Phase.SUCCEEDED, ready=False)

    async def _clean_up(self) -> None:
        for supervisor in (*self._containers, *([self._envoy] if self._envoy else [])):
            supervisor.kill()
        if self._sandbox is not None:
            await self._sandbox.close()
            pod_tokens.remove(self._place.host, self.spec.key)
        self._report(phase=Phase.GONE, ready=False)

    def _report(self, **fields: Any) -> None:
        """Take the fields into the status, work out readiness, and tell about it when something is different."""
        new = replace(self.status, **fields)
        running = new.phase is Phase.RUNNING and not new.terminating
        ready = running and self._proxy_live.is_set() and all(self._ready.values())
        restarts = sum(max(0, supervisor.starts - 1) for supervisor in self._containers)
        new = replace(new, ready=ready, restarts=restarts)
        if new != self.status:
            self.status = new
            self._place.changed(new)

    def _say(self, text: str) -> None:
        self._place.sink(OutputLine(self.spec.key, "plait", text))
