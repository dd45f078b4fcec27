"""Repeated games and the evolution of their strategies are as on paper, in float64 and without luck.

Method. Payoffs R, S, T, P are 3, 0, 5, 1 unless said otherwise.

- *Rounds against closed form.* 10,000 random pairs of memory-one strategies, uniform in [0, 1]^5: the distribution over
  joint moves is pushed forward round by round, until less than 1e-12 of the weight remains at continuation .96
  (`theory.memory_one.propagate`), against the linear solve (`occupancy`). The world that learners play
  (`envs.matrix.MatrixWorld`) is held to it in two ways: what it pays and shows after each joint move, exactly, and the
  mean of whole matches between memory-one policies, as z-scores.
- *Extortion* by the zero-determinant strategy (11/13, 1/2, 7/26, 0), factor 3, against 10,000 random partners in the
  long run: s_X - P = 3 (s_Y - P) (Press and Dyson 2012, PNAS 109:10409).
- *Best response to tit for tat*, found by exact dynamic programming, and by bisection the continuation at which its
  cooperation in the long run rises above 1/4 and above 3/4. Always defect, alternate and always cooperate are worth
  T + w P / (1 - w), T / (1 - w^2) and R / (1 - w) (with S = 0), which cross at 1/4 and 2/3; with payoffs
  -1, -3, 0, -2 the first and the last cross at 1/2, and alternation is never better than both.
- *Rare mutations* among ALLC, ALLD and TFT at ten rounds with payoffs 3, .1, 5, 1 and a cost of .8 for TFT (Imhof,
  Fudenberg, Nowak 2005, PNAS 102:10797), and the fixation of TFT among ALLD (Nowak et al. 2004, Nature 428:646).
  Targets were computed by independent code to the digits that the tolerances show. At N = 20 the chain is also
  simulated: 500 populations, each 100 times joined by one mutant of another kind, after 100 that do not count,
  evolve by `evolution.moran_birth_death` until all are alike again; `z` is of the mean shares over populations.
- *Replicator dynamics* over the plane of S and T with R = 1, P = 0, from half cooperators, to their end: harmony 1,
  snowdrift S / (S + T - 1), stag hunt by which side of that point one half is, prisoner's dilemma 0. Means over the
  four open quadrants of a grid of 101 x 101.
- *Fermi rule* in the donation game b = 3, c = 1, N = 20, beta = .1: closed form and sum.

Seed 0 for strategies, 1 for matches, 2 for mutants. Everything else has no randomness.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize

from softsim import rollout
from softsim.envs.matrix import MatrixGame, MatrixWorld, compile_matrix_games, two_by_two
from softsim.evaluation.outcomes import play_out
from softsim.evaluation.rating import payoff_table
from softsim.learners import strategies
from softsim.learners.evolution import moran_birth_death
from softsim.learners.structure import payoffs, well_mixed
from softsim.theory import fixation, memory_one, replicator
from softsim.types import Array, Policy
from softsim.validation import moran
from softsim.validation.figures import Figure, as_found, at_most, exactly, within

DILEMMA = (3.0, 0.0, 5.0, 1.0)
Figures = dict[str, Figure]


def run(small: bool, say: Callable[[str], None]) -> Figures:
    """Run all of it; `small` takes fewer strategies, matches and points of the plane."""
    with jax.enable_x64(True):
        num_pairs = 500 if small else 10_000
        found = closed_form(num_pairs) | extortion(num_pairs)
        say(f"{num_pairs} pairs of strategies played")
        found |= best_responses() | mutants()
        say("best responses and rare mutations found")
        found |= plane(21 if small else 101)
        say("replicator dynamics run to their end")
    found |= mutants_in_play(20, 20 if small else 100)
    say("rare mutants simulated")
    found |= world(1000 if small else 10_000)
    return found


def random_strategies(number: int, which: int) -> Array:
    """Strategies [number, 5], uniform."""
    return jax.random.uniform(jax.random.fold_in(jax.random.key(0), which), (number, 5))


def closed_form(num_pairs: int) -> Figures:
    continuation = 0.96
    game = memory_one.symmetric(jnp.array(DILEMMA))
    num_rounds = int(np.ceil(np.log(1e-12) / np.log(continuation)))
    weight = (1 - continuation) * continuation ** jnp.arange(num_rounds)

    @jax.jit
    @jax.vmap
    def errors(first, second):
        played = memory_one.dot(game, memory_one.propagate(first, second, weight))
        return jnp.abs(played - memory_one.value(game, first, second, continuation)).max()

    error = errors(random_strategies(num_pairs, 0), random_strategies(num_pairs, 1))
    return {
        "pairs": as_found(num_pairs),
        "rounds against closed form, greatest error of a payoff": within(error.max(), 0.0, 1e-10),
    }


def extortion(num_partners: int) -> Figures:
    own, partners = jnp.array(DILEMMA), random_strategies(num_partners, 2)
    game, extortioner = memory_one.symmetric(own), memory_one.extortion(own, factor=3.0, strength=0.5)
    score = jax.jit(jax.vmap(lambda partner: memory_one.dot(game, memory_one.long_run(extortioner, partner))))(partners)
    surplus = score - DILEMMA[3]
    return {
        "extortioner": within(extortioner[:4], [11 / 13, 1 / 2, 7 / 26, 0.0], 1e-12),
        "extortion, greatest error of s_X - P = 3 (s_Y - P)": within(
            jnp.abs(surplus[:, 0] - 3 * surplus[:, 1]).max(), 0.0, 1e-12
        ),
    }


def best_responses() -> Figures:
    partner = jnp.array(memory_one.STRATEGIES["tit_for_tat"])

    @jax.jit
    def cooperation(own: Array, continuation: Array) -> Array:
        response, _ = memory_one.best_response(partner, own, continuation)
        return memory_one.long_run(response, partner)[:2].sum()

    def switches(*own: float) -> list[float]:
        """Continuations at which cooperation crosses 1/4 and 3/4."""
        above = lambda continuation, level: float(cooperation(jnp.array(own), continuation)) - level  # noqa: E731
        return [scipy.optimize.bisect(above, 0.01, 0.99, args=(level,), xtol=1e-12) for level in (0.25, 0.75)]

    return {
        "best response to TFT switches, 3 0 5 1": within(switches(*DILEMMA), [1 / 4, 2 / 3], 1e-9),
        "best response to TFT switches, -1 -3 0 -2": within(switches(-1.0, -3.0, 0.0, -2.0), [1 / 2, 1 / 2], 1e-9),
    }


STATIONARY = {
    20: (0.0763, 0.3527, 0.5710),
    50: (0.0454, 0.4189, 0.5357),
    100: (0.0276, 0.5776, 0.3948),
    200: (0.0110, 0.8230, 0.1659),
}
"""Shares of ALLC, ALLD and TFT under rare mutations, by the size of the population."""

INVASION = {1.0: (1.695, 2.457, 3.575, 4.184), 0.01: (1.135, 1.329, 1.846, 2.474)}
"""N rho of TFT among ALLD by the intensity of selection, for N = 10, 20, 50, 100."""


def ten_rounds(own: tuple[float, ...]) -> Array:
    """Payoffs [3, 3] of ALLC, ALLD and TFT in ten rounds."""
    game = memory_one.symmetric(jnp.array(own))
    kinds = jnp.array([memory_one.STRATEGIES[name] for name in ("cooperate", "defect", "tit_for_tat")])
    return payoff_table(
        kinds, lambda one, other: memory_one.dot(game, memory_one.propagate(one, other, jnp.ones(10)))[0]
    )


def with_cost() -> Array:
    """Payoffs [3, 3] of ALLC, ALLD and TFT in the game of Imhof, Fudenberg and Nowak."""
    return ten_rounds((3.0, 0.1, 5.0, 1.0)) - jnp.array([[0.0], [0.0], [0.8]])


@functools.partial(jax.jit, static_argnums=0)
def rare_mutations_among_three(num_members: int) -> Array:
    """Shares [3] of ALLC, ALLD and TFT under rare mutations in that game."""
    table = with_cost()

    def log_fixation(contest):
        return fixation.log_fixation(fixation.moran_advantage(contest, num_members, 1.0))

    return fixation.rare_mutations(table, log_fixation)[1]


@functools.partial(jax.jit, static_argnums=0)
def invasion(num_members: int, intensity: Array | float) -> Array:
    """N rho [] of TFT among ALLD."""
    contest = ten_rounds(DILEMMA)[jnp.array([[2], [1]]), jnp.array([[2, 1]])]
    return num_members * jnp.exp(fixation.log_fixation(fixation.moran_advantage(contest, num_members, intensity)))


def mutants() -> Figures:
    figures = {
        f"ALLC ALLD TFT under rare mutations, N = {size}": within(rare_mutations_among_three(size), shares, 5e-5)
        for size, shares in STATIONARY.items()
    }
    for intensity, target in INVASION.items():
        measured = [float(invasion(num_members, intensity)) for num_members in (10, 20, 50, 100)]
        figures[f"N rho of TFT among ALLD, w = {intensity:g}"] = within(measured, target, 5e-4)
    advantage = fixation.fermi_advantage(fixation.donation(3.0, 1.0), 20, 0.1)
    total, closed = fixation.log_fixation(advantage), fixation.log_fixation_constant(advantage[0], 20)
    figures["Fermi rule, closed form"] = within(jnp.exp(closed), 0.0134414, 5e-8)
    figures["Fermi rule, sum less closed form"] = within(jnp.exp(total) - jnp.exp(closed), 0.0, 1e-14)
    return figures


def mutants_in_play(num_members: int, num_mutants: int) -> Figures:
    """Simulate what the chain says: a population of one kind, a mutant, and who of the two is left, over and over."""
    crowd, table = well_mixed(num_members), with_cost()

    def join(key: Array, resident: Array) -> Array:
        key_kind, key_place = jax.random.split(key)
        mutant = (resident + jax.random.randint(key_kind, (), 1, 3)) % 3
        place = jax.random.randint(key_place, (), 0, num_members)
        return jnp.where(jnp.arange(num_members) == place, mutant, resident).astype(jnp.int32)

    evolve = functools.partial(
        moran.play,
        choose=moran_birth_death(),
        structure=crowd,
        fitness=lambda kind: payoffs(crowd, table, kind, average=True),
        begin=join,
        num_kinds=3,
    )
    key_first, key_then = jax.random.split(jax.random.key(2))
    settled = evolve(key_first, num_runs=100 * moran.SLOTS).last
    counted = evolve(key_then, num_runs=num_mutants * moran.SLOTS, before=settled).won
    shares = np.asarray(counted, np.float64) / num_mutants
    error = shares.std(0, ddof=1) / np.sqrt(len(shares))
    z = (shares.mean(0) - STATIONARY[num_members]) / error
    name = f"ALLC ALLD TFT under rare mutations, N = {num_members}, simulated"
    return {name: as_found(shares.mean(0)), f"{name}, z": within(z, np.zeros(3), 4.0)}


def plane(num_points: int) -> Figures:
    """Mean cooperation at the end in the four quadrants of S from -1 to 1 and T from 0 to 2."""
    sucker, temptation = np.meshgrid(np.linspace(-1, 1, num_points), np.linspace(0, 2, num_points))

    @jax.jit
    @jax.vmap
    def cooperation(sucker, temptation):
        game = jnp.array([[1.0, sucker], [temptation, 0.0]])
        return replicator.integrate(jnp.array([0.5, 0.5]), game, step=0.5, num_steps=1000)[0]

    end = np.asarray(cooperation(sucker.reshape(-1), temptation.reshape(-1))).reshape(sucker.shape)
    row, column = np.sign(np.indices(end.shape) - num_points // 2)  # of T - 1 and of S
    quadrant = lambda above, right: end[(row == above) & (column == right)].mean()  # noqa: E731
    means = [quadrant(-1, 1), quadrant(1, 1), quadrant(-1, -1), quadrant(1, -1)]
    return {"cooperation in harmony, snowdrift, stag hunt, dilemma": within(means, [1.0, 0.5, 0.5, 0.0], 0.005)}


CONTINUATION, LONGEST = 0.75, 48
"""Of matches in the world; one in a million would last longer."""


def world(num_matches: int) -> Figures:
    """Hold the matrix world to the theory."""
    game = MatrixGame("dilemma", two_by_two(*DILEMMA), continuation=CONTINUATION, horizon=LONGEST)
    arena, situations = compile_matrix_games([game])
    params = jax.tree.map(lambda leaf: leaf[0], situations)
    joint = np.indices((2, 2)).reshape(2, 4).T.astype(np.int32)  # CC, CD, DC, DD

    @jax.jit
    @jax.vmap
    def show(action):
        state, _ = arena.reset(jax.random.key(0), params)
        timestep = arena.step(jax.random.key(0), params, state, action)[1]
        return timestep.payoff, jax.vmap(strategies.cooperation, (None, 0))(jnp.arange(5.0), timestep.observation.move)

    pays, row = show(joint)
    ladder = [
        ("win_stay_lose_shift", "defect"),
        ("tit_for_tat", "win_stay_lose_shift"),
        ((0.8, 0.3, 0.6, 0.1, 0.5), "tit_for_tat"),
        ((0.7, 0.2, 0.9, 0.4, 0.6), (0.3, 0.8, 0.1, 0.5, 0.2)),
    ]
    pairs = np.array([[memory_one.STRATEGIES.get(each, each) for each in pair] for pair in ladder], np.float32)
    totals = play_matches(arena, situations, pairs, num_matches)
    expected = jax.jit(jax.vmap(lambda pair: memory_one.value(params.payoff, *pair, CONTINUATION)))(pairs)
    error = totals.std(-1, ddof=1) / np.sqrt(num_matches)
    z = np.abs(totals.mean(-1) - np.asarray(expected) / (1 - CONTINUATION)) / error
    return {
        "the world's payoffs": within(pays.T, memory_one.symmetric(jnp.array(DILEMMA)), 0.0),
        "the world's joint moves as each player sees them": exactly(
            row.T.astype(jnp.int32), [[0, 1, 2, 3], list(memory_one.SWAP[:4])]
        ),
        "matches in the world, greatest |z| of a mean payoff": at_most(z.max(), 4.0),
    }


def play_matches(arena: MatrixWorld, situations, pairs: np.ndarray, num_matches: int) -> np.ndarray:
    """Let pairs of strategies, [N, 2, 5], play; what each player got in each match, [N, 2, num_matches]."""

    def apply(mind, carry, percept):
        return strategies.memory_one(mind).apply((), carry, percept)

    policy = Policy(init=lambda key: jnp.zeros(5), start=lambda: (), apply=apply)
    table = rollout.Table(arena, policy, 2, (), len(pairs), num_matches)
    place = np.arange(2 * num_matches, dtype=np.int32).reshape(-1, 2).T  # member m in slot m of every match
    place = np.broadcast_to(place, (len(pairs), *place.shape))
    key = jax.random.split(jax.random.key(1), len(pairs))
    play = jax.jit(play_out, static_argnums=(0, 1))
    trajectory = play(table, LONGEST, key, situations, jnp.asarray(pairs), place)[1].trajectory
    goes_on = np.cumprod(np.asarray(trajectory.discount), -1)
    first_match = np.concatenate([np.ones_like(goes_on[..., :1]), goes_on[..., :-1]], -1)
    return np.asarray((first_match * trajectory.reward).sum(-1), np.float64)
