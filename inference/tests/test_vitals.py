"""An engine that makes no progress, by looks at what it counts."""

from inference.fake.control import FakeServer
from inference.liveness import MakesProgress
from inference.vitals import SLOW_SECONDS, STUCK_SECONDS, Vitals, observed

EVERY = 10.0


class Engine:
    """Looked at every ten seconds, at `speed` tokens a second for each of `running` requests."""

    def __init__(self) -> None:
        self.vitals: Vitals | None = None
        self.at, self.output = 1000.0, 500

    def goes_on(self, seconds: float, *, running: int = 4, speed: float = 10.0) -> str:
        for _ in range(int(seconds / EVERY)):
            self.at += EVERY
            self.output += int(speed * running * EVERY)
            self.vitals = observed(self.vitals, at=self.at, running=running, output=self.output)
        assert self.vitals is not None
        return self.vitals.complaint


def test_one_that_works_is_well() -> None:
    assert Engine().goes_on(3600) == ""


def test_one_without_requests_is_well() -> None:
    engine = Engine()
    engine.goes_on(300)
    assert engine.goes_on(3600, running=0, speed=0) == ""


def test_one_that_makes_no_token_while_requests_run_is_not() -> None:
    engine = Engine()
    engine.goes_on(30)
    assert engine.goes_on(STUCK_SECONDS - EVERY, speed=0) == ""
    assert "No token in 60 s while 4 requests run" in engine.goes_on(EVERY, speed=0)
    assert engine.goes_on(EVERY) == "", "one token, and it is forgiven"


def test_one_that_falls_far_behind_its_usual_speed_is_not() -> None:
    engine = Engine()
    engine.goes_on(600)
    assert engine.goes_on(600, speed=4, running=16) == "", "with more at once each is slower"
    assert engine.goes_on(SLOW_SECONDS - EVERY, speed=0.5) == ""
    assert "less than 15% of its usual speed" in engine.goes_on(EVERY, speed=0.5)


def test_what_is_usual_is_learnt_first() -> None:
    engine = Engine()
    engine.goes_on(20)
    assert engine.goes_on(600, speed=0.5) == ""


def test_a_restart_is_a_new_engine() -> None:
    engine = Engine()
    engine.goes_on(600)
    engine.goes_on(50, speed=0)
    engine.output = 0
    assert engine.goes_on(50, speed=0) == ""


async def test_the_supervisors_probe(fake: FakeServer) -> None:
    progress = MakesProgress(fake.base_url, None, stuck_seconds=0)
    fake.set_metrics(num_requests_running=2, generation_tokens_total=10)
    assert await progress()
    fake.set_metrics(num_requests_running=2, generation_tokens_total=11)
    assert await progress()
    assert not await progress(), "no token since, and requests run"
    assert await progress(), "of the next process nothing is known"


async def test_an_engine_that_tells_nothing_is_not_well_either() -> None:
    with FakeServer() as engine:
        progress = MakesProgress(engine.base_url, None, silent_seconds=0)
        assert await progress()
        engine.kill()
        assert not await progress()
