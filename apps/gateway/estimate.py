"""What a request can cost at most, and what it will probably use: the hold and the tokens reserved for it."""

from dataclasses import dataclass

from apps.catalog.contracts import Price
from apps.common.money import token_cost
from apps.gateway.contracts import Call, Tokens

BYTES_PER_TOKEN = 4  # of English text, for estimates
READ_ONLY_KINDS = ("embedding", "rerank")  # they generate no tokens
DOCUMENTS_PER_SEARCH = 100  # as Cohere counts them: https://docs.cohere.com/docs/how-does-cohere-pricing-work
TEMPLATE_TOKENS = 256  # what a chat template may add to the request's own bytes
USUAL_OUTPUT_TOKENS = 256  # reserved of the tokens a minute where the caller sets no limit


@dataclass(frozen=True, slots=True)
class Estimate:
    """Tokens and nano-dollars. `forwarded_limit` is the limit to send where the caller gave none; None: send none."""

    hold: int
    tokens: int
    prompt_tokens: int
    forwarded_limit: int | None


def estimate(call: Call, price: Price | None) -> Estimate:
    """An upper bound of the cost: a token is at least a byte, and prompt and answer share the context."""
    model = call.model
    prompt_bound = min(call.prompt_bytes + TEMPLATE_TOKENS, model.context_length)
    prompt_likely = call.prompt_bytes // BYTES_PER_TOKEN + 1
    if model.kind in READ_ONLY_KINDS:
        return Estimate(_hold(call, price, call.prompt_bytes, 0), prompt_likely, prompt_likely, None)
    prompt_likely = min(prompt_likely, model.context_length * call.choices)
    if call.output_limit is not None:
        output, forwarded = min(call.output_limit, model.context_length), None
        likely = output
    elif model.context_length - prompt_bound >= model.max_output_tokens:
        output = forwarded = model.max_output_tokens
        likely = min(output, USUAL_OUTPUT_TOKENS)
    else:  # the engine itself stops at the end of the context
        output, forwarded = model.context_length, None
        likely = USUAL_OUTPUT_TOKENS
    hold = _hold(call, price, prompt_bound * call.choices, output * call.choices)
    return Estimate(hold, prompt_likely + likely * call.choices, prompt_likely, forwarded)


def _hold(call: Call, price: Price | None, prompt_tokens: int, output_tokens: int) -> int:
    if price is None:
        return 0
    whole = token_cost(
        (prompt_tokens, max(price.input, price.cached_input)), (output_tokens, max(price.output, price.of_reasoning))
    )
    return charged(call, whole + searches(call) * price.search)


def searches(call: Call) -> int:
    """What a reranking is counted in: a query with up to a hundred documents."""
    return -(-len(call.payload["documents"]) // DOCUMENTS_PER_SEARCH) if call.endpoint == "rerank" else 0


def charged(call: Call, nano: int) -> int:
    """What a call pays of its cost: all, half in a batch (rounded up, which is as good as rounding once)."""
    if call.prepaid:
        return 0
    return -(-nano // 2) if call.service_tier == "batch" else nano


def cost(price: Price | None, tokens: Tokens, searches: int = 0) -> int:
    """Nano-dollars. Cached tokens are part of the input, thoughts of the output; both have their own price."""
    if price is None:
        return 0
    return searches * price.search + token_cost(
        (tokens.input - tokens.cached_input, price.input),
        (tokens.cached_input, price.cached_input),
        (tokens.output - tokens.reasoning, price.output),
        (tokens.reasoning, price.of_reasoning),
    )
