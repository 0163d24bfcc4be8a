"""What leaves Redis: events that an archive has, and runs that ended long ago."""

from swarm.engine.steering import Steering
from swarm.engine.stored import entry_of
from swarm.engine.words import text_of, words_of
from swarm.errors import UnknownRunError

KEPT_EVENTS = 1_000
"""So many of the newest events stay, for whoever follows or asks what just happened."""


class Retention(Steering):
    """Removes what is no longer needed from one project's keys."""

    def trim_events(self, archive: str, *, upto: str, keep: int = KEPT_EVENTS) -> bool:
        """Drop events up to the one `upto`, which `archive` has; False while another archive is in charge.

        Another one may take over when the first has not been heard of for an hour.
        """
        return words_of(self._caller.call("trim", archive, entry_of(upto), keep))[0] == "OK"

    def archived_to(self) -> str:
        """The last event that the archive in charge has said to have; empty before it said anything."""
        return text_of(self._one("HGET", self.keys.of("meta"), "archived_to"))

    def forget(self, run: str) -> bool:
        """Remove a run that has ended, with all its tasks; False when it has not ended, or is busy.

        Its id is free again: the same plan on the same base is the same run, and begins anew; what has
        landed is then found in git.

        Raises:
            UnknownRunError: there is no such run.
        """
        self._caller.drain_work()
        answer = words_of(self._caller.call("forget", run, self._caller.new_op()))
        if answer[0] == "UNKNOWN":
            raise UnknownRunError(f"no run {run!r}", hint="`swarm runs` lists them")
        if answer[0] == "MORE":
            self._caller.drain_work()
        return answer[0] == "MORE"
