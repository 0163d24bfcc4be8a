"""Containers of agents on a real engine: what they can do, what they cannot, and how they end."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from textwrap import dedent

import pytest
from container_shell import Launch
from docker import DockerClient
from real_docker import FAST_IMAGE, labelled
from real_swarm import wait_for

from swarm.errors import LimitReachedError
from swarm.fleet.docker import AGENT_UID
from swarm.fleet.docker_engine import sweep
from swarm.fleet.resources import available
from swarm.sandbox.protocol import Sandbox, SandboxEndedError

pytestmark = pytest.mark.docker
LIMIT_S = 20.0
ALLOWED_NAMES = {"PATH", "HOME", "HOSTNAME", "LANG", "CI", "NO_COLOR", "PYTHONDONTWRITEBYTECODE", "PWD"}


def shell(sandbox: Sandbox, line: str) -> str:
    """The output of one line of sh in the container."""
    return sandbox.run(["sh", "-c", line], timeout_s=LIMIT_S).output.strip()


def test_an_agent_works_on_the_tree_and_the_trusted_side_reads_it(launch: Launch, tree: Path) -> None:
    """Files go in and out through the mounted tree, by commands and by file tools."""
    sandbox = launch()

    finished = sandbox.run(["sh", "-c", "cat README.md; echo made > made.txt"], timeout_s=LIMIT_S)
    sandbox.call("write_file", {"path": "sub/tool.txt", "content": "by tool"})

    assert (finished.exit_code, finished.output) == (0, "a workspace\n")
    assert (tree / "made.txt").read_text() == "made\n"
    assert (tree / "sub" / "tool.txt").read_text() == "by tool"


def test_a_path_of_the_tree_in_the_environment_leads_to_the_tree(launch: Launch, tree: Path) -> None:
    """What a command writes to a path that it was told is where the trusted side looks for it."""
    finished = launch().run(
        ["sh", "-c", 'cd / && echo wish > "$WISH"'], timeout_s=LIMIT_S, env={"WISH": str(tree / "wish.txt")}
    )

    assert finished.exit_code == 0
    assert (tree / "wish.txt").read_text() == "wish\n"


def test_an_agent_is_nobody_special(launch: Launch) -> None:
    """It is not root, has no capability, and can gain none."""
    sandbox = launch()

    uid = shell(sandbox, "id -u")
    status = shell(sandbox, "cat /proc/self/status")

    assert uid == str(AGENT_UID if os.geteuid() == 0 else os.geteuid())
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {lines[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert lines["NoNewPrivs"] == "1"


def test_only_the_tree_and_scratch_folders_can_be_written(launch: Launch) -> None:
    """The image and swarm's own code are read-only; /tmp and HOME are there to work in."""
    sandbox = launch()

    refused = shell(sandbox, "for d in / /etc /opt/swarm-sandbox; do touch $d/x 2>/dev/null || echo $d; done")
    allowed = shell(sandbox, "for d in /tmp $HOME /workspace; do touch $d/x && echo $d; done")

    assert refused.split() == ["/", "/etc", "/opt/swarm-sandbox"]
    assert allowed.split() == ["/tmp", "/home/agent", "/workspace"]


def test_builds_can_run_what_they_put_into_scratch_folders(launch: Launch) -> None:
    """Compilers and test runners do that; what they put there cannot raise privileges."""
    sandbox = launch()

    ran = shell(
        sandbox, "for d in /tmp $HOME; do printf '#!/bin/sh\\necho ran' > $d/x; chmod +x $d/x; $d/x; done"
    )
    options = shell(sandbox, "grep -E ' (/tmp|/home/agent) ' /proc/mounts | cut -d' ' -f4")

    assert ran.split() == ["ran", "ran"]
    assert all("nosuid" in line.split(",") for line in options.splitlines())


def test_an_agent_has_no_network(launch: Launch) -> None:
    """There is no interface but loopback, so not even the host's own bridge answers."""
    sandbox = launch()

    interfaces = shell(sandbox, "tail -n +3 /proc/net/dev | cut -d: -f1")
    program = "import socket; socket.create_connection(('172.17.0.1', 80), timeout=3)"
    attempt = sandbox.run(["python3", "-c", program], timeout_s=LIMIT_S)

    assert interfaces == "lo"
    assert "Network is unreachable" in attempt.output


def test_no_variable_of_ours_reaches_the_container(launch: Launch) -> None:
    """Only a fixed list of names is set, in every process that the agent can look at."""
    sandbox = launch()

    seen = shell(sandbox, "env; cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'")

    names = {line.split("=", 1)[0] for line in seen.splitlines()} - {"_"}
    assert names <= ALLOWED_NAMES


def test_variables_that_describe_our_machine_do_not_replace_the_images(launch: Launch) -> None:
    """A gate's own variables arrive; our PATH and HOME would lead nowhere."""
    sandbox = launch()

    finished = sandbox.run(
        ["sh", "-c", "echo $PATH $HOME $WANTED"],
        timeout_s=LIMIT_S,
        env={"PATH": "/nowhere", "HOME": "/nowhere", "WANTED": "yes"},
    )

    assert finished.output.strip().endswith("/home/agent yes")
    assert "/nowhere" not in finished.output


def test_a_command_over_its_memory_ends_with_the_reason(launch: Launch) -> None:
    """The allocator dies, the result says why, and the sandbox serves the next command."""
    sandbox = launch(memory_mb=64)

    finished = sandbox.run(["python3", "-c", "bytearray(200 << 20)"], timeout_s=LIMIT_S)
    after = shell(sandbox, "echo still here")

    assert finished.ran_out_of_memory
    assert finished.exit_code != 0
    assert finished.reason == "exceeded its memory limit of 64 MiB"
    assert after == "still here"


def test_a_tool_host_over_its_memory_ends_with_the_reason(launch: Launch) -> None:
    """When the whole container dies of it, the ending says so."""
    sandbox = launch(memory_mb=40)

    with pytest.raises(SandboxEndedError, match="exceeded its memory limit of 40 MiB"):
        sandbox.call("write_file", {"path": "big", "content": "x" * 15_000_000})

    ending = sandbox.ending()
    assert ending is not None
    assert ending.ran_out_of_memory


def test_processes_are_limited(launch: Launch) -> None:
    """A fork bomb runs into the limit, and is gone with its command."""
    sandbox = launch(pids=24)
    program = """
        import subprocess
        try:
            for count in range(100):
                subprocess.Popen(["sleep", "60"])
        except BlockingIOError:
            print("stopped at", count)
    """

    bomb = sandbox.run(["python3", "-c", dedent(program)], timeout_s=LIMIT_S)
    after = shell(sandbox, "echo still here")

    assert "stopped at" in bomb.output
    assert after == "still here"


def test_a_container_is_started_with_every_hardening_flag(
    launch: Launch, docker_engine: DockerClient, project: str
) -> None:
    """What cannot be seen from inside is held against the engine's own record."""
    launch(memory_mb=128, pids=64)

    (name,) = labelled(docker_engine, project=project, attempt="r1/build/1", run="r1")
    host = docker_engine.containers.get(name).attrs["HostConfig"]

    assert host["Memory"] == host["MemorySwap"] == 128 * 1024 * 1024
    assert (host["NanoCpus"], host["PidsLimit"], host["Init"]) == (1_000_000_000, 64, True)
    assert (host["CapDrop"], host["CapAdd"], host["Privileged"]) == (["ALL"], None, False)
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert (host["ReadonlyRootfs"], host["NetworkMode"]) == (True, "none")
    assert host["LogConfig"]["Type"] == "local"
    assert [(u["Name"], u["Soft"], u["Hard"]) for u in host["Ulimits"]] == [("nofile", 4096, 4096)]
    assert all("nosuid" in options and "size=512m" in options for options in host["Tmpfs"].values())
    writable = [mount["Target"] for mount in host["Mounts"] if not mount.get("ReadOnly")]
    assert writable == ["/workspace"]


def test_a_container_killed_in_the_middle_ends_the_call(
    launch: Launch, docker_engine: DockerClient, project: str
) -> None:
    """The caller hears at once, and is told that it was nobody here."""
    sandbox = launch()
    (name,) = labelled(docker_engine, project=project)
    killer = threading.Timer(0.5, docker_engine.containers.get(name).kill)
    killer.start()

    with pytest.raises(SandboxEndedError, match="killed from outside"):
        sandbox.run(["sleep", "60"], timeout_s=LIMIT_S)

    killer.join()


def test_a_container_removed_in_the_middle_ends_the_call(
    launch: Launch, docker_engine: DockerClient, project: str
) -> None:
    """Somebody's `docker rm -f` is an ending like any other."""
    sandbox = launch()
    (name,) = labelled(docker_engine, project=project)
    remover = threading.Timer(0.5, lambda: docker_engine.containers.get(name).remove(force=True))
    remover.start()

    with pytest.raises(SandboxEndedError):
        sandbox.run(["sleep", "60"], timeout_s=LIMIT_S)

    remover.join()


def test_kill_ends_a_running_command_from_another_thread(launch: Launch) -> None:
    """A worker that lost its lease stops its agent in the middle of a command."""
    sandbox = launch()
    killer = threading.Timer(0.5, sandbox.kill)
    killer.start()

    with pytest.raises(SandboxEndedError, match="it was ended"):
        sandbox.run(["sleep", "60"], timeout_s=LIMIT_S)

    killer.join()
    ending = sandbox.ending()
    assert ending is not None
    assert not ending.ran_out_of_memory


def test_closing_removes_the_container(launch: Launch, docker_engine: DockerClient, project: str) -> None:
    """Nothing is left, and closing again is allowed."""
    sandbox = launch()
    running = labelled(docker_engine, project=project)

    sandbox.close()
    sandbox.close()

    assert len(running) == 1
    assert labelled(docker_engine, project=project) == []


def test_the_container_of_a_killed_worker_stops_and_is_swept(
    docker_engine: DockerClient, project: str, tree: Path
) -> None:
    """A worker gets kill -9: its agent ends by itself, and the next sweep removes what is left."""
    program = f"""
        import sys
        from pathlib import Path
        from swarm.fleet.docker import DockerLauncher

        launcher = DockerLauncher(image={FAST_IMAGE!r}, memory_mb=64, cpus=1, pids=64,
            labels={{"swarm.project": {project!r}}}, read_only={{"/usr": Path("/usr")}})
        sandbox = launcher.open(Path({str(tree)!r}), labels={{}})
        print("open", flush=True)
        sandbox.run(["sleep", "600"], timeout_s=600)
    """
    worker = subprocess.Popen([sys.executable, "-c", dedent(program)], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"open\n"
    (name,) = labelled(docker_engine, project=project)

    spared = sweep(project)
    worker.kill()
    worker.wait()
    worker.stdout.close()
    wait_for(lambda: docker_engine.containers.get(name).status == "exited", "the orphaned container to stop")
    swept = sweep(project)

    assert spared == []
    assert swept == [name]
    assert labelled(docker_engine, project=project) == []


def test_a_container_waits_for_room_and_then_gives_up(launch: Launch) -> None:
    """What running containers may still grow to is not promised twice."""
    most_mb = int(available().usable_mb * 0.9)
    launch(memory_mb=most_mb)

    with pytest.raises(LimitReachedError, match=f"no room for a container of {most_mb} MiB in 0.2 s"):
        launch(memory_mb=most_mb, room_wait_s=0.2)


def test_a_hard_link_does_not_carry_the_handover_out_of_the_tree(launch: Launch, tree: Path) -> None:
    """A file with a second name elsewhere keeps its owner; everything else becomes the agent's."""
    outside = tree.parent / "outside.txt"
    outside.write_text("shared")
    os.link(outside, tree / "linked.txt")

    sandbox = launch()

    assert outside.stat().st_uid == os.geteuid()
    assert shell(sandbox, "stat -c %u README.md") == shell(sandbox, "id -u")
