"""One attempt at one task, from a claim to its outcome: workspace, agent, what changed, acceptance."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from swarm.clock import Clock, SystemClock
from swarm.crashpoints import crashpoint
from swarm.engine.claims import Claim, Ending, Expand, Fail, Failure, Finish, HandIn
from swarm.engine.engine import Engine
from swarm.errors import HubDeclinedError, RefusedError
from swarm.models.usage import Usage
from swarm.observe.left_out import LeftOut
from swarm.observe.wording import LEFT_OUT
from swarm.plan.expansion import read_expansion
from swarm.plan.model import Plan, TaskSpec
from swarm.plan.scope import WriteScope, literal_pattern
from swarm.repo.changed import changed_paths
from swarm.repo.gates.widening import is_never_widened, why_not_widened
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import attempt_ref
from swarm.repo.workspaces.workspace import Taken, Workspace, open_workspace, take_attempt
from swarm.sandbox.protocol import Launcher, Sandbox, SandboxEndedError, ToolError
from swarm.states import FailureKind
from workers.agents.agent import Agent, AgentContext
from workers.agents.command import failure_of
from workers.held import HeldSandbox
from workers.hub_patience import wait_for_hub
from workers.lease import Lease, LeaseLostError
from workers.refusals import SENT_BACK, declined, ended, nothing_left, out_of_scope, refused, some


class StoppedError(Exception):
    """The worker was told to stop now."""


@dataclass(frozen=True)
class Made:
    """What an agent left, durable in the hub; nothing was judged yet."""

    commit: str | None  # None: it changed nothing
    extra: tuple[str, ...]  # what it changed beyond the write scope
    left_out: str = ""  # paths inside it that were not taken


@dataclass
class Attempt:
    """One claim being worked on. Nothing here tells the engine how it ended."""

    claim: Claim
    lease: Lease
    engine: Engine
    hub: Hub
    launcher: Launcher
    agents: Mapping[str, Callable[[], Agent]]
    held: HeldSandbox
    folder: Path  # becomes the workspace
    log: Path
    check_stop: Callable[[], None]
    tell_of_hub: Callable[[str], None] = lambda _why_away: None  # nothing once it is back
    clock: Clock = field(default_factory=SystemClock)
    labels: Mapping[str, str] = field(default_factory=dict)
    is_widening: bool = True  # what is changed beyond the write scope is asked for, instead of refused

    def __post_init__(self) -> None:
        self._expansion: Plan | None = None
        self._spent = Usage()
        self._is_started = False
        self._left_out = LeftOut(self.log.parent, self.claim.task.id)

    def produce(self) -> Ending:
        """Do the work; return how it ended.

        Raises:
            LeaseLostError, StaleTokenError: the claim is lost; there is nobody to tell.
            StoppedError: the worker was told to stop now.
            OSError, SwarmError: the infrastructure failed, not the task.
        """
        if ending := self.take_up():
            return ending
        workspace = self.open(self.claim.base)
        if ending := self.work(workspace):
            return ending
        made = self.take(workspace, attempt_ref(self.claim.run, self.claim.task.id, self.claim.attempt))
        if isinstance(made, Fail):
            return made
        if failure := self.accept(workspace):
            # Otherwise the next attempt would take this one up as unfinished business, which it is when
            # nothing was found wrong with it.
            if failure.kind.is_charged:
                self.hub.reject_attempts(self.claim.run, self.claim.task.id, upto=self.claim.attempt)
            return Fail(failure)
        return self.hand_in(made.commit, made.extra) if made.commit else self.finish(made.left_out)

    def finish(self, left_out: str = "") -> Ending:
        """End with nothing to land. That what was sent back is not needed after all, has to be shown."""
        claim = self.claim
        self._left_out.note(str(claim.attempt), left_out)
        if claim.attempt == 1 or not claim.task.files or claim.task.acceptance:
            return Finish()
        past = self.engine.task(claim.run, claim.task.id).history
        sent_back = [one for one in past if one.kind in SENT_BACK and one.attempt > claim.fresh_after]
        return Fail(nothing_left(sent_back[-1])) if sent_back else Finish()

    def take_up(self) -> Ending | None:
        """Hand in what an earlier worker made durable and did not hand in; None: there is no such thing."""
        if commit := self._find_durable_attempt():
            self.start()
            return self.hand_in(commit, self.beyond_scope(commit))
        return None

    def start(self) -> None:
        """Tell the engine that the task is running, once."""
        if not self._is_started:
            self.engine.start(self.claim)
            self._is_started = True

    def open(self, commit: str) -> Workspace:
        """A fresh workspace at this commit; with the first one the task counts as running."""
        workspace = open_workspace(self.hub, commit, self.folder, may_mount=self.launcher.sees_mounts)
        self.check()
        self.start()
        crashpoint("worker.after_start")
        return workspace

    def work(self, workspace: Workspace) -> Fail | Expand | None:
        """Let an agent work; None when what it did is in the workspace."""
        if failure := self._in_sandbox(workspace, self._run_agent):
            return Fail(failure)
        crashpoint("worker.after_agent")
        if self._expansion:
            many = len(self._expansion.tasks)
            self.note(f"[swarm: expanded into {many} tasks; what this attempt changed itself is dropped]")
            return Expand(self._expansion)
        return None

    def _find_durable_attempt(self) -> str | None:
        """An attempt that an earlier worker made durable but did not hand in, on a base that still holds."""
        claim = self.claim
        self.hub.mirror_task(claim.run, claim.task.id, base=claim.base, branch=claim.branch)
        found = self.hub.find_attempt(claim.run, claim.task.id)
        if found is None or found.attempt <= self.claim.fresh_after:
            return None
        made_from = self.hub.resolve(f"{found.commit}^")
        is_ancestor = made_from is not None and self.hub.git.ask(
            "merge-base", "--is-ancestor", made_from, self.claim.base
        )
        return found.commit if is_ancestor and is_ancestor.succeeded else None

    def _run_agent(self, sandbox: Sandbox) -> Failure | None:
        task = self.claim.task
        context = AgentContext(
            run=self.claim.run,
            attempt=self.claim.attempt,
            log=self.log,
            transcript=self.log.with_suffix(".jsonl"),
            evidence=self.claim.evidence,
            report_usage=lambda usage: self.lease.report_usage(self._spent + usage),
            check=self.check,
            expand=self._read_expansion,
            extend=self._extend,
        )
        result = self.agents[task.executor]().run(task, sandbox, context)
        self.spend(result.usage)
        self._expansion = result.expansion
        return result.failure

    def _read_expansion(self, document: str) -> Plan:
        """The tasks that the agent wants in place of its own. Raises PlanError."""
        claim = self.claim
        bounds = claim.task.files or self.engine.scope_around(claim.run, claim.task.id)
        return read_expansion(document, claim.task, bounds=bounds)

    def _extend(self, files: Sequence[str], reads: Sequence[str]) -> TaskSpec:
        """Ask for more files; the task with its larger scope.

        Raises:
            RefusedError: no task may have that.
            LeaseLostError: the task is back in its queue, and waits for all that it needs.
        """
        for path in filter(is_never_widened, files):
            raise RefusedError(f"only a plan puts {path!r} into a scope", hint="do without it")
        extension = self.engine.extend(self.claim, files=files, reads=reads, usage=self.lease.usage)
        if not extension.is_granted:
            raise LeaseLostError(f"it needs more files, and waits for {extension.waits_for}")
        self.claim = extension.claim
        self.note(f"[swarm: the write scope is now {', '.join(self.claim.task.files)}]")
        return self.claim.task

    def spend(self, usage: Usage) -> None:
        """Add what an agent, a reviewer or a judge has used to what the attempt has."""
        self._spent += usage
        self.lease.report_usage(self._spent)

    def take(self, workspace: Workspace, ref: str) -> Made | Fail:
        """Take what changed, as `ref` in the hub, and hold it to the write scope."""
        claim = self.claim
        self.check()
        try:
            taken = self._take(workspace, claim.task.files, ref)
            extra = taken.out_of_scope
            if extra and not taken.refused and self._refuse_widening(extra) is None:
                taken = self._take(workspace, (*claim.task.files, *map(literal_pattern, extra)), ref)
        except HubDeclinedError as error:
            return Fail(declined(error))
        if failure := refused(taken) or self._refuse_widening(taken.out_of_scope):
            return Fail(failure)
        if left_out := some(taken.left_out):
            self.note(LEFT_OUT + left_out)
        if taken.commit:
            self._left_out.note(taken.commit, left_out)
        crashpoint("worker.after_attempt")
        return Made(taken.commit, extra, left_out)

    def accept(self, workspace: Workspace) -> Failure | None:
        """Run the task's acceptance commands where the work was done."""
        return self._in_sandbox(workspace, self._accept) if self.claim.task.acceptance else None

    def _take(self, workspace: Workspace, scope: Sequence[str], ref: str) -> Taken:
        """Take it; while the hub is away the work is in the workspace and nowhere else, and waits there."""
        message = f"{self.claim.task.id}: attempt {self.claim.attempt}\n"
        take = partial(take_attempt, self.hub, workspace, scope=WriteScope(scope), message=message, ref=ref)
        return wait_for_hub(take, self.hub, tell=self._tell_of_hub, check=self.check, clock=self.clock)

    def _tell_of_hub(self, why_away: str) -> None:
        self.tell_of_hub(why_away)
        waits = f"what it has done waits for the hub: {why_away}" if why_away else "the hub has it now"
        self.note(f"[swarm: {waits}]")

    def hand_in(self, commit: str, extra: Sequence[str]) -> Ending:
        """Hand a durable attempt in, with what it changed beyond its write scope if that can be had.

        Raises:
            LeaseLostError: somebody else has it. The task waits for all of it, and hands this commit in then.
        """
        failure = self._refuse_widening(extra)
        if extra and not failure:
            try:
                self._extend([literal_pattern(path) for path in extra], [])
            except RefusedError as error:
                failure = out_of_scope(extra, error.message)
            except LeaseLostError as error:
                self.note(f"[swarm: put back, with what it has done: {error}]")
                raise
        if failure:
            self.hub.reject_attempts(self.claim.run, self.claim.task.id, upto=self.claim.attempt)
            return Fail(failure)
        self._left_out.note(str(self.claim.attempt), self._left_out.read(commit))
        return HandIn(commit)

    def beyond_scope(self, commit: str) -> list[str]:
        """What a durable attempt changed outside the write scope as it is now."""
        scope = WriteScope(self.claim.task.files)
        return [
            path for path in changed_paths(self.hub.git, [commit]).get(commit, ()) if not scope.covers(path)
        ]

    def _refuse_widening(self, extra: Sequence[str]) -> Failure | None:
        """What is wrong with an attempt that changed these paths beyond its write scope; None if nothing."""
        if not extra:
            return None
        if not self.is_widening:
            return out_of_scope(extra)
        why = why_not_widened(self.claim.task.files, extra)
        return out_of_scope(extra, why) if why else None

    def note(self, line: str) -> None:
        """Say something on a line of its own in the attempt's log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab+") as log:
            log.seek(max(0, log.tell() - 1))
            is_at_start = log.read(1) in {b"", b"\n"}
            log.write(("" if is_at_start else "\n").encode() + line.encode() + b"\n")

    def _accept(self, sandbox: Sandbox) -> Failure | None:
        """Run the acceptance commands where the work was done: early news, the merge queue decides."""
        for argv in self.claim.task.acceptance:
            try:
                finished = sandbox.run(argv, timeout_s=self.claim.task.timeout_s, log=self.log)
            except ToolError as error:
                return Failure(FailureKind.GATE_FAILED, f"acceptance {list(argv)!r}: {error}")
            failure = failure_of(argv, finished, timeout_s=self.claim.task.timeout_s)
            if failure is not None:
                is_red = failure.kind is FailureKind.TASK_ERROR
                kind = FailureKind.GATE_FAILED if is_red else failure.kind
                return Failure(kind, f"acceptance {list(argv)!r}: {failure.reason}", failure.evidence)
        return None

    def _in_sandbox(self, workspace: Workspace, use: Callable[[Sandbox], Failure | None]) -> Failure | None:
        """Use a fresh sandbox on the workspace; afterwards all that ran in it is dead."""
        self.check()
        sandbox = self.launcher.open(workspace.tree, labels=self.labels)
        with self.held.holding(sandbox):
            try:
                return use(sandbox)
            except SandboxEndedError as error:
                self.check()
                return ended(sandbox, error)

    def check(self) -> None:
        """Raise when the claim is lost, or the worker was told to stop now."""
        self.check_stop()
        self.lease.check()
