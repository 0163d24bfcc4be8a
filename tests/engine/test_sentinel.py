"""Redis behind three real sentinels: whichever server is the master, and whatever the last one took along."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from many_servers import Watched, wait_for, watched

from swarm.engine.claims import Claim, Finish, WorkerProfile
from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.errors import AuthenticationError, StaleTokenError, StoreUnreachableError
from swarm.plan.model import TaskSpec
from swarm.states import RunState, TaskState
from swarm.testing.checker import assert_sound
from swarm.testing.plans import BASE, make_plan, make_task

WORKER = WorkerProfile("worker-a")
SENTINELS_OWN = "not-the-servers"  # a password, for one test


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Watched]:
    """A master, a replica, three sentinels."""
    with watched(tmp_path) as found:
        yield found


@pytest.fixture
def queue(servers: Watched) -> Iterator[Engine]:
    """A queue on whatever the sentinels say is the master."""
    made = Engine(open_store(servers.url, timeout_s=2.0), "shop", patience_s=30.0)
    yield made
    made.close()


def claim(queue: Engine, number: int) -> Claim:
    """The next task."""
    found = queue.claim(WORKER, f"claim-{number}")
    assert found is not None
    return found


def finish_all(queue: Engine, held: Claim, *, first: int) -> int:
    """Do all that is left; how many tasks that was."""
    done, following = 0, [held]
    while following:
        done += 1
        found = queue.end_and_claim(following.pop(), Finish(), WORKER, f"claim-{first + done}")
        following += [found] if found else []
    return done


def in_step(servers: Watched) -> bool:
    """The replica has what the master has."""
    own, other = (one.info("replication") for one in (servers.master(), servers.replica()))
    return own["master_repl_offset"] == other["slave_repl_offset"]


def chain(tasks: int) -> list[TaskSpec]:
    """Tasks one after another."""
    return [make_task(f"t{n}", after=[f"t{n - 1}"] if n else []) for n in range(tasks)]


def test_a_run_goes_on_when_the_master_is_killed_under_it(servers: Watched, queue: Engine) -> None:
    """The next call waits for the promotion, and is answered by the new master: each task once, none lost."""
    run = queue.submit(make_plan(*chain(20)), base=BASE)
    held = claim(queue, 0)
    for number in range(1, 6):
        following = queue.end_and_claim(held, Finish(), WORKER, f"claim-{number}")
        assert following is not None
        held = following
    wait_for(lambda: in_step(servers), "the replica to have it all")

    servers.master().stop()

    assert finish_all(queue, held, first=6) == 15
    record = queue.run(run)
    assert (record.state, record.counts[TaskState.DONE]) == (RunState.DONE, 20)
    ended = [event.task for event in queue.events(limit=10_000) if event.kind == "task_done"]
    assert sorted(ended) == sorted({task.spec.id for task in queue.tasks(run)})
    with closing(open_store(servers.url)) as store:
        assert_sound(queue, store)


def test_a_master_that_became_a_replica_is_left(servers: Watched, queue: Engine) -> None:
    """A failover that a person orders: the old master lives, takes no writes, and is asked no more."""
    run = queue.submit(make_plan("one", "two"), base=BASE)
    held, before = claim(queue, 1), servers.master()
    wait_for(lambda: in_step(servers), "the replica to have it all")

    servers.sentinels[0].tell("SENTINEL", "FAILOVER", "mymaster")

    wait_for(lambda: before.info("replication")["role"] == "slave", "the old master to follow")
    assert finish_all(queue, held, first=2) == 2
    assert queue.run(run).state is RunState.DONE


def test_a_live_replicaof_is_ridden_out(servers: Watched, queue: Engine) -> None:
    """READONLY under an open connection: it is dropped, and the call repeated with its op id."""
    run = queue.submit(make_plan("one"), base=BASE)
    held, master = claim(queue, 1), servers.master()
    master.tell("REPLICAOF", "127.0.0.1", 1)
    caller = threading.Thread(target=queue.finish, args=(held,))
    caller.start()
    wait_for(lambda: "errorstat_READONLY" in master.info("errorstats"), "the call to be refused")

    master.tell("REPLICAOF", "NO", "ONE")
    caller.join(30)

    assert queue.run(run).state is RunState.DONE


def test_a_token_that_a_failover_has_lost_is_never_given_out_again(servers: Watched, queue: Engine) -> None:
    """The replica had not heard of three claims: their holders are refused, the counter is past them."""
    run = queue.submit(make_plan("one", "two", "three", "four"), base=BASE)
    first = claim(queue, 0)
    wait_for(lambda: in_step(servers), "the replica to have it all")
    servers.replica().tell("REPLICAOF", "127.0.0.1", 1)
    lost = [claim(queue, number) for number in (1, 2, 3)]

    servers.master().stop()

    again = [claim(queue, number) for number in (4, 5, 6)]
    assert {one.task.id for one in again} == {one.task.id for one in lost}
    assert min(one.token for one in again) > max(one.token for one in lost) + 100
    for one in lost:
        with pytest.raises(StaleTokenError):
            queue.start(one)
    queue.renew(first)
    for one in (first, *again):
        queue.finish(one)
    assert queue.run(run).state is RunState.DONE


def test_sentinels_that_are_all_away_are_an_outage(servers: Watched) -> None:
    """Nobody can say who is the master: an error that says so, not a guess."""
    for one in servers.sentinels:
        one.stop()
    hasty = Engine(open_store(servers.url, timeout_s=1.0), "shop", patience_s=0.1)

    with pytest.raises(StoreUnreachableError, match=r"none of the sentinels at \S+:\d+, .* answers$"):
        hasty.run_ids()


def test_a_master_that_no_sentinel_knows_is_named(servers: Watched) -> None:
    """In our words: the name may be a slip."""
    url = servers.url.replace("/mymaster", "/yourmaster")
    hasty = Engine(open_store(url, timeout_s=1.0), "shop", patience_s=0.1)

    with pytest.raises(StoreUnreachableError, match=r"know no master 'yourmaster' that is up$"):
        hasty.run_ids()


def test_a_password_that_a_sentinel_wants_is_not_looked_for_with_the_server(tmp_path: Path) -> None:
    """Which sentinel refused us, and where its password is given; with it, the queue is found."""
    with watched(tmp_path, sentinel_password=SENTINELS_OWN) as servers:
        for url, hint in (
            (servers.url.partition("?")[0], "?sentinel_password="),
            (servers.url + "x", "check `sentinel_password` in `redis_url`"),
        ):
            hasty = Engine(open_store(url, timeout_s=1.0), "shop", patience_s=0.1)
            with pytest.raises(AuthenticationError) as refused:
                hasty.run_ids()
            assert refused.value.message.startswith(
                f"the sentinel at {servers.sentinels[0].address} refused us"
            )
            assert hint in refused.value.hint
            assert SENTINELS_OWN not in str(refused.value)

        with closing(Engine(open_store(servers.url, timeout_s=2.0), "shop")) as queue:
            assert queue.run_ids() == []


def test_one_sentinel_is_enough(servers: Watched, queue: Engine) -> None:
    """Those that are dead are passed over."""
    servers.sentinels[0].stop()
    servers.sentinels[1].stop()

    assert queue.run_ids() == []
