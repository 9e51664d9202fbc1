from __future__ import annotations

import pytest

from ephemeral_castle.errors import Unreachable
from ephemeral_castle.spi.world import Result
from ephemeral_castle.world.transport import PrefixTransport
from tests.unit.world.scripted import ScriptedExec

ALIVE = ["podman", "inspect", "m1"]


def transport(result: Result, alive: Result | None) -> tuple[PrefixTransport, ScriptedExec]:
    def answer(argv: list[str]) -> Result:
        if argv == ALIVE:
            assert alive is not None, "an unambiguous status must not be looked into"
            return alive
        return result

    exec_ = ScriptedExec(answer)
    return PrefixTransport(exec_, ["podman", "exec", "-i", "m1"], where="m1", alive=ALIVE if alive else ()), exec_


RUNS = Result(0, "true\n", "")
STOPPED = Result(0, "false\n", "")
GONE = Result(125, "", "Error: no such container m1")


async def test_puts_the_prefix_before_the_command():
    way, exec_ = transport(Result(0, "x", ""), None)
    assert (await way.run(["cat", "/a b"])).out == "x"
    assert exec_.calls == [["podman", "exec", "-i", "m1", "cat", "/a b"]]


async def test_ordinary_failures_are_results():
    way, exec_ = transport(Result(2, "", "psql: error"), RUNS)
    assert (await way.run(["psql"])).code == 2
    assert len(exec_.calls) == 1


@pytest.mark.parametrize("code", [125, 126, 127, 137, 255])
async def test_a_failing_podman_inside_a_living_machine_is_a_result(code):
    inner = Result(code, "", 'Error: no container with name or ID "pg" found: no such container')
    way, _ = transport(inner, RUNS)
    assert await way.run(["podman", "exec", "pg", "true"]) == inner


@pytest.mark.parametrize("code", [125, 126, 127, 137, 255])
@pytest.mark.parametrize("alive", [STOPPED, GONE])
async def test_the_same_answer_of_a_dead_machine_is_unreachable(code, alive):
    said = "Error: can only create exec sessions on running containers: container state improper"
    way, _ = transport(Result(code, "", said), alive)
    with pytest.raises(Unreachable) as caught:
        await way.run(["true"])
    assert caught.value.where == "m1"
    assert "state improper" in caught.value.why


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("Error: container state improper", "it does not run (Error: container state improper)"),
        ("", "it does not run"),
    ],
)
async def test_a_machine_that_stopped_is_said_to_be_stopped(said, why):
    """What the command said last was all that a person read: not that the machine had ended under it."""
    way, _ = transport(Result(137, "", said), STOPPED)
    with pytest.raises(Unreachable) as caught:
        await way.run(["true"])
    assert caught.value.why == why


async def test_killed_with_the_machine_without_a_word():
    way, _ = transport(Result(137, "", ""), GONE)
    with pytest.raises(Unreachable) as caught:
        await way.run(["sleep", "9"])
    assert "no such container" in caught.value.why


async def test_without_a_probe_podmans_own_error_decides():
    way, _ = transport(Result(125, "", "Error: no such container"), None)
    with pytest.raises(Unreachable):
        await way.run(["true"])
    way, _ = transport(Result(127, "", "sh: 1: foo: not found"), None)
    assert (await way.run(["foo"])).code == 127
