"""GridWorld: a social situation, stepped. The step is a list of phases; what each does is data."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from softsim.envs import clock, firing, goals, growth, needs, noise, presence, rules, sharing, trick, walking
from softsim.envs.body import MESSAGE, feel
from softsim.envs.draws import draw
from softsim.envs.observe import Observation, in_view, look, symbol_codes
from softsim.envs.params import EnvParams, EnvState
from softsim.envs.place import open_to, place
from softsim.envs.rules import in_set
from softsim.envs.skipping import where_needed
from softsim.envs.spec import WorldSpec
from softsim.envs.vocabulary import ACTIONS, NUM_MOVES, NUM_SYMBOLS, OTHER
from softsim.machine import on_accelerator
from softsim.types import Array, Timestep

BLOCK = 128
"""Environments: fewer are alike more often, and cost more of what each block costs. Measured on a core, for the 51 grid
games together and for some of them."""


@dataclasses.dataclass(frozen=True)
class GridWorld:
    """A grid world for one static spec. Two worlds of equal specs are equal, and share compilations.

    Actions are those of `vocabulary.ACTIONS`, then one per beam of the spec, one per agent and step.

    Args:
        assorted: whether it was made for games of different phases.
    """

    spec: WorldSpec
    assorted: bool = False

    @property
    def num_agents(self) -> int:
        return self.spec.num_agents

    @property
    def num_actions(self) -> int:
        return self.spec.num_actions

    @property
    def action_names(self) -> tuple[str, ...]:
        return ACTIONS + self.spec.beams

    @property
    def event_names(self) -> tuple[str, ...]:
        return self.spec.events

    @property
    def block(self) -> int | None:
        """How many environments are best stepped at a time, None for all: on a CPU, of games that differ, as many as
        are alike if neighbours are, since what no neighbour needs is skipped."""
        return BLOCK if self.assorted and not on_accelerator() else None

    @property
    def num_symbols(self) -> tuple[int, ...]:
        """Sizes of the vocabularies of `Observation.window`, per channel."""
        return (NUM_SYMBOLS, OTHER + 4 * self.num_agents, *((256,) if self.spec.has("trait") else ()))

    @property
    def symbol_codes(self) -> tuple[np.ndarray, ...]:
        """What a network may read for each symbol of the vocabularies: see `observe.symbol_codes`."""
        return symbol_codes(self.spec)

    @property
    def labels(self) -> dict[str, tuple[int, int]]:
        """What `hidden` tells: how many labels of each kind an agent has, and of how many classes."""
        known = {"role": (1, self.spec.num_roles)}
        return known | ({"belief": (self.spec.num_tracked, NUM_SYMBOLS)} if self.spec.has("trick") else {})

    def hidden(self, params: EnvParams, state: EnvState) -> dict[str, Array]:
        """Tell what no agent observes of another: its `role`, [A], and its `belief`, [A, D] the items that it last saw
        in the tracked cells."""
        return {"role": params.role} | ({"belief": state.belief} if self.spec.has("trick") else {})

    def sees(self, params: EnvParams, state: EnvState) -> Array:
        """Tell whom each agent, by row, has in sight: [A, A] bool."""
        present, able = self._senses(params, state)
        return in_view(self.spec, params, state, state.position) & able[:, None] & present[None]

    def shortest(self, params: EnvParams) -> Array:
        """Tell how many steps every episode has at least, [] int32."""
        horizon = params.horizon
        by_chance = jnp.where(horizon.rate > 0, jnp.maximum(horizon.minimum, 1), horizon.maximum)
        return jnp.int32(1) if self.spec.has("goal") else jnp.minimum(by_chance, horizon.maximum)

    def reset(self, key: Array, params: EnvParams) -> tuple[EnvState, Timestep]:
        """Begin an episode: the map as laid out, agents on random start cells with random headings."""
        draws = draw(key, self.num_agents)
        state = self._begin(params, draws)
        start, going = jnp.bool_(True), jnp.bool_(False)
        nothing = jnp.zeros(self.num_agents, jnp.float32)
        return state, self._timestep(params, state, nothing, rules.blank(self.spec), jnp.float32(1.0), start, going)

    def _begin(self, params, draws) -> EnvState:
        """An episode's first state."""
        spec, num_agents, layout = self.spec, self.num_agents, params.layout

        def zeros(phase, *shape, kind=jnp.int32):
            return jnp.zeros(shape if spec.has(phase) else (0,) * len(shape), kind)

        absent = jnp.full(num_agents, -1, jnp.int32)
        start = open_to(spec, params, layout.start_mask)
        position = place(draws.seed["start"], layout.spawn, start, absent, params.agent_mask)
        cell = self._fresh_cells(params, draws, position)
        state = EnvState(
            step=jnp.int32(0),
            cell=cell,
            age=zeros("age", cell.size, kind=jnp.uint8),
            stake=zeros("stake", cell.size, kind=spec.agent_bits),
            tenure=zeros("income", cell.size, kind=jnp.uint8),
            position=position,
            heading=(draws.turn & 3).astype(jnp.int32),
            removed=(params.agent_mask & (position < 0)).astype(jnp.int32),  # those without a start cell wait
            frozen=jnp.zeros(num_agents, jnp.int32),
            exile=zeros("debt", num_agents),
            owed=zeros("debt", num_agents, kind=jnp.float32),
            cooldown=jnp.zeros((num_agents, len(spec.beams)), jnp.int32),
            mark=zeros("mark", num_agents),
            hand=zeros("hand", num_agents, kind=jnp.uint8),
            bag=jnp.broadcast_to(params.bag.start, (num_agents, spec.num_slots))
            if spec.has("bag")
            else zeros("bag", 0, 0),
            paint=zeros("paint", num_agents, kind=jnp.uint8),
            message=zeros("speech", num_agents, MESSAGE, kind=jnp.float32),
            need=params.need.most[params.role] if spec.has("need") else zeros("need", 0, kind=jnp.float32),
            pending=params.emergence.first if spec.has("spores") else zeros("spores", 0),
            nature=clock.first_state(spec, params, draws.seed["nature"]) if spec.has("nature") else zeros("nature", 0),
            progress=zeros("goal", 1),
            meeting=zeros("meet", 1),
            vote=zeros("meet", num_agents) - 1,
            blind=zeros("trick", 1, kind=bool),
            belief=zeros("trick", num_agents, spec.num_tracked, kind=jnp.uint8),
            trace=jnp.zeros(num_agents, jnp.float32),
        )
        return trick.look(spec, params, state) if spec.has("trick") else state

    def _fresh_cells(self, params, draws, position) -> Array:
        """The map as it is laid out and drawn, around agents at `position` [A], -1 for nowhere."""
        spec, layout = self.spec, params.layout
        if not spec.has("scatter"):
            return layout.cell
        held = jnp.where(position < 0, layout.cell.size, position)
        free = jnp.ones(layout.cell.size, bool).at[held].set(False, mode="drop")
        site, cell = layout.site.reshape(-1), layout.cell.reshape(-1)
        cell = growth.scatter(spec, params.scatter, site, cell, free, draws.seed["scatter"])
        return cell.reshape(layout.cell.shape)

    def step(self, key: Array, params: EnvParams, state: EnvState, action: Array) -> tuple[EnvState, Timestep]:
        """Advance by one step; `action` is [A] int32. A masked action counts as noop."""
        spec = self.spec
        draws, tally = draw(key, self.num_agents), rules.blank(spec)
        allowed = jnp.take_along_axis(self._action_mask(params, state), action[:, None], 1)[:, 0]
        action = jnp.where(allowed & (action >= 0) & (action < self.num_actions), action, 0)
        was_removed = state.removed > 0
        present = params.agent_mask & ~was_removed
        able = present & (state.frozen == 0)
        state, tally = clock.tick(spec, params, state, tally)
        state, tally = walking.move(spec, draws, params, state, present, action, tally)
        alarm = jnp.bool_(False)
        if spec.has("beam"):
            fires = present & (action >= NUM_MOVES)
            state, tally, alarm = where_needed(
                fires.any(),
                lambda given: firing.fire(spec, draws, params, *given, fires, present, action),
                (state, tally, alarm),
            )
        if spec.has("need"):
            state, tally = needs.spend(params, state, tally, able, action)
        state = presence.leave(spec, params, state, tally)
        if spec.has("respawn"):
            state = presence.bring_back(spec, draws, params, state, was_removed, action, alarm)
        state, tally = clock.pass_time(spec, draws, params, state, tally)
        return self._close(draws, params, state, tally)

    def _close(self, draws, params, state, tally):
        """Freeze, end, share and show."""
        spec, horizon = self.spec, params.horizon
        state = dataclasses.replace(state, frozen=jnp.maximum(state.frozen, tally.freeze))
        due = (state.step >= horizon.minimum) & (state.step % jnp.maximum(horizon.interval, 1) == 0)
        ends = due & noise.happens(draws.seed["end"][0], noise.threshold(horizon.rate))
        if spec.has("goal"):
            tally, reached = goals.judge(params, state, tally)
            ends = ends | reached
        reward, trace = sharing.share(params.sharing, tally.payoff, state.trace, params.agent_mask)
        state = dataclasses.replace(state, trace=trace)
        if spec.has("renew") or spec.has("round"):
            state = self._renew(draws, params, state)
        discount = jnp.where(ends, 0.0, 1.0).astype(jnp.float32)
        last = ends | (state.step >= horizon.maximum)
        return state, self._timestep(params, state, reward, tally, discount, jnp.bool_(False), last)

    def _renew(self, draws, params, state):
        """Start the world afresh every `round` steps, or the map alone when nobody is left there."""
        spec, horizon = self.spec, params.horizon
        again = (horizon.round > 0) & (state.step % jnp.maximum(horizon.round, 1) == 0)
        empty = horizon.renew & ~(params.agent_mask & (state.removed == 0)).any()

        def renew(state):
            fresh = self._begin(params, draws)
            if spec.has("round"):
                anew = dataclasses.replace(fresh, step=state.step, trace=state.trace)
                state = jax.tree.map(lambda new, old: jnp.where(again, new, old), anew, state)
            of_the_map = ("cell", "age", "stake", "tenure", "pending") if spec.has("renew") else ()
            changes = {name: jnp.where(empty, getattr(fresh, name), getattr(state, name)) for name in of_the_map}
            return dataclasses.replace(state, **changes)

        return where_needed(again | empty, renew, state)

    def _action_mask(self, params, state) -> Array:
        """[A, K] bool: those who can act may do anything but fire a beam that is missing, not ready or not theirs."""
        spec, law = self.spec, params.beams
        acts = params.agent_mask & (state.removed == 0) & (state.frozen == 0)
        moves = jnp.ones((self.num_agents, NUM_MOVES - 1), bool)
        ready = law.exists[None] & (state.cooldown == 0)
        if spec.has("role"):
            ready = ready & in_set(law.shooters[None], params.role[:, None])
        if spec.has("meet"):
            ready = ready & ((state.meeting[0] > 0) == law.votes)[None]
        if spec.has("trick"):
            acts = acts & ~trick.held(params, state)
        noop = jnp.ones((self.num_agents, 1), bool)
        return jnp.concatenate([noop, acts[:, None] & jnp.concatenate([moves, ready], 1)], 1)

    def _senses(self, params, state) -> tuple[Array, Array]:
        """Who is there, and who can see, [A] bool each."""
        present = params.agent_mask & (state.removed == 0)
        return present, present & ~trick.blindfolded(params, state) if self.spec.has("trick") else present

    def _timestep(self, params, state, reward, tally, discount, first, last) -> Timestep:
        spec = self.spec
        present, able = self._senses(params, state)
        return Timestep(
            observation=Observation(
                look(spec, params, state, present, able), feel(spec, params, state, reward, tally, present)
            ),
            reward=reward,
            payoff=jnp.where(params.agent_mask, tally.payoff, 0.0),
            discount=jnp.where(params.agent_mask, discount, 0.0),
            agent_mask=params.agent_mask,
            action_mask=self._action_mask(params, state),
            first=first,
            last=last,
            events=jnp.where(params.agent_mask[:, None], tally.events, 0),
        )
