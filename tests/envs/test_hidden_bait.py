"""Hidden bait: what happens to bait and screen, what the engine takes the dominant to believe, and who is paid what."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from playing import EAST, NORTH, SOUTH, WEST, Play, deviation, only

from softsim import rollout
from softsim.envs import compile_games, make
from softsim.envs.games.hidden_bait import AT_BAIT, AT_EMPTY, GAMES, OPEN, WALK, hidden_bait
from softsim.envs.vocabulary import DARK, ITEMS
from softsim.evaluation import false_belief
from softsim.learners import strategies
from softsim.partners import partner
from softsim.types import Percept, UserError

BOX, BAIT = ITEMS.index("box"), ITEMS.index("bait")
DOMINANT, SUBORDINATE = range(2)
LEFT, RIGHT = (4, 2), (4, 6)
HOME = [(1, 4, SOUTH), (7, 4, NORTH)]
AFTER = 8  # steps of events


def trial(swap: float, screen: float, dominant=HOME[0], subordinate=HOME[1]) -> Play:
    """Bait lies at the left, and everybody has seen it."""
    game = hidden_bait()
    game = dataclasses.replace(game, trick=dataclasses.replace(game.trick, swap=swap, screen=screen))
    play = Play(game, dominant, subordinate).put("bait", LEFT).put("box", RIGHT)
    return play.have(belief=[[BAIT, BOX]] * 2, blind=[False])


def change(play: Play, swap: float, screen: float) -> Play:
    """Go on with other probabilities."""
    trick = dataclasses.replace(play.params.trick, swap=jnp.float32(swap), screen=jnp.float32(screen))
    play.params = dataclasses.replace(play.params, trick=trick)
    return play


def choosing(dominant=(3, 2, SOUTH), subordinate=(5, 6, NORTH), **fields) -> Play:
    """The events are over, and both are where they are told."""
    return trial(0, 0, dominant, subordinate).have(step=AFTER + 3, **fields)


def believed(play: Play, agent: int) -> list[str]:
    return [ITEMS[item] for item in play.state.belief[agent]]


# ---- Constants ---------------------------------------------------------------------------------------------


def test_constants():
    game = hidden_bait()
    assert GAMES["hidden_bait"] is hidden_bait
    world, params = only(game)
    assert (world.num_agents, world.num_actions, world.spec.num_tracked) == (2, 7, 2)
    trick = params.trick
    assert (int(trick.until), float(trick.swap), float(trick.screen)) == (8, 0.25, 0.25)
    assert (int(trick.blinds), int(trick.hold), int(trick.lead)) == (0b01, 0b11, 3)
    horizon = params.horizon
    assert [int(horizon.maximum), int(horizon.minimum), int(horizon.interval)] == [8 + WALK, 8 + WALK, 1]
    assert horizon.rate == 1
    assert int(params.nature.shown) == 0
    assert int(hidden_bait(events=4).ending.maximum) == 4 + WALK
    assert all([game.family, game.dilemma, game.question.endswith("?")])


def test_the_two_are_as_far_from_either_box_and_cannot_see_each_other_from_where_they_decide():
    world, params = only(hidden_bait())
    cells = np.argwhere(np.asarray(params.layout.site) > 0).tolist()
    assert cells == [list(LEFT), list(RIGHT)]
    spawn = [divmod(int(cell), world.spec.width) for cell in params.layout.spawn]
    assert spawn == [(1, 4), (7, 4)]
    away = [abs(row - box[0]) + abs(column - box[1]) for row, column in spawn for box in (LEFT, RIGHT)]
    assert len(set(away)) == 1
    play = trial(0, 0).wait(1)
    window = play.seen.observation.window
    assert not (window[..., 1] > 1).any()
    for agent in range(2):
        assert {BOX, BAIT} <= set(window[agent, ..., 0].reshape(-1).tolist())
    for row in (2, 3):  # the subordinate before it goes up, the dominant on its way
        moving = choosing((row - 1, 4, SOUTH), (7, 2, NORTH)).wait(1)
        assert not (moving.seen.observation.window[SUBORDINATE, ..., 1] > 1).any()


def test_bait_starts_in_either_box():
    world, params = only(hidden_bait())
    state, _ = jax.jit(jax.vmap(world.reset, in_axes=(0, None)))(jax.random.split(jax.random.key(0), 1_000), params)
    cells = np.stack([np.asarray(state.cell)[:, row, column] for row, column in (LEFT, RIGHT)], 1)
    assert ((cells == BAIT).sum(1) == 1).all()
    assert ((cells == BOX).sum(1) == 1).all()
    assert abs(deviation((cells[:, 0] == BAIT).sum(), 1_000, 0.5)) < 4
    np.testing.assert_array_equal(state.belief, np.stack([cells] * 2, 1))
    assert not state.blind.any()


# ---- Events and beliefs ------------------------------------------------------------------------------------


def test_nobody_acts_during_the_events_and_the_dominant_is_let_go_three_steps_after_the_subordinate():
    play = trial(0, 0)
    for _ in range(AFTER):
        play.step("forward", "forward")
        assert [play.where(agent) for agent in range(2)] == [(1, 4), (7, 4)]
    for _ in range(3):
        play.step("forward", "forward")
        assert play.where(DOMINANT) == (1, 4)
    assert play.where(SUBORDINATE) == (5, 4)  # a wall is next
    play.step("forward")
    assert play.where(DOMINANT) == (2, 4)


def test_a_swap_in_the_open_is_seen_by_both():
    play = trial(1, 0).wait(1)
    assert (play.item(*LEFT), play.item(*RIGHT)) == ("box", "bait")
    assert believed(play, DOMINANT) == believed(play, SUBORDINATE) == ["box", "bait"]
    play.wait(1)
    assert believed(play, DOMINANT) == ["bait", "box"]


def test_a_swap_behind_the_screen_is_seen_by_the_subordinate_alone():
    play = change(trial(0, 1).wait(1), 1, 0).wait(1)
    assert play.state.blind.tolist() == [True]
    assert play.item(*RIGHT) == "bait"
    assert believed(play, DOMINANT) == ["bait", "box"]
    assert believed(play, SUBORDINATE) == ["box", "bait"]
    play.wait(1)  # a second swap, and what the dominant believes is true again, without its knowing
    assert play.item(*LEFT) == "bait"
    assert believed(play, DOMINANT) == ["bait", "box"]
    play.wait(1)
    change(play, 0, 1).wait(1)  # the screen goes down
    assert play.state.blind.tolist() == [False]
    assert believed(play, DOMINANT) == ["box", "bait"]


def test_a_swap_as_the_screen_goes_up_is_not_seen():
    play = trial(1, 1).wait(1)
    assert (play.state.blind.tolist(), play.item(*RIGHT)) == ([True], "bait")
    assert believed(play, DOMINANT) == ["bait", "box"]


def test_the_screen_stays_as_it_is_after_the_events_and_nothing_moves():
    play = change(trial(0, 1).wait(1), 1, 0).wait(1)
    change(play, 0, 0).wait(AFTER - 2)
    change(play, 1, 1).wait(3)
    assert play.state.blind.tolist() == [True]
    assert play.item(*RIGHT) == "bait"
    assert believed(play, DOMINANT) == ["bait", "box"]
    open_ = change(trial(0, 0).wait(AFTER), 1, 1).wait(2)
    assert (open_.state.blind.tolist(), open_.item(*LEFT)) == ([False], "bait")


def test_swaps_happen_to_the_last_of_the_events():
    play = change(trial(0, 0).wait(AFTER - 1), 1, 0).wait(1)
    assert play.item(*RIGHT) == "bait"


def test_the_blind_see_darkness_and_everybody_knows_of_the_screen():
    play = trial(0, 1).wait(1)
    window, body = play.seen.observation.window, play.seen.observation.body
    assert (window[DOMINANT, ..., 0] == DARK).all()
    assert not window[DOMINANT, ..., 1:].any()
    assert (window[SUBORDINATE, ..., 0] != DARK).any()
    assert body[:, -1].tolist() == [1, 1]
    assert trial(0, 0).wait(1).seen.observation.body[:, -1].tolist() == [0, 0]


def test_who_looks_elsewhere_does_not_see_a_swap():
    away = trial(1, 0, dominant=(1, 7, SOUTH)).wait(1)  # the left box is five cells off, the right one near
    assert believed(away, DOMINANT) == ["bait", "bait"]


@pytest.mark.slow
def test_swaps_and_screens_come_at_their_rates():
    play, count, swaps, screens = trial(0.25, 0.25), 800, 0, 0
    before = play.state
    for _ in range(count):
        play.state = before
        play.wait(1)
        swaps += play.item(*RIGHT) == "bait"
        screens += bool(play.state.blind[0])
    assert abs(deviation(swaps, count, 0.25)) < 4
    assert abs(deviation(screens, count, 0.25)) < 4


# ---- Choices -----------------------------------------------------------------------------------------------

OVER = {  # box of the dominant, of the subordinate: payoffs
    (LEFT, LEFT): (1, -1, "collided"),
    (LEFT, RIGHT): (1, 0, "had_box"),
    (RIGHT, LEFT): (0, 1, "had_bait"),
    (RIGHT, RIGHT): (0, -1, "collided"),
}


def above(box):
    return (box[0] - 1, box[1])


def below(box):
    return (box[0] + 1, box[1])


@pytest.mark.parametrize("boxes", OVER)
@pytest.mark.parametrize("first", ["both", "subordinate"])
def test_payoffs_of_choices(boxes, first):
    dominant, subordinate = boxes
    own, others, outcome = OVER[boxes]
    start = (*above(dominant), SOUTH) if first == "both" else (*above(dominant), WEST)
    play = choosing(start, (*below(subordinate), NORTH)).wait(1)
    if first == "subordinate":
        assert play.payoff() == [0, 0]
        assert play.state.nature.tolist() == [OPEN]
        play.step("turn_left")
    assert play.state.nature.tolist() == [AT_BAIT if dominant == LEFT else AT_EMPTY]
    assert play.payoff() == [own, 0]
    play.wait(1)
    assert play.payoff() == [0, others]
    assert play.count(outcome) == [0, 1]
    for _ in range(4):
        assert play.step("turn_left", "turn_left").payoff() == [0, 0]
    assert not any(play.can(DOMINANT)[1:])
    assert not any(play.can(SUBORDINATE)[1:])


def test_who_comes_after_the_dominant_is_too_late():
    play = choosing((3, 6, SOUTH), (5, 2, WEST)).wait(1)
    assert play.state.nature.tolist() == [AT_EMPTY]
    play.step("noop", "turn_right").wait(3)
    assert play.payoff() == [0, 0]
    assert play.state.hand.tolist() == [0, 0]


def test_a_trial_ends_for_good_after_its_steps():
    play = trial(0, 0).have(step=AFTER + WALK - 2).wait(1)
    assert not play.seen.last
    play.wait(1)
    assert play.seen.last
    assert play.seen.discount.tolist() == [0, 0]


# ---- The believer ------------------------------------------------------------------------------------------


def walk(play: Play, agent: int, events) -> Play:
    """Let an agent act as a believer while `events(play, t)` sets what happens next."""
    policy = partner("believer", play.world, ())
    apply, carry = jax.jit(policy.apply), policy.start()
    play.wait(1)
    for t in range(AFTER + WALK - 1):
        seen = play.seen
        percept = Percept(seen.observation, seen.reward, seen.action_mask, np.full(2, t == 0))
        percept = jax.tree.map(lambda leaf: leaf[agent], percept)
        carry, output = apply((), carry, percept)
        action = int(jnp.argmax(jnp.where(percept.action_mask, output.logits, -jnp.inf)))
        events(play, t)
        play.step(*["noop"] * agent, play.world.action_names[action])
    return play


def nothing(play: Play, t: int) -> None:
    change(play, 0, 0)


def hide_and_swap(play: Play, t: int) -> None:
    change(play, float(t == 2), float(t == 1))


def hide_swap_and_show(play: Play, t: int) -> None:
    change(play, float(t == 2), float(t in (1, 4)))


def swap_openly(play: Play, t: int) -> None:
    change(play, float(t == 2), 0)


@pytest.mark.parametrize("heading", range(4))
@pytest.mark.parametrize(
    ("events", "box"), [(nothing, LEFT), (hide_and_swap, LEFT), (hide_swap_and_show, RIGHT), (swap_openly, RIGHT)]
)
def test_the_believer_goes_where_it_last_saw_bait(heading, events, box):
    play = walk(trial(0, 0, dominant=(1, 4, heading)), DOMINANT, events)
    assert play.where(DOMINANT) == above(box)
    assert play.state.frozen[DOMINANT] > 0
    truth = LEFT if play.item(*LEFT) == "bait" else RIGHT
    assert play.state.nature.tolist() == [AT_BAIT if truth == box else AT_EMPTY]
    assert believed(play, DOMINANT) == (["bait", "box"] if box == LEFT else ["box", "bait"])


@pytest.mark.parametrize("heading", [NORTH, EAST, SOUTH, WEST])
def test_in_the_other_seat_it_goes_to_the_bait(heading):
    play = walk(trial(0, 0, subordinate=(7, 4, heading)), SUBORDINATE, hide_and_swap)
    assert play.where(SUBORDINATE) == below(RIGHT)


def test_the_believer_needs_a_trick():
    world, params = make("coins")
    with pytest.raises(UserError):
        partner("believer", world, jax.tree.map(lambda leaf: leaf[None], params))


# ---- Scoring -----------------------------------------------------------------------------------------------


def test_choices_are_read_off_the_last_state():
    play = choosing((*above(LEFT), SOUTH), (*below(RIGHT), NORTH), belief=[[BAIT, BOX], [BOX, BAIT]], blind=[True])
    play.put("box", LEFT).put("bait", RIGHT).wait(2)
    found = false_belief.choices(play.world, play.params, play.state)
    assert [int(leaf) for leaf in (found.bait, found.belief, found.dominant, found.subordinate)] == [1, 0, 0, 1]
    undecided = choosing((1, 4, SOUTH), (7, 4, NORTH)).wait(1)
    found = false_belief.choices(undecided.world, undecided.params, undecided.state)
    assert (int(found.dominant), int(found.subordinate)) == (-1, -1)


def test_the_score_is_by_condition():
    #       false: right, wrong, none; true: right, right, wrong
    made = false_belief.Choices(
        bait=jnp.array([1, 0, 1, 0, 1, 1]),
        belief=jnp.array([0, 1, 0, 0, 1, 1]),
        dominant=jnp.array([0, 1, 0, 0, 1, 0]),
        subordinate=jnp.array([1, 1, -1, 1, 0, 1]),
    )
    found = {name: round(float(value), 4) for name, value in false_belief.score(made).items()}
    assert found == {
        "false_belief": round(1 / 3, 4),
        "true_belief": round(2 / 3, 4),
        "balanced": 0.5,
        "dominant": round(5 / 6, 4),
        "share_false": 0.5,
    }


@pytest.mark.slow
def test_believers_at_one_table_are_scored_as_a_mind_without_the_others_belief():
    world, params = compile_games([hidden_bait()])
    policy = strategies.random(world.num_actions, world.num_agents)
    believer = partner("believer", world, params)
    envs = 600
    table = rollout.Table(world, policy, 0, (believer, believer), 1, envs)
    place = jnp.arange(2 * envs, dtype=jnp.int32).reshape(envs, 2).T[None]
    key = jax.random.split(jax.random.key(0), 1)
    trial_ = false_belief.trials(table, AFTER + WALK, key, params, (), place)
    found = {name: float(value) for name, value in false_belief.score(trial_).items()}
    assert trial_.bait.shape == (1, envs)
    assert found["dominant"] == 1
    assert found["false_belief"] == 1  # the bait is where the dominant does not believe it to be
    assert found["true_belief"] == 0
    assert found["balanced"] == 0.5
    assert 0.1 < found["share_false"] < 0.4
