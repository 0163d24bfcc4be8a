"""How many attempts go into a train: as many as let about half of all trains pass at once."""

MOST = 64
"""Of the longest train; what one script of the engine takes up in a few milliseconds."""
_SHARE_OF_RED = 0.69
"""ln 2: with so many bad attempts expected in it, a train is as likely green as red: its gates tell most."""
_DOUBT = (0.5, 4.0)
"""What is believed before anything was judged: half a bad attempt among four."""
_MEMORY = 256
"""When so many were judged, the past counts half."""


class TrainSize:
    """Adapts to the share of attempts that failed lately."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._bad, self._judged = _DOUBT

    def now(self) -> int:
        """How long the next train may be."""
        return max(1, min(self.most, int(_SHARE_OF_RED * self._judged / self._bad)))

    def after(self, judged: int) -> int:
        """How long the one after that may be, if so many are judged now and none is bad."""
        other = TrainSize(self.most)
        other._bad, other._judged = self._bad, self._judged
        other.learn(judged, 0)
        return other.now()

    def learn(self, judged: int, bad: int) -> None:
        """So many were judged, and so many of them turned their train red."""
        self._judged += judged
        self._bad += bad
        if self._judged > _MEMORY:
            self._judged, self._bad = self._judged / 2, max(self._bad / 2, _DOUBT[0])
