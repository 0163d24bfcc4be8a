"""What was spent on models."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Usage:
    """Tokens and money; `a + b` adds them up."""

    input_tokens: int = 0  # read in full, cache writes included
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cost_microusd: int = 0  # millionths of a US dollar: integers do not drift

    @property
    def is_priced(self) -> bool:
        """False: tokens were used and none of them has a price. True says that some have."""
        return self.cost_microusd > 0 or not (
            self.input_tokens or self.output_tokens or self.cache_read_tokens
        )

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cost_microusd + other.cost_microusd,
        )
