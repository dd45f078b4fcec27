"""One mutant takes over as often as theory says: on a complete graph, a torus, a star and a cycle.

20,000 runs of each case, one event a step, until the mutant's descendants are everybody or nobody; the mutant begins
anywhere, each member as likely. With relative fitness 1.1 and birth-death the complete graph and the torus follow Moran
(1958), the torus by the isothermal theorem (Lieberman, Hauert, Nowak 2005, Nature 433:312), and the star does not: its
number is the solution of its chain (`softsim.theory.fixation.star`). On the cycle the mutant gives 3 to each neighbour
at a cost of 1, fitness is 1 - w + w payoff with w = 0.1, and mutants stay one interval, so that their chain is exact
(`cycle_death_birth`, `cycle_birth_death`): giving spreads under death-birth alone.

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
from softsim.theory.fixation import donation
from softsim.types import Array, struct
from softsim.validation.figures import Figure, as_found, within

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


def giving(structure: Structure, benefit: Array | float, cost: float, intensity: float) -> Callable[[Array], Array]:
    """Fitness 1 - w + w payoff; mutants give to each neighbour."""
    matrix = donation(jnp.float32(benefit), jnp.float32(cost))[::-1, ::-1]  # kind 1 gives
    return lambda kind: 1.0 - intensity + intensity * payoffs(structure, matrix, kind)


def cases() -> dict[str, Case]:
    """The cases and their answers, to six decimals."""
    birth, death = moran_birth_death(), moran_death_birth()
    torus, ring = lattice(5, 5, moore=False), cycle(20)
    return {
        "complete": Case(birth, well_mixed(10), constant(1.1), 0.147950),
        "torus": Case(birth, torus, constant(1.1), 0.100153),
        "torus_neutral": Case(birth, torus, constant(1.0), 0.04),
        "star": Case(birth, star(10), constant(1.1), 0.181863),
        "cycle_death_birth": Case(death, ring, giving(ring, 3.0, 1.0, 0.1), 0.075930),
        "cycle_birth_death": Case(birth, ring, giving(ring, 3.0, 1.0, 0.1), 0.003601),
    }


def run(small: bool, say: Callable[[str], None]) -> dict[str, Figure]:
    figures = {}
    runs = 2 * SLOTS if small else 40 * SLOTS
    for number, (name, case) in enumerate(cases().items()):
        share = fixation(
            jax.random.fold_in(jax.random.key(2005), number), case.choose, case.structure, case.fitness, runs
        )
        error = np.sqrt(case.target * (1.0 - case.target) / runs)
        figures[name] = within(share, case.target, 4.0 * error)
        figures[f"{name}_z"] = as_found((share - case.target) / error)
        say(f"{name}: {share:.6f} of {runs} runs, {case.target:.6f} on paper")
    return figures


def fixation(
    key: Array, choose: Choose, structure: Structure, fitness: Callable[[Array], Array], num_runs: int
) -> float:
    """Measure how often one mutant (kind 1 among kind 0) takes over, in `num_runs` runs, a multiple of `SLOTS`.

    Each slot begins its next run as soon as the last is decided, and all its runs count, long ones too. So no slot
    waits for the slowest, as a `while_loop` mapped over runs would.
    """
    quota = num_runs // SLOTS
    program = jax.jit(functools.partial(_advance, choose, structure, fitness, quota))
    key, key_place = jax.random.split(key)
    place = jax.random.randint(key_place, (SLOTS,), 0, structure.num_members)
    nothing = jnp.zeros(SLOTS, jnp.int32)
    slot = Slot(jax.vmap(_mutant, in_axes=(None, 0))(structure, place), nothing, nothing)
    while (np.asarray(slot.done) < quota).any():
        key, key_chunk = jax.random.split(key)
        slot = program(key_chunk, slot)
    return int(slot.fixed.sum()) / num_runs


@struct
class Slot:
    """Runs one after another; leaves [SLOTS, ...]."""

    kind: Array  # [P] int32   1 where a member descends from the mutant
    done: Array  # [] int32   runs decided
    fixed: Array  # [] int32   of them, those in which the mutant took over


def _mutant(structure: Structure, place: Array) -> Array:
    return (jnp.arange(structure.num_members) == place).astype(jnp.int32)


def _advance(
    choose: Choose, structure: Structure, fitness: Callable[[Array], Array], quota: int, key: Array, slot: Slot
) -> Slot:
    """Go on by `CHUNK` events in every slot."""

    def event(slot: Slot, key: Array) -> Slot:
        key_choose, key_place = jax.random.split(key)
        kind = inherit(choose(key_choose, fitness(slot.kind), structure), slot.kind)
        mutants = kind.sum(dtype=jnp.int32)
        fixed = mutants == structure.num_members
        decided = fixed | (mutants == 0)
        counts = decided & (slot.done < quota)
        fresh = _mutant(structure, jax.random.randint(key_place, (), 0, structure.num_members))
        return Slot(jnp.where(decided, fresh, kind), slot.done + counts, slot.fixed + (counts & fixed))

    def events(slot: Slot, key: Array) -> tuple[Slot, None]:
        return jax.vmap(event)(slot, jax.random.split(key, SLOTS)), None

    return jax.lax.scan(events, slot, jax.random.split(key, CHUNK))[0]
