"""What was earned against what it cost: providers by the token, our engines by the hour, and what is not known."""

from apps.catalog.contracts import DeploymentCost, EngineUptime, ProviderPrice
from apps.portal.desk.margins import Margins, margins
from apps.usage.contracts import DeploymentUse

HAIKU = ProviderPrice(input=1_000_000_000, cached_input=100_000_000, output=5_000_000_000)
COSTS = {
    "moon-a": DeploymentCost(name="moon-a", provider_model="hosted_vllm/moon", is_own=True, price=None),
    "claude": DeploymentCost(name="claude", provider_model="anthropic/claude-haiku-4-5", is_own=False, price=HAIKU),
    "odd": DeploymentCost(name="odd", provider_model="openai/unheard-of", is_own=False, price=None),
}
UP = [EngineUptime(engine="http://engine:8000/v1", deployments=("moon-a",), seconds=5400)]


def use(deployment: str, *, tokens: int = 1_000_000, cost: int = 9_000_000_000) -> DeploymentUse:
    return DeploymentUse(
        deployment=deployment,
        requests=3,
        input_tokens=2 * tokens,
        cached_input_tokens=tokens,
        output_tokens=tokens,
        cost=cost,
    )


def found(*uses: DeploymentUse, gpu_hour: int | None = 2_000_000_000) -> Margins:
    return margins(uses, COSTS, UP, gpu_hour=gpu_hour)


def test_a_provider_costs_by_the_token() -> None:
    [row] = found(use("claude")).rows
    assert (row.cost, row.margin, row.why) == (6_100_000_000, 2_900_000_000, "")


def test_our_engines_cost_by_the_hour() -> None:
    told = found(use("moon-a"), use("claude"))
    assert (told.own_revenue, told.engine_cost, told.own_margin) == (9 * 10**9, 3 * 10**9, 6 * 10**9)
    assert (told.provider_revenue, told.provider_cost) == (9 * 10**9, 6_100_000_000)
    [engine] = told.engines
    assert (engine.hours, engine.cost, engine.serves) == ("1.5", 3 * 10**9, "moon-a")


def test_a_gpu_whose_price_nobody_said_has_no_margin() -> None:
    told = found(use("moon-a"), gpu_hour=None)
    assert (told.own_margin, told.engine_cost, told.engines[0].cost) == (None, None, None)
    assert margins([use("moon-a")], COSTS, [], gpu_hour=1).own_margin is None


def test_an_answer_that_went_on_elsewhere_costs_at_most_the_dearer_place() -> None:
    [row] = found(use("moon-a+claude")).rows
    assert row.cost == 6_100_000_000 and row.why.startswith("at most")


def test_what_is_not_known_is_said_and_in_no_sum() -> None:
    told = found(use("odd"), use("gone"), use("gone+claude"))
    assert [row.cost for row in told.rows] == [None, None, None]
    assert "no price of openai/unheard-of" in told.rows[0].why and "no longer" in told.rows[1].why
    assert (told.provider_revenue, told.unknown_revenue) == (0, 27 * 10**9)
