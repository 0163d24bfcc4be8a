"""What tokens cost, from the price data that genai-prices ships; nothing is fetched."""

from decimal import ROUND_HALF_UP, Decimal

_PROVIDER = "anthropic"


def price_of(
    model: str,
    *,
    input_tokens: int,
    output_tokens: int,
    cache_read_tokens: int = 0,
    cache_write_tokens: int = 0,
) -> int | None:
    """Millionths of a US dollar for one call; None when nobody has a price for the model.

    `input_tokens` are those neither read from nor written to the cache.
    """
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
        return None
    return int((Decimal(total) * 1_000_000).to_integral_value(ROUND_HALF_UP))
