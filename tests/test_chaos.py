"""Killed at a random moment, run twice at once, on a full disk, without the right to write: a command that is called
again leaves what an undisturbed run leaves. ``make chaos`` tries more moments."""

import sys

import pytest
from laboratory import COMMANDS, Laboratory, may_mount

# A busy machine takes its time
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900),
              pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9 and no fork")]
# Other moments than those of `make chaos`, the same in every run
KILLS, PAIR, DISK = (1001, 1002, 1003), 0, 1001
SINGLE = [command for command in COMMANDS if command.twins == 1]


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    with Laboratory(tmp_path_factory.mktemp("a blank") / "chaos") as laboratory:
        yield laboratory


@pytest.fixture
def disk(laboratory):
    """The laboratory, where disks can be mounted."""
    if not may_mount(laboratory.folder):
        pytest.skip("a disk that is full, or cannot be written, can be mounted by root alone")
    return laboratory


def by_command(commands):
    return pytest.mark.parametrize("command", commands, ids=lambda command: command.name)


def problems(*trials) -> list[str]:
    return [f"{trial.command}, {trial.kind} at {trial.moment:.0%}: {problem}" for trial in trials
            for problem in trial.problems]


@by_command(COMMANDS)
def test_a_command_that_is_killed_and_called_again_ends_as_undisturbed(laboratory, command):
    kills = [laboratory.kill(command, number) for number in KILLS]
    assert any(trial.hit for trial in kills), "no kill came before the command was over"
    assert not problems(*kills)


@by_command(SINGLE)
def test_a_command_that_runs_twice_at_once_leaves_what_it_leaves_once(laboratory, command):
    assert not problems(laboratory.pair(command, PAIR))


@by_command(SINGLE)
def test_a_full_disk_is_said_in_one_line_and_with_room_the_command_ends_as_undisturbed(disk, command):
    trial = disk.full(command, DISK)
    assert trial.hit and not problems(trial)


@by_command(SINGLE)
def test_folders_that_cannot_be_written_are_said_in_one_line_and_cost_nothing(disk, command):
    trial = disk.read_only(command, 0)
    assert trial.hit and not problems(trial)
