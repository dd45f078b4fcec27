"""The world that all grid situations are played in, and the params of each."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from softsim.envs import mapgen
from softsim.envs.compiler import compile_games
from softsim.envs.game import Act, Beam, Cell, Decay, Ending, Enter, Game, Growth, Rule, Struck, Work
from softsim.envs.manifold.grid import (
    CROWD,
    GRID_PRIOR,
    MEMORY,
    NUM_PROPOSALS,
    STAKES,
    WINDOW,
    GridPrior,
    GridSituation,
    effect,
)
from softsim.envs.params import Beams, EnvParams, Rules, Sharing
from softsim.envs.spec import View
from softsim.envs.vocabulary import FLOOR, ITEMS, WALL
from softsim.envs.world import GridWorld
from softsim.types import Array

EAT, WORK_DONE = 1, 5  # rows of the template's rules
ZAP, MINE = range(2)  # its beams


def most_spawns(prior: GridPrior) -> int:
    """Rows of spawn cells: a group has two each."""
    return 2 * prior.group[1]


def template(prior: GridPrior) -> Game:
    """Declare a game of the largest size, in which all that situations differ in is present."""
    height, width = int(prior.height[1]), int(prior.width[1])
    symbols = ("acg" + "P" * most_spawns(prior)).ljust(height * width, ".")
    zap = Beam(
        "zap", max(int(prior.reach[1]), 1), half_width=1, cooldown=4, price=prior.price[1], strikes_agents=True,
        event="zapped",
    )  # fmt: skip
    done = Rule(on=Act("mine"), becomes="floor", reward=1.0, event="mined")
    return Game(
        name="grid_manifold",
        family="manifold",
        map="\n".join(symbols[row * width : (row + 1) * width] for row in range(height)),
        legend={"a": Cell("apple", site="apple"), "c": Cell("red_coin", site="coin"), "g": Cell("gold", site="gold")},
        rules=(
            Rule(on=Enter("apple"), becomes="floor", reward=1.0, event="ate"),
            Rule(on=Enter("red_coin"), becomes="floor", reward=1.0, event="took"),
            Rule(on=Struck("gold", by="mine"), becomes="partial_gold", claim="join"),
            Rule(on=Struck("partial_gold", by="mine"), claim="join"),
        ),
        work=(Work("partial_gold", need=1, window=WINDOW, done=done),),
        growth=(
            Growth("apple", on="apple", rate=CROWD),
            Growth("red_coin", on="coin", rate=1.0),
            Growth("gold", on="gold", rate=1.0),
        ),
        decay=(Decay("partial_gold", rate=1.0, into="gold", ripe=WINDOW - 1),),
        beams=(zap, Beam("mine", length=2, half_width=0, cooldown=2)),
        num_agents=int(prior.group[1]),
        torus=prior.torus > 0,
        view=View(*(int(getattr(prior, side)[1]) for side in ("ahead", "behind", "side"))),
        ending=Ending(int(prior.longest)),
    )


@functools.cache
def compiled(prior: GridPrior) -> tuple[GridWorld, EnvParams]:
    """The world that has room for all situations of a prior, and the params, NumPy leaves, that they are changes of."""
    full = template(prior)
    narrow = View(*(int(getattr(prior, side)[0]) for side in ("ahead", "behind", "side")))
    with jax.ensure_compile_time_eval():
        world, params = compile_games([full, dataclasses.replace(full, view=narrow)])  # two views, if there are two
        return world, jax.tree.map(lambda leaf: np.asarray(leaf[0]), params)


def world(prior: GridPrior = GRID_PRIOR) -> GridWorld:
    """Make the one world in which all situations of a prior are played, for `to_params`."""
    return compiled(prior)[0]


def plan_of(situation: GridSituation) -> mapgen.Plan:
    """What the map of a situation should be like."""
    return mapgen.Plan(
        height=situation.height,
        width=situation.width,
        torus=situation.torus,
        walls=situation.walls,
        sites=jnp.stack([situation.apples, situation.coins, situation.gold]),
        stock=situation.stock,
        spawns=2 * situation.group,
    )


def to_params(key: Array, situation: GridSituation, prior: GridPrior = GRID_PRIOR) -> EnvParams:
    """Make the params of `world(prior)` of a situation from that prior or one within it; the key draws the map.

    Of `NUM_PROPOSALS` maps the first that can be played on is taken, else an open room: none is `degenerate`.
    """
    made, base = compiled(prior)
    base = jax.tree.map(jnp.asarray, base)
    spec = made.spec
    drawn = mapgen.propose(key, plan_of(situation), (spec.height, spec.width), most_spawns(prior), NUM_PROPOSALS)
    item = jnp.array([FLOOR, *map(ITEMS.index, STAKES)], jnp.uint8)[drawn.site]
    cell = jnp.where(drawn.stocked, item, drawn.cell)
    slot = jnp.arange(spec.num_agents, dtype=jnp.int32)
    each = jnp.ones(spec.num_agents, jnp.float32)
    layout = dataclasses.replace(
        base.layout, cell=cell, site=drawn.site, spawn=drawn.spawn, start_mask=drawn.spawn_mask,
        respawn_mask=drawn.spawn_mask, torus=situation.torus, height=situation.height, width=situation.width,
    )  # fmt: skip
    sight = dataclasses.replace(base.sight, ahead=situation.ahead, behind=situation.behind, side=situation.side)
    work = dataclasses.replace(
        base.work,
        need=base.work.need.at[ITEMS.index("partial_gold")].set(situation.threshold.astype(jnp.float32)),
    )
    sharing = Sharing(
        weights=jnp.where(slot[:, None] == slot[None], 1.0, situation.kinship),
        envy=situation.envy * each,
        guilt=situation.guilt * each,
        memory=jnp.float32(MEMORY),
    )
    return dataclasses.replace(
        base,
        layout=layout,
        agent_mask=slot < situation.group,
        show_identity=situation.identity,
        sight=sight,
        rules=priced(base, situation),
        work=work,
        beams=armed(base, situation),
        growth=dataclasses.replace(base.growth, rate=growth_rates(situation)),
        sharing=sharing,
        horizon=dataclasses.replace(base.horizon, minimum=situation.minimum, rate=1.0 / situation.further),
    )


def priced(base: EnvParams, situation: GridSituation) -> Rules:
    """The rules, with what apples and gold pay."""
    own, others = effect(situation)
    other = others / (situation.group - 1).astype(jnp.float32)
    return dataclasses.replace(
        base.rules,
        reward=base.rules.reward.at[EAT].set(own).at[WORK_DONE].set(situation.prize),
        reward_others=base.rules.reward_others.at[EAT].set(other),
    )


def armed(base: EnvParams, situation: GridSituation) -> Beams:
    """The beams, with what punishing does."""
    law = base.beams
    return dataclasses.replace(
        law,
        exists=law.exists.at[ZAP].set(situation.reach > 0),
        length=law.length.at[ZAP].set(situation.reach),
        price=law.price.at[ZAP].set(situation.price),
        fine=law.fine.at[ZAP].set(-situation.fine),
        freezes_for=law.freezes_for.at[ZAP].set(situation.freeze),
        removes_for=law.removes_for.at[ZAP].set(situation.removal),
    )


def growth_rates(situation: GridSituation) -> Array:
    """Probabilities [3, 4] float32 per law, at 0, 1, 2 and 3 or more live neighbours."""
    even = jnp.ones(4, jnp.float32)
    crowded = even + situation.crowding * (jnp.array(CROWD, jnp.float32) - even)
    return situation.growth * jnp.stack([crowded, even, even])


def degenerate(situation: GridSituation, params: EnvParams) -> Array:
    """Say whether the world that was made of a situation cannot be played, [] bool.

    It can where everybody can start, all spawn cells and some of every site in use can be reached from one another,
    something is there or can grow from nothing, and not all payoffs are about zero.
    """
    layout, cell = params.layout, params.layout.cell
    drawn = mapgen.Map(
        cell=cell,
        site=layout.site,
        stocked=(cell != FLOOR) & (cell != WALL),
        spawn=layout.spawn,
        spawn_mask=layout.start_mask,
        lost=jnp.int32(0),
    )
    plan = plan_of(situation)
    used = plan.sites > 0
    grows = ((params.growth.rate[:, 0] > 0) & used).any() | drawn.stocked.any()
    worth = jnp.stack([situation.strength, jnp.float32(1.0), jnp.abs(situation.prize)])
    pays = (used & (worth > 1e-3)).any()
    return mapgen.degenerate(drawn, plan) | (layout.start_mask.sum() < params.agent_mask.sum()) | ~grows | ~pays
