"""What tokens cost, from the price data that genai-prices ships; nothing is fetched."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

_PROVIDER = "anthropic"


@dataclass(frozen=True)
class Price:
    """Money for one call; 0 and `is_known` False when nobody has a price for the model."""

    microusd: int
    is_known: bool


def price_of(
    model: str,
    *,
    input_tokens: int,
    output_tokens: int,
    cache_read_tokens: int = 0,
    cache_write_tokens: int = 0,
) -> Price:
    """The cost of one call. `input_tokens` are those neither read from nor written to the cache."""
    # The price data takes a third of a second to import: only processes that call a model pay for it.
    from genai_prices import Usage, calc_price  # noqa: PLC0415

    usage = Usage(
        input_tokens=input_tokens + cache_read_tokens + cache_write_tokens,
        output_tokens=output_tokens,
        cache_read_tokens=cache_read_tokens,
        cache_write_tokens=cache_write_tokens,
    )
    try:
        total = calc_price(usage, model, provider_id=_PROVIDER).total_price
    except LookupError:
        return Price(0, is_known=False)
    return Price(int((Decimal(total) * 1_000_000).to_integral_value(ROUND_HALF_UP)), is_known=True)
