"""What workers and supervisors have in common when they start."""

from swarm import crashpoints
from swarm.fleet.server import make_home
from swarm.logs import log_to_stderr
from swarm.sandbox.processes import hide_from_own_user, leave_pid_1
from swarm.settings import Settings


def become_daemon(settings: Settings) -> None:
    """Make this process one that runs unattended: it logs JSON lines, and no agent can look into it.

    Call it before any thread or child is started: as process 1 of a container it forks, and goes on
    in the child.
    """
    leave_pid_1()
    crashpoints.arm(settings.crash)
    log_to_stderr()
    hide_from_own_user()
    make_home(settings.home)
