"""Partners where agents can give: a beam leaves whom it strikes better off, at the giver's cost."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from softsim.envs import GridWorld
from softsim.envs.params import EnvParams
from softsim.envs.rules import ENTER
from softsim.learners import bots
from softsim.partners.tables import PATIENCE, REWARD, Made, act, acts, body_of, felt, free, shot
from softsim.types import Array, Percept, PyTree


def givers(world: GridWorld, situations: EnvParams) -> Made:
    """Partners where gifts cost the giver payoff, or become more as they change hands; none where nobody can give."""
    law = situations.beams
    gives = law.exists & law.strikes_agents & (law.gives | (law.fine > 0) & (law.reward < 0))
    gifts = np.flatnonzero(np.asarray(gives).all(0))
    if not len(gifts):
        return {}
    gift = int(gifts[0])
    return traders(world, situations, gift) if bool(law.gives[:, gift].all()) else helpers(world, situations, gift)


def helpers(world: GridWorld, situations: EnvParams, gift: int) -> Made:
    """Partners where a gift costs payoff. The conditional stops when it gave and was given nothing, until it is given
    something; and the leaver then walks away."""
    body, empty = body_of(world), free(world, situations)
    give = shot(world, situations, gift, bots.somebody)

    def together(percept: Percept) -> Array:
        return bots.approach(body, bots.to(bots.somebody(percept)), empty(percept), faces=True)

    def verdict(_: PyTree, percept: Percept) -> bots.Told:
        return -jnp.sign(percept.observation.body[REWARD]).astype(jnp.int32), ()

    kind, harsh = bots.bot(body, together, [give]), bots.bot(body, together)
    made: Made = {
        "cooperator": lambda: kind,
        "defector": lambda: harsh,
        "conditional": lambda: bots.conditional(kind, harsh, verdict, PATIENCE),
    }
    exits = acts(situations, situations.rules.exile)
    if exits:
        away = bots.bot(body, together, [act(world, exits[0], lambda percept: jnp.bool_(True))])
        made["leaver"] = lambda: bots.conditional(kind, away, verdict, 1)
    return made


def traders(world: GridWorld, situations: EnvParams, gift: int) -> Made:
    """Partners where what is given is refined: the cooperator carries what grows by it to others and gives, and
    consumes the rest; the defector consumes all; the conditional gives one, and the next when it has been given one."""
    body, empty, bag = body_of(world), free(world, situations), felt(world, "bag")
    cap, grows = jnp.asarray(situations.bag.cap[0], jnp.float32), np.asarray(situations.bag.gift_amount[0]) > 1
    rules, slots = situations.rules, np.arange(world.spec.num_slots)
    consumes = acts(situations, rules.cash)
    if not consumes:
        return {}
    consume = consumes[0]
    gains = np.asarray(rules.gains[0])[np.asarray(rules.lookup[0, ENTER])] > 0  # [I, slot]
    goods, refined = bots.items(jnp.asarray(gains.any(1))), ~gains.any(0)

    def held(percept: Percept) -> Array:
        return percept.observation.body[bag] * cap

    def giveable(percept: Percept) -> Array:
        best = jnp.where(held(percept) > 0.5, slots, -1).max()
        return (best >= 0) & jnp.asarray(grows)[best]

    def has(percept: Percept) -> Array:
        return held(percept).sum() > 0.5

    def way(percept: Percept) -> Array:
        others = bots.somebody(percept)
        meets = giveable(percept) & others.any()
        to_others = bots.approach(body, bots.to(others), empty(percept), faces=True)
        return jnp.where(meets, to_others, bots.walk(body, goods(percept)))

    def verdict(before: Array, percept: Percept) -> bots.Told:
        """What does not lie around was given by others, and what is gone without pay was given away."""
        now = held(percept)
        given = jnp.where(jnp.asarray(refined), now - before, 0.0).max() > 0.5
        gave = ((before - now).max() > 0.5) & (percept.observation.body[REWARD] <= 0)
        return jnp.where(given, -1, gave).astype(jnp.int32), now

    give = shot(world, situations, gift, lambda percept: bots.somebody(percept) & giveable(percept))
    kind = bots.bot(body, way, [act(world, consume, lambda percept: has(percept) & ~giveable(percept)), give])
    harsh = bots.forager(body, goods, [act(world, consume, has)])
    return {
        "cooperator": lambda: kind,
        "defector": lambda: harsh,
        "conditional": lambda: bots.conditional(kind, harsh, verdict, PATIENCE, jnp.zeros(len(slots))),
    }
