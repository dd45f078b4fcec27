"""One mutant takes over as often as theory says: on a complete graph, a torus, a star and a cycle.

20,000 runs of each case, one event a step, until the mutant's descendants are everybody or nobody; the mutant begins
anywhere, each member as likely. With relative fitness 1.1 and birth-death the complete graph and the torus follow Moran
(1958), the torus by the isothermal theorem (Lieberman, Hauert, Nowak 2005, Nature 433:312), and the star does not: its
number is the solution of its chain (`softsim.theory.fixation.star`). On the cycle the mutant gives 3 to each neighbour
at a cost of 1, fitness is 1 - w + w payoff with w = 0.1, and mutants stay one interval, so that their chain is exact
(`cycle_death_birth`, `cycle_birth_death`): giving spreads under death-birth alone.

Two cases take the rule that training takes (`selection.rule_of`), where rates are exp(s fitness): `complete_exp`, with
fitness log 1.1 and s = 1, so that the rate is 1.1 again; and `fermi`, imitation with beta = 0.1 of 20 who play the
donation game b = 3, c = 1 (Traulsen, Nowak, Pacheco 2006, Phys. Rev. E 74:011909). So does `tournament`: in one of two
the fitter always wins, so that a fitter mutant among 20 is sure to take over, and what is told is how many generations
it needs on average, against its chain: i mutants become i + Binomial(20 - i, i / 19).

A measured fraction may be four standard errors from its target; `z` is how many it is. Seed: case i draws from
`fold_in(key(2005), i)`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from softsim.learners.evolution import Choose, inherit, moran_birth_death, moran_death_birth
from softsim.learners.structure import Structure, cycle, lattice, payoffs, star, well_mixed
from softsim.selection import SelectionConfig, rule_of
from softsim.theory.fixation import donation
from softsim.types import Array, struct
from softsim.validation.figures import Figure, within

CHUNK = 400
"""Events in a call of the compiled program."""

SLOTS = 500
"""Runs side by side."""


class Case(NamedTuple):
    """One population: how it selects, who is whose neighbour, what fitness kinds [P] have, and the answer."""

    choose: Choose
    structure: Structure
    fitness: Callable[[Array], Array]
    target: float


def constant(advantage: float) -> Callable[[Array], Array]:
    """Fitness 1, and of mutants `advantage`."""
    return lambda kind: jnp.where(kind == 1, advantage, 1.0)


def giving(
    structure: Structure, benefit: Array | float, cost: float, intensity: float, average: bool = False
) -> Callable[[Array], Array]:
    """Fitness 1 - w + w payoff; mutants give to each neighbour, and payoffs are summed, or averaged."""
    matrix = donation(jnp.float32(benefit), jnp.float32(cost))[::-1, ::-1]  # kind 1 gives
    return lambda kind: 1.0 - intensity + intensity * payoffs(structure, matrix, kind, average)


TAKEOVER = 6.627259
"""Generations that a fitter mutant needs on average to take over 20 by tournaments of two."""


def cases() -> dict[str, Case]:
    """The cases and their answers, to six decimals."""
    birth, death = moran_birth_death(), moran_death_birth()
    torus, ring, crowd = lattice(5, 5, moore=False), cycle(20), well_mixed(20)
    breed = rule_of(SelectionConfig(rule="moran_birth_death", intensity=1.0))
    imitate = rule_of(SelectionConfig(rule="fermi", intensity=0.1))
    return {
        "complete": Case(birth, well_mixed(10), constant(1.1), 0.147950),
        "torus": Case(birth, torus, constant(1.1), 0.100153),
        "torus_neutral": Case(birth, torus, constant(1.0), 0.04),
        "star": Case(birth, star(10), constant(1.1), 0.181863),
        "cycle_death_birth": Case(death, ring, giving(ring, 3.0, 1.0, 0.1), 0.075930),
        "cycle_birth_death": Case(birth, ring, giving(ring, 3.0, 1.0, 0.1), 0.003601),
        "complete_exp": Case(breed, well_mixed(10), lambda kind: kind * jnp.log(1.1), 0.147950),
        "fermi": Case(imitate, crowd, giving(crowd, 3.0, 1.0, 1.0, average=True), 0.0134414),
    }


def run(small: bool, say: Callable[[str], None]) -> dict[str, Figure]:
    figures = {}
    runs = 2 * SLOTS if small else 40 * SLOTS
    number = 0
    for number, (name, case) in enumerate(cases().items()):
        key = jax.random.fold_in(jax.random.key(2005), number)
        share = fixation(key, case.choose, case.structure, case.fitness, runs)
        error = np.sqrt(case.target * (1.0 - case.target) / runs)
        figures[name] = within(share, case.target, 4.0 * error)
        figures[f"{name}_z"] = within((share - case.target) / error, 0.0, 4.0)
        say(f"{name}: {share:.6f} of {runs} runs, {case.target:.6f} on paper")
    crowd, rule = well_mixed(20), rule_of(SelectionConfig(rule="tournament"))
    key = jax.random.fold_in(jax.random.key(2005), number + 1)
    slot = play(key, rule, crowd, constant(1.1), lone_mutant(crowd), 2, runs)
    spent = np.asarray(slot.spent, np.float64) * SLOTS / runs  # in each slot, a generation being an event
    error = spent.std(ddof=1) / np.sqrt(SLOTS)
    figures["tournament_takes_over"] = within(float(slot.won[:, 1].sum()) / runs, 1.0, 0.0)
    figures["tournament_generations"] = within(spent.mean(), TAKEOVER, 4.0 * error)
    figures["tournament_generations_z"] = within((spent.mean() - TAKEOVER) / error, 0.0, 4.0)
    return figures


def fixation(
    key: Array, choose: Choose, structure: Structure, fitness: Callable[[Array], Array], num_runs: int
) -> float:
    """Measure how often one mutant (kind 1 among kind 0) takes over, in `num_runs` runs, a multiple of `SLOTS`."""
    slot = play(key, choose, structure, fitness, lone_mutant(structure), 2, num_runs)
    return int(slot.won[:, 1].sum()) / num_runs


@struct
class Slot:
    """Runs one after another; leaves [SLOTS, ...]."""

    kind: Array  # [P] int32
    done: Array  # [] int32   runs decided
    spent: Array  # [] int32   events
    won: Array  # [C] int32   runs in which each kind took over
    last: Array  # [] int32   who did in the last of them


Begin = Callable[[Array, Array], Array]
"""How a run begins, [P] int32 kinds, from a key and from the kind, [] int32, that all were of before it."""


def lone_mutant(structure: Structure) -> Begin:
    """One of kind 1, anywhere, among kind 0, whatever was before."""

    def begin(key: Array, before: Array) -> Array:
        del before
        place = jax.random.randint(key, (), 0, structure.num_members)
        return (jnp.arange(structure.num_members) == place).astype(jnp.int32)

    return begin


def play(
    key: Array,
    choose: Choose,
    structure: Structure,
    fitness: Callable[[Array], Array],
    begin: Begin,
    num_kinds: int,
    num_runs: int,
    before: Array | int = 0,
) -> Slot:
    """Play `num_runs` runs, a multiple of `SLOTS`, each until all members are of one kind.

    `before` is what `begin` is told first, one kind or [SLOTS]. Each slot begins its next run as soon as the last is
    decided, and all its runs count, long ones too. So no slot waits for the slowest, as a `while_loop` mapped over
    runs would.
    """
    quota = num_runs // SLOTS
    program = jax.jit(functools.partial(_advance, choose, structure, fitness, begin, quota))
    key, key_begin = jax.random.split(key)
    last, nothing = jnp.full(SLOTS, before, jnp.int32), jnp.zeros(SLOTS, jnp.int32)
    kind = jax.vmap(begin)(jax.random.split(key_begin, SLOTS), last)
    slot = Slot(kind, nothing, nothing, jnp.zeros((SLOTS, num_kinds), jnp.int32), last)
    while (np.asarray(slot.done) < quota).any():
        key, key_chunk = jax.random.split(key)
        slot = program(key_chunk, slot)
    return slot


def _advance(
    choose: Choose,
    structure: Structure,
    fitness: Callable[[Array], Array],
    begin: Begin,
    quota: int,
    key: Array,
    slot: Slot,
) -> Slot:
    """Go on by `CHUNK` events in every slot."""

    def event(slot: Slot, key: Array) -> Slot:
        key_choose, key_begin = jax.random.split(key)
        kind = inherit(choose(key_choose, fitness(slot.kind), structure), slot.kind)
        decided, winner = (kind == kind[0]).all(), kind[0]
        going = slot.done < quota
        counts = decided & going
        return Slot(
            kind=jnp.where(decided, begin(key_begin, winner), kind),
            done=slot.done + counts,
            spent=slot.spent + going,
            won=slot.won.at[winner].add(counts),
            last=jnp.where(counts, winner, slot.last),
        )

    def events(slot: Slot, key: Array) -> tuple[Slot, None]:
        return jax.vmap(event)(slot, jax.random.split(key, SLOTS)), None

    return jax.lax.scan(events, slot, jax.random.split(key, CHUNK))[0]
