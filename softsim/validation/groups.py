"""Groups that divide in place of each other, and what weak selection does in them.

The process of Traulsen and Nowak 2006 (PNAS 103:10952) in the limit of rare division. Members replace each other within
their group by what they get from the rest of it, and a group divides as fast as its members breed; when one does, its
members have long been alike, and both halves are like it.

To first order cooperators take over with probability x + w R, from a share x of them. Without selection any share of
them takes over as likely as it is large, so R adds up, over a run without selection, by how much larger the share of
the next generation would have been by payoff than by lot, for each unit of w. With the same random numbers for both,
luck cancels.

Some runs take much longer than others, and in these R is larger. But by lot a share x goes to 0 or 1 with x as its
mean, so that the squares of its steps add up to x (1 - x) on average, whatever the process. Both grow together, and R
is told by their ratio (a control variate). In generations of all members, and then of all groups, it is 0 at
b / c = (n + m - 1) / (m - 1 - n / (n - 1)).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from softsim.learners.evolution import Choose, inherit, moran_birth_death, proportional
from softsim.learners.structure import Structure, islands, payoffs, well_mixed
from softsim.theory import fixation
from softsim.types import Array

GROUP, GROUPS = 50, 200
MEMBERS = GROUP * GROUPS

WEAK = 0.02
BENEFITS = (1.0, 1.5)
"""Of group selection: w, and what is given where the response to it is measured."""

SLOTS = 50
"""Futures side by side."""


def by_levels(key: Array, num_starts: int, num_futures: int) -> float:
    """Simulate groups that drift and replace each other; find the b at which weak selection does nothing for giving.

    Args:
        num_starts: runs until groups are uniform. num_futures: of these, one after another in each of `SLOTS`.
    """
    key_start, key_future = jax.random.split(key)
    keys = jax.random.split(key_start, num_starts)
    groups, *within_them = jax.jit(lambda keys: jax.lax.map(within_groups, keys, batch_size=4))(keys)
    between_them = jax.jit(among_groups, static_argnums=2)(key_future, groups, num_futures)
    share = np.asarray(groups, np.float64).mean(1)
    total = 0.0
    for (response, luck), variance in ((within_them, 1 / 4), (between_them, (share * (1 - share)).mean())):
        total = total + variance * np.asarray(response, np.float64).sum(0) / np.asarray(luck, np.float64).sum()
    return float(BENEFITS[0] - total[0] * (BENEFITS[1] - BENEFITS[0]) / (total[1] - total[0]))


def earned(kind: Array) -> Array:
    """Fitness of members of kinds [P] among their groups, with each of the `BENEFITS` at a cost of 1."""

    def meet(benefit):
        return payoffs(islands(GROUPS, GROUP), fixation.donation(benefit, 1.0)[::-1, ::-1], kind, average=True)

    return 1.0 - WEAK + WEAK * jax.vmap(meet)(jnp.array(BENEFITS))


def respond(key: Array, kind: Array, fitness: Array, structure: Structure) -> tuple[Array, Array]:
    """Replace all, [P], by children of parents drawn by lot; and say by how much more of them would be cooperators
    had the same draws gone by each fitness, [2, P]."""
    worth = jnp.concatenate([jnp.ones_like(fitness[:1]), fitness])
    parent = jax.vmap(proportional(), in_axes=(None, 0, None))(key, worth, structure)
    child = jax.vmap(inherit, in_axes=(0, None))(parent, kind)
    share = child.mean(1)
    return child[0], share[1:] - share[0]


def within_groups(key: Array) -> tuple[Array, Array, Array]:
    """Go on from half cooperators in each group until all its members are alike.

    Returns:
        [GROUPS] their kinds; [2] responses, and [] squared steps of shares by lot, each in the mean group.
    """
    crowd = islands(GROUPS, GROUP, include_self=True)

    def in_groups(kind):
        return kind.reshape(GROUPS, GROUP)

    def mixed(carry):
        groups = in_groups(carry[1])
        return (groups != groups[:, :1]).any()

    def generation(carry):
        key, kind, total, luck = carry
        key, key_draw = jax.random.split(key)
        child, response = respond(key_draw, kind, earned(kind), crowd)
        step = in_groups(child).mean(1) - in_groups(kind).mean(1)
        return key, child, total + response, luck + (step**2).mean()

    start = key, jnp.arange(MEMBERS, dtype=jnp.int32) % 2, jnp.zeros(2), jnp.float32(0.0)
    _, kind, total, luck = jax.lax.while_loop(mixed, generation, start)
    return kind[::GROUP], total, luck


def among_groups(key: Array, starts: Array, num_futures: int) -> tuple[Array, Array]:
    """Let groups, from starts [S, GROUPS], replace each other until all are alike.

    Slots go on with their next future as soon as one is over, as in `moran.play`.

    Returns:
        [SLOTS, 2] responses, and [SLOTS] squared steps of the share of cooperators by lot.
    """
    everyone = well_mixed(GROUPS, include_self=True)
    uniform = earned(jnp.arange(MEMBERS, dtype=jnp.int32) // GROUP % 2).reshape(2, GROUPS, GROUP).mean(2)
    respond_all = jax.vmap(respond, in_axes=(0, 0, 0, None))
    slot = jnp.arange(SLOTS)

    def generation(carry):
        key, groups, done, total, luck = carry
        key, key_draw = jax.random.split(key)
        fitness = uniform[:, groups].swapaxes(0, 1)  # the first group is of kind 0, the second of kind 1
        child, response = respond_all(jax.random.split(key_draw, SLOTS), groups, fitness, everyone)
        going = done < num_futures
        total = total + going[:, None] * response
        luck = luck + going * (child.mean(1) - groups.mean(1)) ** 2
        over = (child == child[:, :1]).all(1)
        done = done + over
        fresh = starts[(slot * num_futures + done) % len(starts)]
        return key, jnp.where(over[:, None], fresh, child), done, total, luck

    nothing = jnp.zeros(SLOTS)
    first = key, starts[slot * num_futures % len(starts)], jnp.zeros_like(slot), jnp.zeros((SLOTS, 2)), nothing
    return jax.lax.while_loop(lambda carry: (carry[2] < num_futures).any(), generation, first)[3:]


def divide(num_groups: int, size: int) -> Choose:
    """Let a member replace another of its group, or, when each group is of one kind, a group replace another.

    All of a kind in a group are as fit as each other, so in a mixed group, and only there, fitness differs.
    """

    def choose(key, fitness, structure):
        key_birth, key_division = jax.random.split(key)
        groups = fitness.reshape(num_groups, size)
        mixed = (groups != groups[:, :1]).any()
        birth = moran_birth_death()(key_birth, fitness, structure)
        parent = moran_birth_death()(key_division, groups.mean(1), well_mixed(num_groups))
        member = jnp.arange(num_groups * size, dtype=jnp.int32).reshape(groups.shape)
        return jnp.where(mixed, birth, member[parent].reshape(-1))

    return choose
