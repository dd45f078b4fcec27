"""Each law has the partners that mean something under it, and in play they are what their names say."""

from __future__ import annotations

import functools
import heapq

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim import make, partner, rollout
from softsim.envs.registry import GRID_GAMES
from softsim.evaluation.outcomes import play_out
from softsim.learners import bots, strategies
from softsim.learners.bots import Body, Shot
from softsim.partners import exchange, grid, quarrels, tables
from softsim.types import Percept, struct

compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})

FOUR = ("cooperator", "defector", "conditional", "punisher")
BY_LAW = {
    FOUR: ("allelopathic_harvest", "clean_up", "commons_harvest_", "territory_", "ultimatum"),
    FOUR[:3]: (
        *("chicken_in_the_matrix_", "prisoners_dilemma_in_the_matrix_", "stag_hunt_in_the_matrix_", "storm"),
        *("coins", "coop_mining", "externality_mushrooms", "gift_refinements", "lb_foraging", "trust"),
    ),
    (*FOUR[:3], "leaver"): ("prisoners_dilemma_in_rooms",),
    ("pure_1", "pure_2"): ("bach_or_stravinsky_in_the_matrix_",),
    ("pure_1", "pure_2", "pure_3"): ("pure_coordination_", "rationalizable_coordination_", "running_with_scissors_"),
    ("believer",): ("hidden_bait",),
    (): ("cooking_", "daycare", "hidden_agenda", "lewis_signalling", "predator_prey_"),
}


def test_the_games_have_the_partners_of_their_laws():
    for game in GRID_GAMES:
        (expected,) = [names for names, starts in BY_LAW.items() if game.startswith(starts)]
        assert tuple(grid.partners(*make([game]))) == ("greedy", *expected), game


# ---- What they are made of -----------------------------------------------------------------------------------------


@struct
class Seen:
    window: jax.Array  # [rows, columns, 2 or 3] uint8


def seeing(who: dict[tuple[int, int], int], shape: tuple[int, int] = (5, 5), first: bool = False) -> Percept:
    """A percept of others, by their symbol, on an empty floor."""
    window = np.zeros((*shape, 2), np.uint8)
    for cell, symbol in who.items():
        window[cell][1] = symbol
    return Percept(Seen(jnp.asarray(window)), jnp.float32(0.0), jnp.ones(9, bool), jnp.bool_(first))


def test_floods_find_the_shortest_ways():
    rng, flood = np.random.default_rng(3), compiled(bots.flood)
    for _ in range(20):
        free, cost = rng.random((6, 7)) < 0.7, np.where(rng.random((6, 7)) < 0.1, rng.integers(0, 5, (6, 7)), bots.FAR)
        least, queue = cost.copy(), [(c, *cell) for cell, c in np.ndenumerate(cost) if c < bots.FAR]
        heapq.heapify(queue)
        while queue:
            here, row, column = heapq.heappop(queue)
            for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                if 0 <= r < 6 and 0 <= c < 7 and free[r, c] and here + 1 < least[r, c]:
                    least[r, c] = here + 1
                    heapq.heappush(queue, (here + 1, r, c))
        found = flood(jnp.asarray(cost, jnp.int32), jnp.asarray(free))
        near = least <= 13  # as many steps as it takes
        np.testing.assert_array_equal(np.asarray(found)[near], least[near])
        assert (np.asarray(found) >= least).all()


def test_who_faces_a_goal_turns_to_it_and_waits():
    body, free = Body(9, 3, place=(3, 2), moves=(1, 2, 3, 4)), np.ones((5, 5), bool)
    none = np.zeros((5, 5), bool)
    go = compiled(lambda goal, free, faces: bots.approach(body, bots.to(goal), free, faces).argmax())
    for cell, step, turn in (((2, 2), 1, 0), ((4, 2), 2, 6), ((3, 1), 3, 5), ((3, 3), 4, 6)):
        goal = np.zeros((5, 5), bool)
        goal[cell] = True
        for faces, action in ((none, step), (~none, turn), (goal, turn), (~goal, step)):
            assert int(go(goal, free & ~goal, faces)) == action
    goal = np.zeros((5, 5), bool)
    goal[0, 2] = True
    free[2, :4] = False  # the way round is on the right
    assert int(go(goal, free, none)) == 4
    free[2, 4] = False  # there is none: it looks about
    assert int(go(goal, free, none)) == 6


def test_the_avenger_fires_at_who_struck_it_and_at_nobody_else():
    body = Body(9, 3, place=(3, 2), moves=(1, 2, 3, 4))
    zap = Shot(7, np.ones((5, 5), bool), bots.somebody)
    blow = lambda percept: percept.reward < 0  # noqa: E731
    kind = strategies.always(9, 3, 0)
    policy = bots.avenger(body, kind, zap, blow, lambda percept: bots.somebody(percept) & (jnp.arange(5) == 2)[None])
    one, two = bots.OTHERS + 4, bots.OTHERS + 8
    both, memory, fired = {(0, 2): one, (0, 0): two}, policy.start(), []
    for who, hurt, first in (
        *((both, 0.0, True), (both, -1.0, False), ({(0, 0): two}, 0.0, False), ({(1, 1): one + 3}, 0.0, False)),
        *((both, 0.0, False), (both, 0.0, True)),
    ):
        percept = seeing(who, first=first)
        percept = Percept(percept.observation, jnp.float32(hurt), percept.action_mask, percept.first)
        memory, output = policy.apply((), memory, percept)
        fired.append(int(output.logits.argmax()) == 7)
    assert fired == [False, True, False, True, True, False]  # a new episode is forgiven


@pytest.mark.parametrize("symbol", range(4))
def test_only_who_looks_at_one_from_within_reach_is_suspect(symbol):
    world, params = make(["territory_open"])
    zap = world.spec.beams.index("zap")
    ahead, side = world.spec.view.ahead, world.spec.view.side
    # Heading as seen: 0 as one's own, 1 to the right, 2 towards who looks up, 3 to the left.
    where = {0: (ahead + 1, side), 1: (ahead, side - 2), 2: (ahead - 2, side), 3: (ahead, side + 2)}
    for heading, cell in where.items():
        percept = seeing({cell: bots.OTHERS + 4 + symbol}, world.spec.view.shape)
        suspects = np.asarray(quarrels.facing(world, params, zap)(percept))
        beside = cell == where[0] and symbol % 2  # the beam is wider than one, and begins beside who fires it
        assert suspects.sum() == suspects[cell] == (heading == symbol or beside)


def test_exchanges_are_solved_as_the_textbook_has_it():
    world, params = make(["ultimatum"])
    tree = exchange.rounds(world, params)
    assert list(exchange.outcome(exchange.plan(tree, exchange.fair, exchange.fair), 0)) == [5, 5]
    assert list(exchange.outcome(exchange.plan(tree, exchange.selfish, exchange.selfish), 0)) == [9, 1]
    stern = exchange.plan(tree, exchange.fair, exchange.proud)
    assert [list(exchange.outcome(stern, offer)) for offer in (1, 2, 3, 4)] == [[0, 0], [0, 0], [5, 5], [3, 7]]
    world, params = make(["trust"])
    tree = exchange.rounds(world, params)
    kind, harsh = (exchange.plan(tree, each, each) for each in (exchange.fair, exchange.selfish))
    assert list(exchange.outcome(kind, 0)) == [15, 15]
    assert list(exchange.outcome(harsh, 0)) == [10, 0]
    assert list(exchange.outcome(harsh, 4)) == [0, 30]


def test_one_feels_things_where_it_is_said_they_are():
    for game, last, size in (("trust", "nature", 5), ("gift_refinements", "bag", 3), ("territory_open", "mark", 1)):
        world, params = make([game])
        one = jax.tree.map(lambda leaf: leaf[0], params)
        _, timestep = jax.eval_shape(world.reset, jax.random.key(0), one)
        place = tables.felt(world, last)
        assert place.stop == timestep.observation.body.shape[1] == place.start + size


# ---- In play -------------------------------------------------------------------------------------------------------


def played(
    game: str, seats: tuple[str, ...], steps: int, num_agents: int | None = None, num_envs: int = 4
) -> dict[str, dict[str, float]]:
    """Let partners play who take the slots in turn, and average payoff and events over seats and episodes of each."""
    world, params = make([game], num_agents)
    names, size = list(dict.fromkeys(seats)), world.num_agents
    policies = tuple(partner(name, world, params) for name in names)
    table = rollout.Table(world, strategies.random(world.num_actions, size), 0, policies, 1, num_envs)
    slots = np.arange(num_envs * size, dtype=np.int32).reshape(num_envs, size)
    whose = np.array([names.index(seats[slot % len(seats)]) for slot in range(size)])
    place = np.stack([slots[:, whose == member].reshape(-1) for member in range(len(names))])[None]
    play = compiled(play_out, static_argnums=(0, 1))
    seating, experience = play(table, steps, jax.random.split(jax.random.key(0), 1), params, (), jnp.asarray(place))
    events = np.asarray(rollout.to_seats(experience.ledger.events, seating.place))[0].mean(1)
    payoff = np.asarray(rollout.to_seats(experience.ledger.payoff, seating.place))[0].mean(1)
    return {
        name: dict(zip(world.event_names, counts.tolist(), strict=True)) | {"payoff": float(gained)}
        for name, counts, gained in zip(names, events, payoff, strict=True)
    }


DILEMMAS = {
    "prisoners_dilemma_in_rooms": (100, 1.5),
    "gift_refinements": (300, 2.0),
    "coop_mining": (300, 2.0),
    "lb_foraging": (100, 1.5),
    "trust": (100, 1.5),
    "territory_rooms": (200, 1.5),
    "territory_open": (300, 1.5),
    "territory_inside_out": (300, 1.5),
}


@pytest.mark.slow
@pytest.mark.parametrize("game", DILEMMAS)
def test_cooperators_among_themselves_have_more_than_defectors(game):
    steps, factor = DILEMMAS[game]
    names = ("cooperator",), ("defector",)
    kind, harsh = (sum(who["payoff"] for who in played(game, seats, steps).values()) for seats in names)
    assert kind > factor * max(harsh, 0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("game", "steps"), [("territory_open", 300), ("prisoners_dilemma_in_rooms", 100)])
def test_defectors_do_better_among_cooperators(game, steps):
    found = played(game, ("cooperator", "defector"), steps, num_agents=8)
    assert found["cooperator"]["payoff"] < found["defector"]["payoff"]


@pytest.mark.slow
def test_who_waits_for_others_has_less_than_who_works_alone():
    found = played("coop_mining", ("defector", "cooperator"), 300, num_agents=2)
    assert found["cooperator"]["mined_gold"] == found["defector"]["mined_gold"] == 0
    assert found["cooperator"]["payoff"] < found["defector"]["payoff"]


@pytest.mark.slow
def test_the_conditional_gives_while_it_is_given_back():
    among = played("prisoners_dilemma_in_rooms", ("conditional", "cooperator"), 100)
    used = played("prisoners_dilemma_in_rooms", ("conditional", "defector"), 100)
    assert among["conditional"]["gave"] > 1.5 * used["conditional"]["gave"] > 0  # some are with their own kind
    assert used["defector"]["payoff"] < 20 < among["cooperator"]["payoff"]


@pytest.mark.slow
def test_the_leaver_goes_when_it_is_not_given_back():
    found = played("prisoners_dilemma_in_rooms", ("leaver", "defector"), 100)
    assert found["leaver"]["leave"] > 1
    assert found["defector"]["leave"] == 0


@pytest.mark.slow
def test_trust_lasts_while_it_is_repaid():
    repaid = played("trust", ("conditional", "cooperator"), 150)
    betrayed = played("trust", ("conditional", "defector"), 150)
    assert repaid["conditional"]["sent_4"] > 2 * betrayed["conditional"]["sent_4"] > 0
    assert betrayed["conditional"]["sent_1"] > betrayed["conditional"]["sent_4"]


@pytest.mark.slow
def test_the_punisher_refuses_what_is_unfair():
    mean, fair = (played("ultimatum", (first, "punisher"), 100)["punisher"] for first in ("defector", "cooperator"))
    assert mean["rejected"] > 5 > 1 > fair["rejected"]
    assert fair["accepted"] > 5 > mean["accepted"]


@pytest.mark.slow
def test_those_who_strike_are_struck_back():
    found = played("allelopathic_harvest", ("punisher", "defector"), 200)
    assert 0 < found["punisher"]["zapped"] < found["defector"]["zapped"]
    found = played("allelopathic_harvest", ("punisher", "cooperator"), 200)
    assert found["punisher"]["zapped"] == found["cooperator"]["zapped"] == 0


@pytest.mark.slow
def test_who_plants_feeds_those_who_do_not():
    plants = played("allelopathic_harvest", ("cooperator",), 400)["cooperator"]
    fights = played("allelopathic_harvest", ("defector",), 400)["defector"]
    assert plants["planted_red"] > 10
    assert sum(plants[f"planted_{colour}"] for colour in ("green", "blue")) == plants["zapped"] == 0
    assert fights["planted_red"] == 0 < fights["zapped"]
    assert plants["ate_red"] > sum(fights[f"ate_{colour}"] for colour in ("red", "green", "blue"))
