"""Hidden agenda against its published numbers, and meetings and goals as the engine has them."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from playing import EAST, NORTH, SOUTH, Play, copies, deviation, only, step

from softsim.envs import Act, Beam, Game, Goal, Meeting, Rule, compile_games
from softsim.envs.checker import MANY
from softsim.envs.games.hidden_agenda import GAMES, hidden_agenda
from softsim.envs.meeting import FOREVER
from softsim.envs.vocabulary import ITEMS
from softsim.types import UserError

HALL = """
####################
#mmmmm#............#
#######............#
#sssss#gG..........#
#..................#
#..................#
#..................#
#..................#
#..................#
####################
"""
MEETING = {(1, column) for column in range(1, 6)}
START = {(3, column) for column in range(1, 6)}
IMPOSTOR = 4
LOOKING_AWAY = [(4, column, NORTH) for column in range(1, 6)]


def hall(**changes) -> Game:
    """The game on a small map on which nothing grows."""
    return dataclasses.replace(hidden_agenda(), map=HALL, growth=(), **changes)


def play_at(**spots: tuple[int, int, int]) -> Play:
    """Put `a0` to `a4` where they are told, and the others at the left, with their backs to the hall."""
    return Play(hall(), *(spots.get(f"a{agent}", LOOKING_AWAY[agent]) for agent in range(5)))


def ballot(**votes: int) -> list[str]:
    """The actions with which `a0` to `a4` vote against slots, or do nothing."""
    actions = ["noop"] * 5
    for name, against in votes.items():
        own = int(name[1])
        actions[own] = f"vote_{(against - own) % 5 + 1}"
    return actions


def called() -> Play:
    """The first meeting has just begun."""
    return play_at().have(step=199).wait(1)


# ---- Constants ---------------------------------------------------------------------------------------------


def test_constants():
    game = hidden_agenda()
    assert GAMES["hidden_agenda"] is hidden_agenda
    world, params = only(game)
    assert (world.spec.height, world.spec.width, world.num_agents, world.num_actions) == (22, 33, 5, 14)
    votes = ("vote_1", "vote_2", "vote_3", "vote_4", "vote_5", "abstain")
    assert world.action_names[7:] == ("tag", *votes)
    assert params.beams.votes.tolist() == [False] + [True] * 6
    assert params.role.tolist() == [0, 0, 0, 0, 1]
    assert not params.sight.show_role
    assert params.show_identity
    beam = params.beams
    assert [int(column[0]) for column in (beam.length, beam.half_width, beam.cooldown)] == [2, 2, 50]
    assert int(beam.freezes_for[0]) == MANY
    assert MANY - int(params.horizon.maximum) >= FOREVER
    assert (int(beam.shooters[0]), beam.targets[0].tolist()) == (0b10, [0b01, 0b01])
    assert beam.length[1:].tolist() == [0] * 6
    meeting = params.meeting
    assert [int(number) for number in (meeting.period, meeting.length, meeting.alarm)] == [200, 25, 0]
    assert meeting.quorum == 0.5
    goals = params.goals
    assert goals.role.tolist() == [-1, 1, 0]
    assert goals.bound.tolist() == [32, 0, 1]
    assert goals.reward.tolist() == [[1, -1], [1, -1], [-1, 1]]
    np.testing.assert_array_equal(params.growth.rate, np.float32([[0.001] * 4]))
    assert (int(params.horizon.maximum), float(params.horizon.rate)) == (3000, 0.0)
    assert all([game.family, game.dilemma, game.question.endswith("?")])


def test_map():
    world, params = only(hidden_agenda())
    layout = params.layout
    cell, site = np.asarray(layout.cell), np.asarray(layout.site)
    gems = np.argwhere(site > 0)
    assert len(gems) == 42
    assert (cell[site > 0] == ITEMS.index("gem")).all()
    corners = {(row > 10, column > 16) for row, column in gems}
    assert len(corners) == 4
    assert ((gems[:, 0] < 7) | (gems[:, 0] > 14)).all()
    assert ((gems[:, 1] < 9) | (gems[:, 1] > 23)).all()
    grate = np.argwhere(cell == ITEMS.index("grate"))
    assert (abs(grate - [10.5, 16]) <= [0.5, 1]).all()
    open_ = cell != ITEMS.index("wall")
    spawn = np.asarray(layout.spawn)
    width = world.spec.width

    def reach(start):
        reached, border = {start}, [start]
        while border:
            here = border.pop()
            for near in (here - 1, here + 1, here - width, here + width):
                if open_.reshape(-1)[near] and near not in reached:
                    reached.add(near)
                    border.append(near)
        return reached

    ship = reach(int(spawn[layout.start_mask][0]))
    room = reach(int(spawn[layout.meeting_mask][0]))
    assert not ship & room
    assert len(ship) + len(room) == open_.sum()
    assert set(spawn[layout.start_mask].tolist()) <= ship
    assert set(spawn[layout.meeting_mask].tolist()) <= room


# ---- Gems --------------------------------------------------------------------------------------------------


def test_one_gem_is_carried_at_a_time_and_deposits_count():
    play = play_at(a0=(4, 7, NORTH))
    play.step("forward")
    assert (play.item(3, 7), int(play.state.hand[0])) == ("floor", 1)
    play.put("gem", (3, 7)).step("backward").step("forward")
    assert play.item(3, 7) == "gem"
    play.step("step_right")
    assert play.where(0) == (3, 8)
    assert play.state.progress.tolist() == [1]
    assert play.state.hand.tolist() == [0] * 5
    assert play.count("deposited") == [1, 0, 0, 0, 0]
    play.step("step_right").step("step_left")
    assert play.state.progress.tolist() == [1]
    assert play.payoff() == [0] * 5


@pytest.mark.parametrize(("before", "won"), [(30, False), (31, True)])
def test_the_32nd_gem_wins_the_game_for_the_crew(before, won):
    play = play_at(a0=(4, 8, NORTH)).have(progress=[before], hand=[1, 0, 0, 0, 0]).step("forward")
    assert play.payoff() == ([1, 1, 1, 1, -1] if won else [0] * 5)
    assert bool(play.seen.last) == won
    assert play.seen.discount.tolist() == [0.0 if won else 1.0] * 5
    assert play.count("gems_done") == [int(won)] * 5


@pytest.mark.slow
def test_gems_come_back_at_their_rate():
    world, params = only(hidden_agenda())
    count = 2_000
    state = copies(world, params, count)
    cell = np.where(np.asarray(params.layout.site) > 0, 0, np.asarray(params.layout.cell)).astype(np.uint8)
    state = dataclasses.replace(state, cell=np.tile(cell, (count, 1, 1)))
    after, _ = step(world, jax.random.key(0), params, state)
    assert abs(deviation((after.cell == ITEMS.index("gem")).sum(), count * 42, 0.001)) < 4


# ---- Tags --------------------------------------------------------------------------------------------------

SCENE = {"a4": (8, 16, NORTH), "a0": (7, 16, SOUTH)}  # far from the others, who look the other way


def tag(play: Play) -> Play:
    return play.step("noop", "noop", "noop", "noop", "tag")


def test_the_tagged_are_out_for_good_and_only_the_impostor_tags():
    play = play_at(**SCENE).wait(1)
    assert [play.able(agent, "tag") for agent in range(5)] == [False] * 4 + [True]
    tag(play)
    assert play.count("tagged") == [0, 0, 0, 0, 1]
    assert play.state.frozen[0] >= FOREVER
    assert play.away() == [False] * 5
    assert play.payoff() == [0] * 5
    assert not play.seen.last
    play.have(step=2999).step("forward")
    assert play.where(0) == (7, 16)
    assert not any(play.can(0)[1:])
    assert play.state.frozen[0] >= FOREVER


def test_a_tag_is_ready_again_after_50_steps():
    play = tag(play_at(**SCENE))
    waited = 1
    while not play.able(IMPOSTOR, "tag"):
        play.wait(1)
        waited += 1
    assert waited == 50


@pytest.mark.parametrize(
    ("spot", "hit"),
    [((6, 16), True), ((7, 15), True), ((8, 14), True), ((8, 18), True), ((5, 16), False), ((6, 15), False)],
)
def test_the_tag_is_two_long_and_two_wide(spot, hit):
    play = tag(play_at(**SCENE | {"a0": (*spot, SOUTH)}))
    assert (play.state.frozen[0] > 0) == hit


@pytest.mark.parametrize(("tagged", "over"), [(2, False), (3, True)])
def test_one_crewmate_left_is_one_too_few(tagged, over):
    spots = {"a0": (7, 16, SOUTH), "a1": (8, 15, NORTH), "a2": (8, 17, NORTH), "a3": (4, 1, NORTH)}
    if tagged == 2:
        spots["a2"] = (4, 2, NORTH)
    play = tag(play_at(a4=(8, 16, NORTH), **spots))
    assert play.count("tagged") == [0, 0, 0, 0, tagged]
    assert play.payoff() == ([-1, -1, -1, -1, 1] if over else [0] * 5)
    assert bool(play.seen.last) == over
    assert play.count("crew_out") == [int(over)] * 5


@pytest.mark.parametrize(
    ("change", "meets"),
    [
        ({}, False),  # nobody sees it
        ({"a1": (5, 13, EAST)}, True),  # a witness who sees the impostor
        ({"a1": (5, 13, NORTH)}, False),  # but not one who looks away
        ({"a1": (8, 17, NORTH), "a2": (4, 1, NORTH)}, False),  # nor one who is tagged as well
        ({"a0": (5, 16, SOUTH), "a1": (5, 13, EAST)}, False),  # a miss is no alarm
    ],
)
def test_a_tag_that_somebody_sees_calls_a_meeting(change, meets):
    play = tag(play_at(**SCENE | change))
    assert play.state.meeting.tolist() == [25 if meets else 0]
    assert (play.where(IMPOSTOR) in MEETING) == meets


def test_hitting_one_who_is_out_already_is_no_alarm():
    play = play_at(**SCENE | {"a1": (5, 13, EAST)}).have(frozen=[MANY, 0, 0, 0, 0])
    assert tag(play).state.meeting.tolist() == [0]


# ---- Meetings ----------------------------------------------------------------------------------------------


def test_a_meeting_is_called_every_200_steps_lasts_25_and_sends_all_back():
    play = play_at().have(step=198).wait(1)
    assert play.state.meeting.tolist() == [0]
    play.wait(1)
    assert {play.where(agent) for agent in range(5)} == MEETING
    lasted = 0
    while play.where(0) in MEETING:
        assert play.able(0, "vote_1")
        assert play.able(0, "abstain")
        assert not play.able(IMPOSTOR, "tag")
        play.wait(1)
        lasted += 1
    assert lasted == 25
    assert {play.where(agent) for agent in range(5)} == START
    assert play.state.step == 225
    assert not any(play.able(0, f"vote_{k}") for k in range(1, 6))
    assert play.able(IMPOSTOR, "tag")
    assert play.away() == [False] * 5
    play.have(step=399).wait(1)
    assert play.state.meeting.tolist() == [25]


def test_votes_before_a_meeting_do_nothing():
    play = play_at().have(step=150)
    play.step(*ballot(a0=1, a1=1, a2=1))
    assert play.state.vote.tolist() == [-1] * 5


def test_everybody_sees_the_votes_by_relative_slot():
    play = called().step(*ballot(a0=3, a1=3, a4=0))
    assert play.state.vote.tolist() == [3, 3, -1, -1, 0]
    spec = play.world.spec
    first = 3 + spec.num_roles + len(spec.beams) + 4
    body = play.seen.observation.body
    assert body[:, first].tolist() == [1.0] * 5
    for agent in range(5):
        against = [int(body[agent, first + 1 + (slot - agent) % 5]) for slot in range(5)]
        assert against == [1, 0, 0, 2, 0]


def close(play: Play) -> Play:
    """Let the meeting end, one vote of each having been cast in its first step."""
    return play.wait(24)


@pytest.mark.parametrize(("votes", "out"), [({"a0": 3, "a1": 3}, False), ({"a0": 3, "a1": 3, "a3": 3}, True)])
def test_of_five_it_takes_three_votes(votes, out):
    play = close(called().step(*ballot(**votes)))
    assert play.away() == [False, False, False, out, False]
    assert play.state.meeting.tolist() == [0]
    assert play.payoff() == [0] * 5
    if out:
        assert play.state.removed[3] >= FOREVER
        assert not play.have(step=2998).wait(1).seen.last
        assert play.away()[3]


@pytest.mark.parametrize(
    ("votes", "out"),
    [
        ({"a1": 2}, None),
        ({"a1": 2, "a3": 2}, 2),
        ({"a1": 2, "a3": 2, "a2": 3, "a4": 3}, None),  # of two with half each neither goes
        ({"a0": 2, "a1": 2}, None),  # the tagged do not vote
        ({"a1": 0, "a2": 0, "a3": 0}, None),  # and cannot be voted out
    ],
)
def test_of_four_it_takes_two(votes, out):
    play = play_at().have(step=199, frozen=[MANY, 0, 0, 0, 0]).wait(1)
    assert play.where(0) == (4, 1)  # not called
    close(play.step(*ballot(**votes)))
    assert play.away() == [agent == out for agent in range(5)]
    assert play.where(0) == (4, 1)


def test_a_vote_can_be_changed_and_taken_back_until_the_last_step():
    play = called().step(*ballot(a0=3, a1=3, a2=3)).step("abstain")
    assert play.state.vote.tolist() == [-1, 3, 3, -1, -1]
    assert play.wait(23).away() == [False] * 5
    play = called().wait(24)
    assert play.state.meeting.tolist() == [1]
    assert play.step(*ballot(a0=3, a1=3, a2=3)).away() == [False, False, False, True, False]


def test_votes_of_one_meeting_do_not_count_in_the_next():
    play = close(called().step(*ballot(a0=3, a1=3))).have(step=399).wait(1)
    assert play.state.vote.tolist() == [-1] * 5
    assert close(play.step(*ballot(a2=3))).away() == [False] * 5


def test_voting_the_impostor_out_wins_the_game_for_the_crew():
    play = close(called().step(*ballot(a0=4, a1=4, a2=4)))
    assert play.payoff() == [1, 1, 1, 1, -1]
    assert play.count("impostor_out") == [1] * 5
    assert play.seen.last
    assert play.seen.discount.tolist() == [0] * 5


def test_voting_out_a_crewmate_can_lose_it():
    play = play_at().have(step=199, frozen=[MANY, MANY, 0, 0, 0]).wait(1)
    close(play.step("noop", "noop", *ballot(a2=3, a4=3)[2:]))
    assert play.away()[3]
    assert play.payoff() == [-1, -1, -1, -1, 1]


def test_the_clock_ends_the_game_for_nothing():
    play = play_at().have(step=2998).wait(1)
    assert not play.seen.last
    play.wait(1)
    assert play.seen.last
    assert play.payoff() == [0] * 5
    assert play.seen.discount.tolist() == [1] * 5


# ---- Goals and meetings of other games ---------------------------------------------------------------------


def test_the_first_goal_reached_pays_alone():
    bell = Beam("ring", length=0)
    goals = (Goal(progress=2, reward={"any": 5.0}, event="two"), Goal(progress=1, reward={"any": 3.0}, event="one"))
    game = Game(
        name="bells",
        map="####\n#PP#\n####",
        num_agents=2,
        beams=(bell,),
        rules=(Rule(on=Act("ring"), progress=1),),
        goals=goals,
    )
    both = Play(game, (1, 1, NORTH), (1, 2, NORTH)).step("ring", "ring")
    assert both.payoff() == [5, 5]
    assert (both.count("two"), both.count("one")) == ([1, 1], [0, 0])
    one = Play(game, (1, 1, NORTH), (1, 2, NORTH)).step("ring")
    assert one.payoff() == [3, 3]
    none = Play(game, (1, 1, NORTH), (1, 2, NORTH)).wait(1)
    assert none.payoff() == [0, 0]
    assert not none.seen.last


def test_meetings_need_room_and_votes():
    for change in ({"map": HALL.replace("mmmmm", "mmmm.")}, {"beams": hidden_agenda().beams[:1]}):
        with pytest.raises(UserError):
            compile_games([dataclasses.replace(hall(), **change)])
    with pytest.raises(UserError):
        compile_games([hall(meeting=Meeting(period=200, length=0))])
