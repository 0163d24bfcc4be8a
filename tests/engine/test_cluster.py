"""Redis Cluster of three real masters: a project is in one slot, and its calls follow the slot."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from many_servers import Cluster, Node, cluster, wait_for

from swarm.engine.claims import Claim, Finish, WorkerProfile
from swarm.engine.connect import open_store
from swarm.engine.engine import Engine
from swarm.engine.words import text_of, words_of
from swarm.errors import StoreMovedError, StoreUnreachableError
from swarm.states import RunState
from swarm.testing.checker import assert_sound
from swarm.testing.plans import BASE, make_plan, make_task

WORKER, PROJECT = WorkerProfile("worker-a"), "shop"
KEY = f"swarm:{{{PROJECT}}}:meta"


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three masters; the one of the project's slot has a replica."""
    with cluster(tmp_path_factory.mktemp("cluster"), key=KEY) as found:
        yield found


@pytest.fixture
def queue(nodes: Cluster) -> Iterator[Engine]:
    """An empty queue on the cluster."""
    for node in nodes.masters:
        if node.info("replication")["role"] == "master":
            node.tell("FLUSHALL")
    made = Engine(open_store(nodes.url, timeout_s=2.0), PROJECT, patience_s=30.0)
    yield made
    made.close()


def claim(queue: Engine, number: int = 0) -> Claim:
    """The next task."""
    found = queue.claim(WORKER, f"claim-{number}")
    assert found is not None
    return found


def test_a_run_is_done_on_a_cluster(nodes: Cluster, queue: Engine) -> None:
    """Submitting, locks, blocking waits, events, reads: all in the project's one slot."""
    plan = make_plan(make_task("a", files=["x.py"]), make_task("b", after=["a"], files=["x.py"]))
    run = queue.submit(plan, base=BASE)
    following = queue.end_and_claim(claim(queue), Finish(), WORKER, "claim-1")
    assert following is not None
    queue.wait(WORKER, timeout_s=0.05)
    queue.finish(following)

    assert queue.run(run).state is RunState.DONE
    assert queue.events(block_ms=10)[-1].kind == "run_ended"
    assert queue.check_server() != ()
    with closing(open_store(nodes.url)) as store:
        assert_sound(queue, store)


def test_functions_are_loaded_on_every_master(nodes: Cluster, queue: Engine) -> None:
    """Wherever the slot moves, its scripts are there already."""
    for node in nodes.masters:
        node.tell("FUNCTION", "FLUSH")

    queue.submit(make_plan("one"), base=BASE)

    assert all("swarm_" in str(node.tell("FUNCTION", "LIST")) for node in nodes.masters)


def test_a_slot_that_moves_is_followed(nodes: Cluster, queue: Engine) -> None:
    """MOVED under an open connection: the new node is asked, with the same op id."""
    assert queue.run_ids() == []
    owner = nodes.owner(KEY)
    other = next(node for node in nodes.masters if node is not owner)
    slot = owner.tell("CLUSTER", "KEYSLOT", KEY)
    assert isinstance(slot, int)
    queue.submit(make_plan("one"), base=BASE)
    held = claim(queue)

    try:
        move(slot, owner, other, nodes)
        queue.finish(held)
        assert queue.run(held.run).state is RunState.DONE
        assert text_of(other.tell("HGET", queue.keys.of("run", held.run), "state")) == "done"
    finally:
        move(slot, other, owner, nodes)


def move(slot: int, source: Node, target: Node, nodes: Cluster) -> None:
    """Move a slot with its keys, as `redis-cli --cluster reshard` does."""
    ours, theirs = (text_of(one.tell("CLUSTER", "MYID")) for one in (source, target))
    target.tell("CLUSTER", "SETSLOT", slot, "IMPORTING", ours)
    source.tell("CLUSTER", "SETSLOT", slot, "MIGRATING", theirs)
    if texts := words_of(source.tell("CLUSTER", "GETKEYSINSLOT", slot, 1_000)):
        source.tell("MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", *texts)
    for one in (target, source, *nodes.masters):
        one.tell("CLUSTER", "SETSLOT", slot, "NODE", theirs)


def test_a_plain_url_of_one_node_says_what_to_give_instead(nodes: Cluster) -> None:
    """At once, not after a patience that would change nothing."""
    owner = nodes.owner(KEY)
    other = next(node for node in nodes.masters if node is not owner)
    queue = Engine(open_store(f"redis://{other.address}"), PROJECT)

    with pytest.raises(StoreMovedError, match="MOVED") as raised:
        queue.run_ids()

    assert "redis+cluster://" in raised.value.help
    queue.close()


def test_a_killed_master_of_other_slots_changes_nothing(nodes: Cluster, queue: Engine) -> None:
    """One of the two nodes that the URL names is dead, and no key of ours was there."""
    owner = nodes.owner(KEY)
    other = next(node for node in nodes.masters if node is not owner)
    run = queue.submit(make_plan("one"), base=BASE)
    other.stop()
    try:
        queue.close()
        queue.finish(claim(queue))
        assert queue.run(run).state is RunState.DONE
    finally:
        other.start()
        wait_for(nodes.is_settled, "the cluster to be whole")


def test_a_run_goes_on_when_its_master_is_killed(nodes: Cluster, queue: Engine) -> None:
    """The replica is promoted, and its address is learnt from whoever is left."""
    run = queue.submit(make_plan("one", "two"), base=BASE)
    held, owner = claim(queue), nodes.owner(KEY)
    sent = owner.info("replication")["master_repl_offset"]
    wait_for(lambda: nodes.replica.info("replication")["slave_repl_offset"] >= sent, "replication")

    owner.stop()

    following = queue.end_and_claim(held, Finish(), WORKER, "claim-1")
    following = following or claim(queue, 1)
    queue.finish(following)
    assert queue.run(run).state is RunState.DONE
    assert nodes.replica.info("replication")["role"] == "master"


def test_a_cluster_that_is_away_is_an_outage() -> None:
    """Nobody listens on the ports that the URL names."""
    hasty = Engine(
        open_store("redis+cluster://127.0.0.1:1,127.0.0.1:2", timeout_s=0.5), PROJECT, patience_s=0.1
    )

    with pytest.raises(StoreUnreachableError, match="none of the cluster's nodes at"):
        hasty.run_ids()
