"""Partners where agents can mark and remove each other, and live on what they own, gather or plant."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from softsim.envs import GridWorld
from softsim.envs.beams import offsets
from softsim.envs.params import EnvParams
from softsim.envs.rules import FACE, STRUCK, TAKE
from softsim.learners import bots
from softsim.learners.bots import Cells, Shot
from softsim.partners.tables import PATIENCE, REMOVED, Made, body_of, by_role, felt, free, pays, shot, zapping
from softsim.types import Array, Percept, Policy

OWNED_BY_OTHERS = 2
"""In the third channel of a window, of cells where nobody stands; below it is what is nobody's or one's own."""

MINE = 1


def settlers(world: GridWorld, situations: EnvParams) -> Made:
    """Partners where agents can mark and remove each other, and live on what pays who takes it, or pays its owner.

    The cooperator takes what it wants of what is nobody's, plants what is best for all, and fires at nobody. The
    defector takes what others own, too, plants nothing, and fires at all whom, and whose property, it can reach. The
    conditional defects for a while after being struck. The punisher fires at those who have struck it, as far as it
    could see: who faced it from within reach when it was struck.
    """
    beams = [beam for beam in zapping(situations) if bool((situations.beams.mark_for[:, beam] > 0).all())]
    land = property_of(situations)
    if not beams or not (pays(situations)[0].any() or land.any()):
        return {}
    body, mark = body_of(world), felt(world, "mark")
    kind, harsh = peaceful(world, situations, land), violent(world, situations, land, beams[0])

    def struck(percept: Percept) -> Array:
        return (percept.observation.body[mark] > 0).any() | (percept.observation.body[REMOVED] > 0)

    def verdict(before: Array, percept: Percept) -> bots.Told:
        now = struck(percept)
        return (now & ~before).astype(jnp.int32), now

    made: Made = {
        "cooperator": lambda: kind,
        "defector": lambda: harsh,
        "conditional": lambda: bots.conditional(kind, harsh, verdict, PATIENCE, jnp.bool_(False)),
    }
    if bool(situations.show_identity.all()):
        zap, suspects = shot(world, situations, beams[0], bots.somebody), facing(world, situations, beams[0])
        made["punisher"] = lambda: bots.avenger(body, kind, zap, struck, suspects)
    return made


def peaceful(world: GridWorld, situations: EnvParams, land: np.ndarray) -> Policy:
    """Take what is nobody's, never facing what others own, and plant what is best for all before it eats."""
    body, empty, edible = body_of(world), free(world, situations), by_role(world, pays(situations)[0])
    owned, (tools, weeds) = bots.items(jnp.asarray(land)), planting(world, situations)
    row, column = body.place

    def way(percept: Percept) -> Array:
        whose, clear = trait(percept), empty(percept)
        theirs = owned(percept) & (whose >= OWNED_BY_OTHERS)
        unclaimed = owned(percept) & (whose == 0)
        to_plant = weeds(percept)
        plants = bots.approach(body, bots.to(to_plant), clear, faces=True)
        gathers = bots.approach(body, bots.to(unclaimed | edible(percept)), clear, unclaimed)
        choice = jnp.where(to_plant.any(), plants, gathers)
        # What is right ahead after a step or a turn is claimed.
        faced = jnp.pad(theirs, ((1, 0), (0, 0)))[:-1]
        choice = bots.shun(body, choice, faced)
        for turn, side in ((1, column - 1), (2, column + 1)):
            move = body.moves[3] + turn
            choice = choice.at[move].set(jnp.where(theirs[row, side], bots.DISLIKED, choice[move]))
        return choice

    return bots.bot(body, way, tools)


def violent(world: GridWorld, situations: EnvParams, land: np.ndarray, beam: int) -> Policy:
    """Take everything, and fire at whom and whose property it can reach."""
    body, empty, edible = body_of(world), free(world, situations), by_role(world, pays(situations)[0])
    owned = bots.items(jnp.asarray(land))

    def way(percept: Percept) -> Array:
        claims = owned(percept) & (trait(percept) != MINE)
        return bots.approach(body, bots.to(claims | edible(percept)), empty(percept), claims)

    def marks(percept: Percept) -> Array:
        return bots.somebody(percept) | (owned(percept) & (trait(percept) >= OWNED_BY_OTHERS))

    return bots.bot(body, way, [shot(world, situations, beam, marks)])


def trait(percept: Percept) -> Array:
    """The third channel of a window, [rows, columns]; 0 where there is none."""
    window = percept.observation.window
    return window[..., 2] if window.shape[-1] > 2 else jnp.zeros_like(window[..., 0])


def property_of(situations: EnvParams) -> np.ndarray:
    """Items that pay their owner, and are anybody's who faces them, [I] bool."""
    rules = situations.rules
    row = np.asarray(rules.lookup, int)[:, FACE]
    takes = (row > 0) & (np.take_along_axis(np.asarray(rules.claim), row, 1) == TAKE)
    return (takes & (np.asarray(situations.income.rate) > 0)).max(0)


def planting(world: GridWorld, situations: EnvParams) -> tuple[list[Shot], Cells]:
    """How to make what grows the faster the more there is of it into the one kind of it that pays all together most;
    and where that is to be done."""
    laws, rules, size = situations.growth, situations.rules, world.spec.num_items
    counts, kinds = np.asarray(laws.counts[0]), np.asarray(laws.count_item[0], int)
    worth = worth_of(situations)
    kinds = kinds[counts]
    none = bots.items(jnp.zeros(size, bool))
    if not len(kinds):
        return [], none
    best = kinds[np.argmax(worth[kinds].max(1))]
    row = np.asarray(rules.lookup[0, STRUCK:], int)  # [B, I]
    plants = (row > 0) & np.isin(np.asarray(rules.becomes[0])[row], best) & ~np.isin(np.arange(size), best)
    beams, weeds = np.flatnonzero(plants.any(1)), bots.items(jnp.asarray(plants.any(0)))
    return [shot(world, situations, int(beam), weeds) for beam in beams], weeds if len(beams) else none


def worth_of(situations: EnvParams) -> np.ndarray:
    """What all agents together would have of entering an item once each, [I]."""
    rules, role = situations.rules, np.asarray(situations.role[0])
    worth = np.zeros(rules.lookup.shape[2])
    row = np.asarray(rules.lookup[0, 0], int)
    while row.any():
        may = (np.asarray(rules.roles[0])[row] >> role[:, None]) & 1  # [A, I]
        worth += may.sum(0) * np.asarray(rules.reward[0])[row]
        row = np.asarray(rules.otherwise[0], int)[row]
    return worth


def facing(world: GridWorld, situations: EnvParams, beam: int) -> Cells:
    """Where others stand who could strike one with a beam, as they look."""
    body, law = body_of(world), situations.beams
    ahead, right = offsets(int(law.length[:, beam].max()), int(law.half_width[:, beam].max()))
    reach = set(zip(ahead.ravel().tolist(), right.ravel().tolist(), strict=True))
    rows, columns = world.spec.view.shape
    table = np.zeros((4, rows, columns), bool)
    for heading, (down, across) in enumerate(((-1, 0), (0, 1), (1, 0), (0, -1))):
        for r, c in np.ndindex(rows, columns):
            dr, dc = body.place[0] - r, body.place[1] - c
            # Its right hand is a quarter turn from where it looks.
            table[heading, r, c] = (dr * down + dc * across, dr * across - dc * down) in reach
    from_there = jnp.asarray(table)

    def cells(percept: Percept) -> Array:
        heading = (percept.observation.window[..., 1].astype(jnp.int32) - bots.OTHERS) % 4
        strikes = jnp.take_along_axis(from_there, heading[None], 0)[0]
        return bots.somebody(percept) & strikes

    return cells
