"""Fixation in finite populations, and where rare mutations lead: exactly.

A process that moves one mutant up or down at a time is its *advantage* [N-1]: log(T+ / T-), the log-odds of the next
change being one mutant more, with 1 to N-1 of them among N members. Everything follows from it, and it is kept in
logarithms, so that strong selection neither overflows nor underflows. A contest is a matrix [2, 2]: what mutants (row
0) and residents (row 1) get from meeting a mutant (column 0) and a resident.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

from softsim.theory.equations import solve
from softsim.types import Array


def log_fixation(advantage: Array) -> Array:
    """Log-probability that the offspring of one mutant take over, from its advantage [N-1] at every number of them.

    rho = 1 / (1 + sum_k prod_{i<=k} T-_i / T+_i) (Karlin and Taylor 1975; Nowak et al. 2004, Nature 428:646).
    """
    return -logsumexp(jnp.append(-jnp.cumsum(advantage), 0.0))


def log_fixation_constant(advantage: Array, num_members: Array | int) -> Array:
    """The same where the advantage u, [], does not depend on the number of mutants: (1 - e^-u) / (1 - e^-Nu).

    With u = log r this is the Moran process at relative fitness r (Moran 1958); with u = beta (F - G), imitation by the
    Fermi rule (Traulsen, Nowak, Pacheco 2006); with u = alpha (f - g), alpha-rank (Omidshafiei et al. 2019).
    """
    size = jnp.abs(advantage)
    some = jnp.where(size > 0, size, 1.0)
    ratio = jnp.log(-jnp.expm1(-some)) - jnp.log(-jnp.expm1(-num_members * some))
    upwards = jnp.where(size > 0, ratio, -jnp.log(jnp.asarray(num_members, ratio.dtype)))
    return upwards - (num_members - 1) * jnp.maximum(-advantage, 0.0)


def moran(fitness: Array | float, num_members: Array | int) -> Array:
    """Fixation probability of one mutant of constant relative fitness, in a well-mixed population or on any regular
    undirected graph (Lieberman, Hauert, Nowak 2005, Nature 433:312)."""
    return jnp.exp(log_fixation_constant(jnp.log(fitness), num_members))


def mean_payoffs(contest: Array, num_members: int) -> tuple[Array, Array]:
    """Mean payoff of mutants and of residents, [N-1] each, with 1 to N-1 mutants; nobody meets itself."""
    mutants = jnp.arange(1, num_members, dtype=jnp.asarray(contest).dtype)
    (a, b), (c, d) = contest
    own = (a * (mutants - 1) + b * (num_members - mutants)) / (num_members - 1)
    others = (c * mutants + d * (num_members - mutants - 1)) / (num_members - 1)
    return own, others


def moran_advantage(contest: Array, num_members: int, intensity: Array | float) -> Array:
    """Advantage [N-1] in the Moran process with fitness 1 - w + w payoff (Nowak et al. 2004).

    Args:
        intensity: [] w, from 0 (neutral) to 1 (fitness is payoff, which must be positive then).
    """
    own, others = mean_payoffs(contest, num_members)
    return jnp.log(1 - intensity + intensity * own) - jnp.log(1 - intensity + intensity * others)


def fermi_advantage(contest: Array, num_members: int, intensity: Array | float) -> Array:
    """Advantage [N-1] under pairwise comparison by the Fermi rule, beta (F - G) (Traulsen, Nowak, Pacheco 2006)."""
    own, others = mean_payoffs(contest, num_members)
    return intensity * (own - others)


def cycle_payoffs(contest: Array, num_members: int) -> tuple[Array, Array, Array, Array]:
    """Payoffs summed over both neighbours on a cycle where the mutants are one interval, [N-1] each.

    Of a mutant at the edge of the interval, of the mutant behind it, of a resident at the edge, of the one behind it.
    """
    mutants = jnp.arange(1, num_members)
    residents = num_members - mutants
    (a, b), (c, d) = contest
    return (
        jnp.where(mutants == 1, 2 * b, a + b),
        jnp.where(mutants == 2, a + b, 2 * a),
        jnp.where(residents == 1, 2 * c, c + d),
        jnp.where(residents == 2, c + d, 2 * d),
    )


def cycle_birth_death(contest: Array, num_members: int, intensity: Array | float) -> Array:
    """Advantage [N-1] on a cycle of 3 or more where the fit reproduce and a random neighbour of theirs dies.

    Exact at any intensity w of selection, fitness being 1 - w + w payoff: one interval stays one interval (Ohtsuki and
    Nowak 2006, Proc. R. Soc. B 273:2249).
    """
    mutant, _, resident, _ = (1 - intensity + intensity * each for each in cycle_payoffs(contest, num_members))
    return jnp.log(mutant) - jnp.log(resident)


def cycle_death_birth(contest: Array, num_members: int, intensity: Array | float) -> Array:
    """The same where a random member dies and its neighbours compete for its place."""
    payoffs = cycle_payoffs(contest, num_members)
    mutant, second_mutant, resident, second_resident = (1 - intensity + intensity * each for each in payoffs)
    mutants = jnp.arange(1, num_members)
    up = jnp.where(mutants == num_members - 1, 1.0, 2 * mutant / (mutant + second_resident))
    down = jnp.where(mutants == 1, 1.0, 2 * resident / (resident + second_mutant))
    return jnp.log(up) - jnp.log(down)


def donation(benefit: Array | float, cost: Array | float) -> Array:
    """The contest [2, 2] of a mutant that pays `cost` to give whomever it meets `benefit`, among those who do not."""
    benefit, cost = jnp.asarray(benefit), jnp.asarray(cost)
    return jnp.stack([jnp.stack([benefit - cost, -cost]), jnp.stack([benefit, jnp.zeros_like(benefit)])])


def critical_ratio(num_members: float, degree: float) -> float:
    """The b/c above which death-birth favours giving on a regular graph, where selection is weak: (N-2) / (N/k - 2).

    For finite N by Taylor, Day, Wild 2007 (Nature 447:469); k for large N (Ohtsuki et al. 2006, Nature 441:502). Where
    it is negative, N < 2k, nothing favours it.
    """
    return (num_members - 2) / (num_members / degree - 2)


def star(fitness: Array | float, num_members: int) -> Array:
    """Fixation probability on a star of birth-death with constant relative fitness; the mutant arises anywhere, at
    random. By solving the 2N equations of the chain over (is the centre a mutant, how many leaves are)."""
    leaves = num_members - 1
    fitness = jnp.asarray(fitness)
    number = jnp.arange(leaves + 1)
    amid, apart = number + leaves + 1, number  # where a state with a mutant, or a resident, in the centre is
    # With a mutant amid, a resident leaf turns (weight r) or the centre does (weight n).
    rise = fitness / (fitness + leaves)
    # With a resident amid, a mutant leaf turns (weight 1) or the centre does (weight n r).
    fall = 1 / (leaves * fitness + 1)
    system = jnp.eye(2 * (leaves + 1), dtype=rise.dtype)
    system = system.at[amid[:-1], amid[1:]].add(-rise).at[amid[:-1], apart[:-1]].add(rise - 1)
    system = system.at[apart[1:], amid[1:]].add(fall - 1).at[apart[1:], apart[:-1]].add(-fall)
    everyone = jnp.zeros(2 * (leaves + 1), rise.dtype).at[-1].set(1.0)
    fixes = solve(system, everyone)
    return (fixes[amid[0]] + leaves * fixes[apart[1]]) / num_members


def contests(table: Array) -> Array:
    """Every two strategies of a payoff table [K, K] by themselves, [K, K, 2, 2]: at [i, j] one j among i's."""
    kind = jnp.arange(table.shape[0])

    def contest(resident, mutant):
        both = jnp.stack([mutant, resident])
        return table[both[:, None], both[None]]

    return jax.vmap(jax.vmap(contest, in_axes=(None, 0)), in_axes=(0, None))(kind, kind)


def rare_mutations(table: Array, log_fixation: Callable[[Array], Array]) -> tuple[Array, Array]:
    """Where a population goes that is all of one kind nearly always, because mutations are rare.

    The chain over kinds of Fudenberg and Imhof 2006 (J. Econ. Theory 131:251): a mutant is of any of the other K-1
    kinds, and takes over with its fixation probability. With `log_fixation_constant` it is alpha-rank's chain.

    Args:
        table: [K, K] what row gets from column. log_fixation: of one mutant, from its contest [2, 2].

    Returns:
        [K, K] probability of going from row to column, and [K] its stationary distribution.
    """
    num_kinds = table.shape[0]
    log_rate = jax.vmap(jax.vmap(log_fixation))(contests(table)) - jnp.log(num_kinds - 1.0)
    apart = ~jnp.eye(num_kinds, dtype=bool)
    rate = jnp.where(apart, jnp.exp(log_rate), 0.0)
    stay = 1 - rate.sum(1)
    return rate + jnp.diag(stay), stationary(log_rate)


def stationary(log_rate: Array) -> Array:
    """Stationary distribution [K] of a chain from the logarithms of its rates [K, K], row to column.

    The diagonal is not read: what is not left is kept. Elimination of states without any subtraction (Grassmann,
    Taksar, Heyman 1985), in logarithms: each entry is right to a few rounding errors however small the rates are.
    From every state but the first some state before it must be reachable through those after it.
    """
    num_states = log_rate.shape[0]
    state = jnp.arange(num_states)
    nothing = -jnp.inf

    def eliminate(step, rates):
        last = num_states - 1 - step
        before = state < last
        leaving = jnp.where(before, rates[last], nothing)
        into = jnp.where(before, rates[:, last] - logsumexp(leaving), nothing)
        around = into[:, None] + leaving[None]
        return jnp.logaddexp(rates, around).at[:, last].set(jnp.where(before, into, rates[:, last]))

    def extend(now, mass):
        arriving = jnp.where(state < now, mass + reduced[:, now], nothing)
        return mass.at[now].set(logsumexp(arriving))

    reduced = jax.lax.fori_loop(0, num_states - 1, eliminate, log_rate)
    first = jnp.where(state == 0, 0.0, nothing).astype(log_rate.dtype)
    mass = jax.lax.fori_loop(1, num_states, extend, first)
    return jax.nn.softmax(mass)
