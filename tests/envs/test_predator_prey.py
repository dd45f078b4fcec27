"""Predator prey against its published numbers: constants, hand-written traces, rates, maps."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from playing import EAST, NORTH, SOUTH, WEST, Play, copies, deviation, only, step

from softsim.envs import Beam, Cell, Game, Hit, Rule, compile_games
from softsim.envs.games import predator_prey
from softsim.envs.games.predator_prey import predator_prey_open, predator_prey_orchard
from softsim.envs.vocabulary import ACTIONS, ITEMS
from softsim.types import UserError

YARD = """
###########
#pp.....an#
#.........#
#.........#
#...g.....#
#.........#
#.........#
#......sss#
###########
"""
PREDATOR, OTHER, PREY, MATE, FAR = range(5)
AWAY = [(7, 1, NORTH), (7, 3, NORTH), (7, 5, NORTH), (7, 7, NORTH), (7, 9, NORTH)]


def yard() -> Game:
    """Two predators and three prey on a small map on which nothing grows."""
    game = predator_prey_open()
    legend = game.legend | {"s": Cell(spawn="always", role="prey")}
    role_of = ("predator",) * 2 + ("prey",) * 3
    return dataclasses.replace(game, map=YARD, legend=legend, num_agents=5, role_of=role_of, growth=())


def place(**agents: tuple[int, int, int]) -> Play:
    """Put the agents named, and the others in the bottom row, further than three cells from row 3."""
    spots = list(AWAY)
    for name, spot in agents.items():
        spots[("predator", "other", "prey", "mate", "far").index(name)] = spot
    return Play(yard(), *spots)


def act(play: Play, agent: int, action: str) -> Play:
    return play.step(*["noop"] * agent, action)


# ---- Constants ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declare", "height", "width", "predators", "prey"),
    [(predator_prey_open, 19, 23, 3, 10), (predator_prey_orchard, 23, 26, 5, 8)],
)
def test_constants(declare, height, width, predators, prey):
    game = declare()
    world, params = only(game)
    assert predator_prey.GAMES[game.name] is declare
    assert (world.spec.height, world.spec.width, world.num_actions) == (height, width, 8)
    assert world.action_names[-1] == "interact"
    assert world.spec.view.shape == (11, 11)
    assert params.role.tolist() == [0] * predators + [1] * prey
    assert params.agent_mask.sum() == 13
    beam = params.beams
    numbers = (beam.length, beam.half_width, beam.cooldown, beam.guard, beam.removes_for, beam.freezes_for)
    assert [int(number[0]) for number in numbers] == [1, 0, 5, 3, 200, 0]
    assert beam.targets.tolist() == [[0b11, 0]]
    assert beam.reward[0] == beam.fine[0] == 0
    need = params.need
    assert need.most.tolist() == [18, 18]
    assert need.band.tolist() == [12, 6, 0]
    assert need.change.tolist() == [[1] + [-1] * 7] * 2
    assert need.slow.tolist() == [[0, 0, 1, 6], [0, 1, 2, 4]]
    assert need.exile == 0
    assert params.debt.when.tolist() == [16, 11, 6]
    np.testing.assert_array_equal(params.growth.rate, np.float32([[0.007] * 4, [0.01] * 4]))
    assert [ITEMS[item] for item in params.growth.item[:, 0]] == ["apple", "acorn"]
    assert (int(params.horizon.maximum), float(params.horizon.rate)) == (1000, 0.0)
    assert params.sight.show_role
    solid = [[ITEMS[item] for item in np.flatnonzero(row)] for row in params.layout.solid]
    assert solid == [["wall", "tall_grass"], ["wall"]]
    assert all([game.family, game.dilemma, game.question.endswith("?")])


def test_rule_numbers():
    rules = predator_prey_open().rules
    found = {rule.event: (rule.reward, rule.owes, rule.freeze, rule.feeds, rule.fit) for rule in rules}
    assert found == {
        "ate_apple": (1.0, 0.0, 0, 0.0, 0.0),
        "took_acorn": (0.0, 0.0, 0, 0.0, 0.0),
        "ate_acorn": (0.0, 18.0, 26, 0.0, 13),
        "ate_prey": (1.0, 0.0, 5, 0.0, 0.0),
        "ate_predator": (0.0, 0.0, 0, -4.0, 0.0),
    }


@pytest.mark.parametrize("declare", predator_prey.GAMES.values())
def test_maps(declare):
    game = declare()
    _, params = only(game)
    cell, site = np.asarray(params.layout.cell), np.asarray(params.layout.site)
    spawn, roles = np.asarray(params.layout.spawn), np.asarray(params.layout.spawn_roles)
    on = cell.reshape(-1)[spawn]
    assert (on[roles == 0b10] == ITEMS.index("tall_grass")).all()
    assert (on[roles == 0b01] == ITEMS.index("floor")).all()
    assert {ITEMS[item] for item in np.unique(cell[site > 0])} == {"apple", "acorn"}
    open_ = cell != ITEMS.index("wall")
    reached = np.zeros_like(open_)
    reached[np.unravel_index(spawn[0], cell.shape)] = True
    for _ in range(cell.size):
        grown = reached.copy()
        grown[1:] |= reached[:-1]
        grown[:-1] |= reached[1:]
        grown[:, 1:] |= reached[:, :-1]
        grown[:, :-1] |= reached[:, 1:]
        reached = grown & open_
    assert (reached == open_).all()


def test_both_maps_step_side_by_side():
    world, params = compile_games([declare() for declare in predator_prey.GAMES.values()])
    assert params.role.shape == (2, world.num_agents)


# ---- Eating ------------------------------------------------------------------------------------------------


def test_prey_eat_apples_and_predators_do_not():
    play = (
        place(predator=(3, 2, EAST), prey=(1, 2, EAST)).put("apple", (3, 3), (1, 3)).step("forward", "noop", "forward")
    )
    assert play.payoff() == [0, 0, 1, 0, 0]
    assert play.count("ate_apple") == [0, 0, 1, 0, 0]
    assert (play.item(3, 3), play.item(1, 3)) == ("apple", "floor")


def test_prey_hold_one_acorn_and_predators_none():
    play = place(predator=(3, 2, EAST), prey=(1, 2, EAST)).put("acorn", (3, 3), (1, 3), (1, 4))
    play.step("forward", "noop", "forward")
    assert play.state.hand.tolist() == [0, 0, 1, 0, 0]
    assert (play.item(3, 3), play.item(1, 3)) == ("acorn", "floor")
    play.step("noop", "noop", "forward")
    assert play.item(1, 4) == "acorn"
    assert play.payoff() == [0] * 5


def meal(stamina: float) -> Play:
    return place().have(hand=[0, 0, 1, 0, 0], need=[18, 18, stamina, 18, 18])


def test_a_meal_pays_18_in_thirds_while_prey_sit_for_26_steps():
    play = act(meal(18), PREY, "interact")
    assert play.state.hand.tolist() == [0] * 5
    assert play.count("ate_acorn") == [0, 0, 1, 0, 0]
    assert play.payoff() == [0] * 5
    paid, sat = {}, 0
    for frame in range(1, 40):
        sat += not play.able(PREY, "forward")
        before = play.where(PREY)
        act(play, PREY, "forward" if frame <= 26 else "noop")
        if frame <= 26:
            assert play.where(PREY) == before
        if play.payoff()[PREY]:
            paid[frame] = play.payoff()[PREY]
    assert sat == 26
    assert paid == {11: 6.0, 16: 6.0, 21: 6.0}  # when 16, 11 and 6 of 26 frames are left


@pytest.mark.parametrize(("stamina", "eats"), [(13, True), (12, False)])
def test_only_prey_in_the_top_band_may_eat(stamina, eats):
    play = act(meal(stamina), PREY, "interact")
    assert (play.state.hand[PREY] == 0) == eats
    assert (play.state.owed[PREY] == 18) == eats


def test_prey_eaten_at_its_meal_is_paid_no_more():
    play = act(place(predator=(3, 2, EAST), prey=(3, 3, NORTH)).have(hand=[0, 0, 1, 0, 0]), PREY, "interact")
    play.wait(11)
    assert play.payoff()[PREY] == 6
    play.step("interact")
    assert play.payoff() == [1, 0, 0, 0, 0]
    total = 0.0
    for _ in range(30):
        total += play.wait(1).payoff()[PREY]
    assert total == 0
    assert play.state.owed[PREY] == 0


# ---- Hunting -----------------------------------------------------------------------------------------------


def test_a_predator_eats_lone_prey_rests_5_steps_and_may_strike_again_after_5():
    play = place(predator=(3, 2, EAST), prey=(3, 3, NORTH)).step("interact")
    assert play.payoff() == [1, 0, 0, 0, 0]
    assert play.count("ate_prey") == [1, 0, 0, 0, 0]
    assert play.away() == [False, False, True, False, False]
    rested = 0
    while not play.able(PREDATOR, "forward"):
        rested += 1
        play.wait(1)
    assert rested == 5
    play = place(predator=(3, 2, EAST)).step("interact")
    waited = 1
    while not play.able(PREDATOR, "interact"):
        waited += 1
        play.wait(1)
    assert waited == 5


def test_the_eaten_come_back_after_200_steps_at_spawns_of_their_role_with_full_stamina():
    play = place(predator=(3, 2, EAST), prey=(3, 3, NORTH)).have(need=[18, 18, 9, 18, 18]).step("interact")
    play.have(removed=[0, 0, 3, 0, 0]).wait(2)
    assert play.away()[PREY]
    play.wait(1)
    assert not play.away()[PREY]
    assert play.where(PREY) in {(7, 7), (7, 8), (7, 9)}
    assert play.state.need[PREY] == 18
    first = place(predator=(3, 2, EAST), prey=(3, 3, NORTH)).step("interact")
    assert first.state.removed[PREY] == 200


@pytest.mark.parametrize(
    ("spots", "change", "eaten"),
    [
        ({"mate": (5, 4, NORTH)}, {}, False),  # two prey to one predator
        ({"mate": (3, 6, NORTH)}, {}, False),  # at distance 3
        ({"mate": (5, 6, NORTH)}, {}, True),  # at distance sqrt(13)
        ({"mate": (5, 4, NORTH), "other": (1, 3, NORTH)}, {}, True),  # two to two
        ({"mate": (5, 4, NORTH), "far": (5, 3, NORTH), "other": (1, 3, NORTH)}, {}, False),  # three to two
        ({"mate": (5, 4, NORTH)}, {"need": [18, 18, 18, 0, 18]}, True),  # the exhausted do not count
        ({"mate": (5, 4, NORTH)}, {"need": [18, 18, 18, 1, 18]}, False),
        ({"mate": (5, 4, NORTH)}, {"owed": [0, 0, 0, 18, 0], "frozen": [0, 0, 0, 20, 0]}, True),  # nor do those who eat
        ({"mate": (5, 4, NORTH), "other": (1, 3, NORTH)}, {"need": [18, 0, 18, 18, 18]}, False),
        ({"mate": (5, 4, NORTH)}, {"removed": [0, 0, 0, 50, 0]}, True),  # nor those off the map
    ],
)
def test_prey_are_safe_in_greater_numbers_within_three_cells(spots, change, eaten):
    play = place(predator=(3, 2, EAST), prey=(3, 3, NORTH), **spots).have(**change).step("interact")
    assert play.away()[PREY] == eaten
    assert play.payoff() == [float(eaten), 0, 0, 0, 0]
    assert play.state.frozen[PREDATOR] == (5 if eaten else 0)


def test_the_beam_reaches_one_cell_ahead_only():
    for prey, eaten in [((3, 3, NORTH), True), ((3, 4, NORTH), False), ((2, 2, NORTH), False), ((2, 3, NORTH), False)]:
        assert place(predator=(3, 2, EAST), prey=prey).step("interact").away()[PREY] == eaten


def test_a_predator_eats_another_for_nothing_and_four_stamina():
    play = place(predator=(3, 2, EAST), other=(3, 3, NORTH)).step("interact")
    assert play.payoff() == [0] * 5
    assert play.count("ate_predator") == [1, 0, 0, 0, 0]
    assert play.away() == [False, True, False, False, False]
    assert play.state.removed[OTHER] == 200
    assert play.state.need.tolist() == [13, 18, 18, 18, 18]
    assert play.state.frozen[PREDATOR] == 0
    low = place(predator=(3, 2, EAST), other=(3, 3, NORTH)).have(need=[3, 18, 18, 18, 18]).step("interact")
    assert low.state.need[PREDATOR] == 0


def test_prey_harm_nobody():
    play = act(place(prey=(3, 2, EAST), mate=(3, 3, NORTH)), PREY, "interact")
    assert play.away() == [False] * 5
    play = act(place(prey=(3, 2, EAST), other=(3, 3, NORTH)), PREY, "interact")
    assert play.away() == [False] * 5


def test_predators_cannot_enter_tall_grass_and_prey_can():
    play = place(predator=(4, 3, EAST)).step("forward")
    assert play.where(PREDATOR) == (4, 3)
    play = act(place(prey=(4, 3, EAST)), PREY, "forward")
    assert play.where(PREY) == (4, 4)
    assert play.item(4, 4) == "tall_grass"


def test_roles_can_be_seen():
    play = place(predator=(3, 2, EAST), prey=(3, 3, NORTH), mate=(3, 4, WEST)).wait(1)
    assert [play.sees(PREDATOR, 1, 0, 2) >> 5 & 3, play.sees(MATE, 2, 0, 2) >> 5 & 3] == [1, 0]


# ---- Stamina -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", [*ACTIONS[1:], "interact"])
def test_every_act_costs_one_and_rest_restores_one(action):
    play = place(predator=(3, 2, EAST)).step(action)
    assert play.state.need[PREDATOR] == 17
    assert play.wait(1).state.need[PREDATOR] == 18
    assert play.wait(1).state.need[PREDATOR] == 18


@pytest.mark.parametrize(
    ("agent", "stamina", "frozen"),
    # stamina before the act: the band counts in which it ends
    [
        *((PREDATOR, before, steps) for before, steps in [(14, 0), (13, 0), (8, 0), (7, 1), (2, 1), (1, 6), (0, 6)]),
        *((PREY, before, steps) for before, steps in [(14, 0), (13, 1), (8, 1), (7, 2), (2, 2), (1, 4), (0, 4)]),
    ],
)
def test_acts_freeze_by_role_and_band(agent, stamina, frozen):
    play = act(place().have(need=[stamina] * 5), agent, "turn_left")
    steps = 0
    while not play.able(agent, "forward"):
        play.wait(1)
        steps += 1
        assert play.state.need[agent] == max(stamina - 1, 0)  # who is frozen does not rest
    assert steps == frozen


def test_stamina_is_observed_as_a_fraction():
    play = place().have(need=[9, 18, 18, 18, 18]).wait(1)
    spec = play.world.spec
    column = 3 + spec.num_roles + len(spec.beams) + 4
    np.testing.assert_allclose(play.seen.observation.body[:2, column], [10 / 18, 1.0], atol=2**-16)


# ---- Rates -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_apples_and_acorns_grow_at_their_rates_on_their_own_sites():
    world, params = only(dataclasses.replace(predator_prey_open(), num_agents=2, role_of=("predator", "prey")))
    count = 500
    state = copies(world, params, count)
    site = np.asarray(params.layout.site)
    bare = np.where(site > 0, ITEMS.index("floor"), np.asarray(params.layout.cell))
    state = dataclasses.replace(state, cell=np.tile(bare.astype(np.uint8), (count, 1, 1)))
    grown = 0
    for seed in range(4):
        after, _ = step(world, jax.random.key(seed), params, state)
        grown = grown + np.stack([after.cell == ITEMS.index(name) for name in ("apple", "acorn")]).sum(1)
    laws = zip(grown, params.growth.site, params.growth.rate[:, 0], strict=True)
    for found, where, rate in laws:
        here = site == int(where)
        assert not found[~here].any()
        assert abs(deviation(found.sum(), 4 * count * here.sum(), float(rate))) < 4


# ---- What the engine says of hits --------------------------------------------------------------------------


def test_a_hit_needs_a_beam_that_strikes_agents_and_a_known_role():
    base = Game(name="duel", map="####\n#PP#\n####", num_agents=2, beams=(Beam("zap"),))
    for on in (Hit("any", by="zap"), Hit("any", by="clean")):
        with pytest.raises(UserError):
            compile_games([dataclasses.replace(base, rules=(Rule(on=on, reward=1.0),))])
    armed = dataclasses.replace(base, beams=(Beam("zap", strikes_agents=True),))
    with pytest.raises(UserError):
        compile_games([dataclasses.replace(armed, rules=(Rule(on=Hit("prey", by="zap")),))])
    compile_games([dataclasses.replace(armed, rules=(Rule(on=Hit("any", by="zap"), reward=1.0),))])


def test_a_hit_counts_once_for_each_agent_struck():
    game = Game(
        name="duel",
        map="#####\n#PPP#\n#.P.#\n#####",
        num_agents=4,
        beams=(Beam("zap", length=2, half_width=1, strikes_agents=True),),
        rules=(Rule(on=Hit("any", by="zap"), reward=2.0, reward_others=1.0, event="hit"),),
    )
    play = Play(game, (2, 2, NORTH), (1, 1, SOUTH), (1, 2, SOUTH), (1, 3, SOUTH)).step("zap")
    assert play.count("hit") == [3, 0, 0, 0]
    assert play.payoff() == [6, 3, 3, 3]
