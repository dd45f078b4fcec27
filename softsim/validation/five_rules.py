"""Cooperation pays from where Nowak's five rules, and reward sharing, say it does.

Who cooperates pays c for another to get b; b = 5 and c = 2 unless one of them is searched for. A rule says where the
growth rate of cooperators changes sign (Nowak 2006, Science 314:1560), and a root finder finds where it does.

- `*_mean_field`: in infinite populations, by the replicator equation in float64. Reciprocity is judged as the
  invasion of a population that reciprocates by a few who always defect, all else at a share of one half, though there
  any share gives the same. Groups: the matrix of Nowak's table, n = 50 in each of m = 200; n and m are weights in it,
  so that it shows no more than that they are put in rightly.
- `*_agents`: in populations of 10,000, half of them cooperators. Members meet, get what they get, and all are replaced
  by children of parents drawn in proportion to payoff above the least there is (`evolution.proportional`); growth is
  the mean change of the share of cooperators in that one generation, over many with keys of their own.
  Kin: with probability r one meets one's own kind, else anybody. Direct: matches in `MatrixWorld` against residents who
  play tit for tat. Indirect: a resident gives unless it knows, with probability q, that one defects. Sharing:
  `MatrixWorld` adds up rewards with weights s for oneself and 1 - s for the other. Network: a ring on which every
  place goes to one of the two neighbours, as if all died, in blocks of four.
- `group_chain`, `group_fixation`, `group_agents`: groups that seldom divide, each time in place of another group
  (Traulsen and Nowak 2006, PNAS 103:10952), so that all in a group descend from one member before that happens. The
  chain of one mutant in its group, and then of its group among the others, is exact, and gives 1 + n / (m - 2) for weak
  selection. `group_fixation` is how often one mutant takes over 10 groups of 5, one birth or division a step, at
  w = 0.1 and with the b that makes rho 1 / N in the chain. With 10,000 agents, n = 50 and m = 200, that would take too
  long; they have generations, and it is the effect of weak selection that is measured (`validation.groups`): all draw
  parents by lot, and once more by payoff, w = 0.02, with the same random numbers. By how much more cooperators there
  would be, added up until one kind has taken over, is what selection adds to the chance of cooperators to do so. It is
  taken in proportion to the squared steps that shares make by lot, whose sum has the same mean in any fair game, and it
  is linear in b: b = 1 and b = 1.5, on the same runs, say where it is nothing. Neither n nor m enters.
- `network_chain`: the exact chain on rings of 10, 20, 50 and 100, by where the derivative of log rho at w = 0 is 0.
  `network_fixation`: death-birth runs of 20 members at w = 0.1, with the b that makes rho 1 / N in the chain.

Targets: r, w, q = c/b; s = b/(b + c); b/c = 1 + n/m, which is for large numbers, and about .6 % low for groups as they
are simulated; b/c = (N - 2) / (N/k - 2), k = 2. Seed: `key(2006)`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize

from softsim.envs.matrix import MatrixGame, MatrixParams, MatrixWorld, compile_matrix_games, two_by_two
from softsim.envs.params import Sharing
from softsim.envs.sharing import share as share_rewards
from softsim.learners.evolution import inherit, moran_death_birth, proportional
from softsim.learners.strategies import cooperation
from softsim.learners.structure import Structure, cycle, islands, well_mixed
from softsim.theory import fixation, memory_one, replicator
from softsim.types import Array
from softsim.validation import moran
from softsim.validation.figures import Figure, within
from softsim.validation.groups import GROUP, GROUPS, MEMBERS, by_levels, divide

BENEFIT, COST = 5.0, 2.0
PAYOFF = (BENEFIT - COST, -COST, BENEFIT, 0.0)
"""At one's own CC, CD, DC, DD."""

TARGETS = {
    "kin": COST / BENEFIT,
    "direct": COST / BENEFIT,
    "indirect": COST / BENEFIT,
    "sharing": BENEFIT / (BENEFIT + COST),
    "group": 1.0 + GROUP / GROUPS,
}
LARGEST = {"kin": 1.0, "direct": 0.9, "indirect": 1.0, "sharing": 1.0, "network": 4.0, "group": 4.0}
"""Where searches end; they begin at 0."""


def run(small: bool, say: Callable[[str], None]) -> dict[str, Figure]:
    figures = {}
    with jax.enable_x64(True):
        for name, target in TARGETS.items():
            figures[f"{name}_mean_field"] = within(zero(mean_field(name), LARGEST[name]), target, 1e-12)
        sizes = np.array([10, 20, 50, 100])
        found = [zero(under_weak_selection(on_ring(int(size))), LARGEST["network"]) for size in sizes]
        figures["network_chain"] = within(found, (sizes - 2) / (sizes / 2 - 2), 1e-12)
        found = zero(under_weak_selection(through_levels(GROUPS, GROUP)), LARGEST["group"])
        figures["group_chain"] = within(found, 1.0 + GROUP / (GROUPS - 2), 1e-12)
        on_circle = zero(lambda benefit: on_ring(20)(benefit, 0.1) + jnp.log(20.0), LARGEST["network"])
        in_groups = zero(lambda benefit: through_levels(10, 5)(benefit, 0.1) + jnp.log(50.0), LARGEST["group"])
    say("mean fields and chains done")

    num_runs = 2 * moran.SLOTS if small else 40 * moran.SLOTS
    circle, few = cycle(20), islands(10, 5)
    for number, name, choose, structure, fitness in (
        (0, "network", moran_death_birth(), circle, moran.giving(circle, on_circle, 1.0, 0.1)),
        (100, "group", divide(10, 5), few, moran.giving(few, in_groups, 1.0, 0.1, average=True)),
    ):
        chance = 1 / structure.num_members
        fixed = moran.fixation(keyed(number), choose, structure, fitness, num_runs)
        figures[f"{name}_fixation"] = within(fixed, chance, 4.0 * float(np.sqrt(chance * (1 - chance) / num_runs)))
        say(f"{name}: {fixed:.4f} of {num_runs} runs fixed")

    targets = TARGETS | {"network": (MEMBERS - 2) / (MEMBERS / 2 - 2)}
    for number, (name, target) in enumerate(targets.items(), 1):
        if name == "group":
            found = by_levels(keyed(number), *((2, 1) if small else (8, 10)))
        else:
            generations = (40 if name == "direct" else 400) // (10 if small else 1)
            found = critical(agents(name, generations, number), LARGEST[name], 12)
        figures[f"{name}_agents"] = within(found, target, (0.1 if small else 0.02) * target)
        say(f"{name}: {found:.4f} among {MEMBERS} agents, {target:.4f} on paper")
    return figures


def zero(growth: Callable[[float], Array], largest: float) -> float:
    """Find the strength from 0 to `largest` at which growth, [], is 0, where no chance is in it."""
    return scipy.optimize.brentq(jax.jit(growth), 0.0, largest, xtol=1e-15)


def critical(growth: Callable[[float], Array], largest: float, halvings: int) -> float:
    """Bisect for the strength from 0 to `largest` at which growth, [], changes sign."""
    low, high = 0.0, largest
    rises = not growth(low) > 0  # the cheap end: matches are short
    for _ in range(halvings):
        middle = (low + high) / 2
        beyond = bool(growth(middle) > 0) == rises
        low, high = (low, middle) if beyond else (middle, high)
    return (low + high) / 2


def mean_field(name: str) -> Callable[[float], Array]:
    """Growth rate of cooperators, less that of defectors, in the replicator equation, by the strength of a rule."""
    once = jnp.array(PAYOFF).reshape(2, 2)
    game = memory_one.symmetric(jnp.array(PAYOFF))
    kinds = jnp.array([memory_one.STRATEGIES[kind] for kind in ("tit_for_tat", "defect")])

    def repeated(continuation):
        value = functools.partial(memory_one.value, game, continuation=continuation)
        return jax.vmap(jax.vmap(value, (None, 0)), (0, None))(kinds, kinds)[..., 0] / (1 - continuation)

    def shared(weight):
        nobody, both = jnp.zeros(2), jnp.stack([once, once.T], -1).reshape(4, 2)
        reward = jax.vmap(lambda pair: share_rewards(pairwise(weight), pair, nobody, jnp.ones(2, bool))[0])(both)
        return reward[:, 0].reshape(2, 2)

    matrix = {
        "kin": lambda r: r * jnp.diag(once)[:, None] + (1 - r) * once,
        "direct": repeated,
        "indirect": lambda q: once - q * jnp.array([[0.0, -COST], [BENEFIT, 0.0]]),
        "sharing": shared,
        "group": lambda b: GROUPS * jnp.array([[1.0], [0.0]]) * (b - 1) + GROUP * fixation.donation(b, 1.0),
    }[name]
    rare = 1e-30 if name in ("direct", "indirect") else 0.5
    share = jnp.array([1 - rare, rare])

    def growth(strength):
        speed = replicator.velocity(share, matrix(strength)) / share
        return speed[0] - speed[1]

    return growth


Chain = Callable[[Array | float, Array | float], Array]
"""Log-probability, [], that giving at a cost of 1 takes over from one mutant, by what it gives and by w."""


def on_ring(num_members: int) -> Chain:
    """Giving on a ring of death-birth."""

    def chain(benefit, intensity):
        contest = fixation.donation(benefit, 1.0)
        return fixation.log_fixation(fixation.cycle_death_birth(contest, num_members, intensity))

    return chain


def through_levels(num_groups: int, size: int) -> Chain:
    """Giving in one of some groups that divide when all their members are alike: in it, and then among groups."""

    def chain(benefit, intensity):
        contest = fixation.donation(benefit, 1.0)
        in_group = fixation.moran_advantage(contest, size, intensity)
        of_group = jnp.log1p(intensity * (contest[0, 0] - 1.0)) - jnp.log1p(intensity * (contest[1, 1] - 1.0))
        return fixation.log_fixation(in_group) + fixation.log_fixation(jnp.full(num_groups - 1, of_group))

    return chain


def under_weak_selection(chain: Chain) -> Callable[[float], Array]:
    """How fast log rho rises with the intensity of selection where that is 0, by what is given."""
    return lambda benefit: jax.grad(chain, 1)(benefit, 0.0)


def pairwise(weight: Array) -> Sharing:
    """Rewards of two who weigh their own payoff by `weight` and the other's by the rest."""
    own, nothing = jnp.eye(2), jnp.zeros(2)
    return Sharing(weight * own + (1 - weight) * (1 - own), nothing, nothing, nothing[0])


def keyed(number: int) -> Array:
    return jax.random.fold_in(jax.random.key(2006), number)


def agents(name: str, generations: int, number: int) -> Callable[[float], Array]:
    """Growth of cooperators among `MEMBERS` agents, averaged over generations, by the strength of a rule.

    Every strength is tried with the same draws, those of `keyed(number)`.
    """
    meet = {"kin": kin, "direct": direct, "indirect": indirect, "sharing": sharing, "network": network}

    @jax.jit
    def growth(strength):
        one = functools.partial(one_generation, meet[name])
        keys = jax.random.split(keyed(number), generations)
        return jax.lax.map(lambda key: one(key, jnp.float32(strength)), keys).mean()

    return growth


def one_generation(
    meet: Callable[[Array, Array], tuple[Array, Array, Structure]], key: Array, strength: Array
) -> Array:
    """Let everybody meet, and be replaced; gives the change of the share of cooperators."""
    key_meet, key_select = jax.random.split(key)
    kind, fitness, structure = meet(key_meet, strength)
    return spread(key_select, kind, fitness, structure)


def spread(key: Array, kind: Array, fitness: Array, structure: Structure) -> Array:
    """Change of the share of kind 1 in a generation of children."""
    child = inherit(proportional()(key, fitness, structure), kind)
    return (child.mean() - kind.mean()).astype(jnp.float32)


def halves() -> tuple[Array, Structure]:
    """Half of the members cooperate (kind 1), and anybody may be anybody's parent."""
    return (jnp.arange(MEMBERS) < MEMBERS // 2).astype(jnp.int32), well_mixed(MEMBERS, include_self=True)


def kin(key: Array, relatedness: Array) -> tuple[Array, Array, Structure]:
    kind, crowd = halves()
    key_kin, key_other = jax.random.split(key)
    stranger = kind[jax.random.randint(key_other, kind.shape, 0, MEMBERS)]
    other = jnp.where(jax.random.bernoulli(key_kin, relatedness, kind.shape), kind, stranger)
    return kind, COST + BENEFIT * other - COST * kind, crowd


def indirect(key: Array, known: Array) -> tuple[Array, Array, Structure]:
    kind, crowd = halves()
    given = (kind == 1) | ~jax.random.bernoulli(key, known, kind.shape)
    return kind, BENEFIT * given - COST * kind, crowd


def direct(key: Array, continuation: Array) -> tuple[Array, Array, Structure]:
    kind, crowd = halves()
    world, params = dilemma(continuation, pairwise(jnp.float32(1.0)))
    mind = jnp.array([memory_one.STRATEGIES[name] for name in ("defect", "tit_for_tat")])
    resident = mind[1]

    def play_round(carry):
        key, going, state, move, payoff = carry
        key, key_step = jax.random.split(key)
        gives = jax.vmap(cooperation)(mind[kind], move[:, 0]), jax.vmap(cooperation, (None, 0))(resident, move[:, 1])
        action = 1 - jnp.stack(gives, -1).astype(jnp.int32)
        step = jax.vmap(world.step, in_axes=(0, None, 0, 0))
        state, timestep = step(jax.random.split(key_step, MEMBERS), params, state, action)
        payoff = payoff + jnp.where(going, timestep.payoff[:, 0], 0.0)
        return key, going & ~timestep.last, state, timestep.observation.move, payoff

    key, key_reset = jax.random.split(key)
    state, timestep = jax.vmap(world.reset, in_axes=(0, None))(jax.random.split(key_reset, MEMBERS), params)
    start = key, jnp.ones(MEMBERS, bool), state, timestep.observation.move, jnp.zeros(MEMBERS)
    payoff = jax.lax.while_loop(lambda carry: carry[1].any(), play_round, start)[-1]
    return kind, payoff - (BENEFIT - COST), crowd


def sharing(key: Array, weight: Array) -> tuple[Array, Array, Structure]:
    kind, crowd = halves()
    key_other, key_step = jax.random.split(key)
    other = kind[jax.random.randint(key_other, kind.shape, 0, MEMBERS)]
    world, params = dilemma(jnp.float32(0.0), pairwise(weight))
    state, _ = world.reset(key_step, params)
    play = jax.vmap(world.step, in_axes=(0, None, None, 0))
    timestep = play(jax.random.split(key_step, MEMBERS), params, state, 1 - jnp.stack([kind, other], -1))[1]
    return kind, COST + timestep.reward[:, 0], crowd


def dilemma(continuation: Array, rewards: Sharing) -> tuple[MatrixWorld, MatrixParams]:
    """The donation game, over and over with a probability."""
    world, stacked = compile_matrix_games([MatrixGame("donation", two_by_two(*PAYOFF), horizon=1000)])
    params = jax.tree.map(lambda leaf: leaf[0], stacked)
    return world, dataclasses.replace(params, continuation=continuation, sharing=rewards)


def network(key: Array, benefit: Array) -> tuple[Array, Array, Structure]:
    del key  # who meets whom is fixed
    circle = cycle(MEMBERS)
    kind = (jnp.arange(MEMBERS) // 4 % 2).astype(jnp.int32)
    return kind, moran.giving(circle, benefit, 1.0, 0.3)(kind), circle
