"""GridWorld: a social situation, stepped. The step is a list of phases; what each does is data."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from softsim.envs import beams, growth, movement, noise, rules, sharing
from softsim.envs.observe import Observation, look, symbol_codes
from softsim.envs.params import EnvParams, EnvState
from softsim.envs.rules import Tally
from softsim.envs.spec import WorldSpec
from softsim.envs.vocabulary import ACTIONS, NUM_MOVES, NUM_SYMBOLS, OTHER
from softsim.types import Array, Timestep, struct

FORWARD, STEP_RIGHT, TURN_LEFT, TURN_RIGHT = (
    ACTIONS.index(name) for name in ("forward", "step_right", "turn_left", "turn_right")
)


@struct
class Draws:
    """The random words of one step, one draw cut by purpose."""

    priority: Array  # [A] uint32   distinct, above 0: who wins a contest
    turn: Array  # [A] uint32   headings of those who return
    place: Array  # [2] uint32   seeds of the hashed draws: where they return,
    grow: Array  # [2] uint32   what grows,
    emerge: Array  # [2] uint32   what emerges,
    decay: Array  # [2] uint32   what decays,
    end: Array  # [] uint32   whether the episode ends


def draw(key: Array, num_agents: int) -> Draws:
    """Draw what a step needs: two words of threefry, hashed into as many as it takes.

    Threefry of a few words per environment is unrolled by the compiler, and took a tenth of its time each.
    """
    word = noise.bits(jax.random.bits(key, (2,), jnp.uint32), (2 * num_agents + 9,))
    slot = jnp.arange(num_agents, dtype=jnp.uint32)
    return Draws(
        priority=(word[:num_agents] & ~jnp.uint32(255)) | (slot + 1),
        turn=word[num_agents : 2 * num_agents],
        place=word[-9:-7],
        grow=word[-7:-5],
        emerge=word[-5:-3],
        decay=word[-3:-1],
        end=word[-1],
    )


@dataclasses.dataclass(frozen=True)
class GridWorld:
    """A grid world for one static spec. Two worlds of equal specs are equal, and share compilations.

    Actions are those of `vocabulary.ACTIONS`, then one per beam of the spec, one per agent and step.
    """

    spec: WorldSpec

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
    def num_symbols(self) -> tuple[int, int]:
        """Sizes of the two vocabularies of `Observation.window`."""
        return NUM_SYMBOLS, OTHER + 4 * self.num_agents

    @property
    def symbol_codes(self) -> tuple[np.ndarray, np.ndarray]:
        """What a network may read for each symbol of the two vocabularies: see `observe.symbol_codes`."""
        return symbol_codes(self.num_agents)

    def reset(self, key: Array, params: EnvParams) -> tuple[EnvState, Timestep]:
        """Begin an episode: the map as laid out, agents on random start cells with random headings."""
        spec, num_agents = self.spec, self.spec.num_agents
        draws = draw(key, num_agents)
        absent = jnp.full(num_agents, -1, jnp.int32)
        zeros = jnp.zeros(num_agents, jnp.int32)
        position = place(draws.place, params.layout.spawn, params.layout.start_mask, absent, params.agent_mask)
        state = EnvState(
            step=jnp.int32(0),
            cell=params.layout.cell,
            position=position,
            heading=(draws.turn & 3).astype(jnp.int32),
            removed=(params.agent_mask & (position < 0)).astype(jnp.int32),  # those without a start cell wait
            frozen=zeros,
            cooldown=jnp.zeros((num_agents, len(spec.beams)), jnp.int32),
            trace=jnp.zeros(num_agents, jnp.float32),
        )
        nothing = jnp.zeros(num_agents, jnp.float32)
        tally = Tally(nothing, jnp.zeros((num_agents, len(spec.events)), jnp.int32), zeros)
        start, going = jnp.bool_(True), jnp.bool_(False)
        return state, self._timestep(params, state, nothing, tally, jnp.float32(1.0), start, going)

    def step(self, key: Array, params: EnvParams, state: EnvState, action: Array) -> tuple[EnvState, Timestep]:
        """Advance by one step; `action` is [A] int32. A masked action counts as noop."""
        spec, num_agents = self.spec, self.spec.num_agents
        draws = draw(key, num_agents)
        allowed = jnp.take_along_axis(self._action_mask(params, state), action[:, None], 1)[:, 0]
        action = jnp.where(allowed & (action >= 0) & (action < self.num_actions), action, 0)
        tally = Tally(
            jnp.zeros(num_agents, jnp.float32),
            jnp.zeros((num_agents, len(spec.events)), jnp.int32),
            jnp.zeros(num_agents, jnp.int32),
        )
        was_removed = state.removed > 0
        state = dataclasses.replace(
            state,
            step=state.step + 1,
            removed=jnp.maximum(state.removed - 1, 0),
            frozen=jnp.maximum(state.frozen - 1, 0),
            cooldown=jnp.maximum(state.cooldown - 1, 0),
        )
        present = params.agent_mask & ~was_removed
        state, tally = self._move(draws, params, state, present, action, tally)
        if spec.has("beam"):
            state, tally = self._beam(draws, params, state, present, action, tally)
        if spec.has("respawn"):
            state = self._respawn(draws, params, state, was_removed)
        state = self._nature(draws, params, state)
        state = dataclasses.replace(state, frozen=jnp.maximum(state.frozen, tally.freeze))

        reward, trace = sharing.share(params.sharing, tally.payoff, state.trace, params.agent_mask)
        state = dataclasses.replace(state, trace=trace)
        horizon = params.horizon
        due = (state.step >= horizon.minimum) & (state.step % jnp.maximum(horizon.interval, 1) == 0)
        ends = due & noise.happens(draws.end, noise.threshold(horizon.rate))
        discount = jnp.where(ends, 0.0, 1.0).astype(jnp.float32)
        last = ends | (state.step >= horizon.maximum)
        return state, self._timestep(params, state, reward, tally, discount, jnp.bool_(False), last)

    def _move(self, draws, params, state, present, action, tally):
        """Turn, walk, and meet the rules of the item in the cell that each agent enters or touches."""
        spec = self.spec
        turned = jnp.where(action == TURN_RIGHT, 1, jnp.where(action == TURN_LEFT, 3, 0))
        # forward, backward, step_left, step_right as quarter turns from the heading
        walks = (action >= FORWARD) & (action <= STEP_RIGHT)
        quarter = jnp.where(action == STEP_RIGHT, 1, jnp.where(action == FORWARD, 0, action))
        row_step, column_step = movement.direction(state.heading + quarter)
        row = state.position // spec.width + row_step
        column = state.position % spec.width + column_step
        inside = (row >= 0) & (row < spec.height) & (column >= 0) & (column < spec.width)
        target = jnp.where(inside, row * spec.width + column, 0)
        cell = state.cell.reshape(-1)
        item = cell[target].astype(jnp.int32)
        solid = params.layout.solid[item]
        walks = walks & inside & present

        mover = walks & ~solid
        moved = movement.resolve(state.position, target, mover, present, draws.priority)
        position = jnp.where(moved, target, state.position)
        heading = (state.heading + turned) & 3
        if spec.has("enter"):
            active, trigger = moved, jnp.full_like(target, rules.ENTER)
            if spec.has("touch"):
                touches = beams.first_claims(target, walks & solid, draws.priority, cell.size)
                active, trigger = moved | touches, jnp.where(touches, rules.TOUCH, rules.ENTER)
            row_index = rules.lookup(params.rules, trigger, params.role, item, active)
            cell = rules.replace_cells(params.rules, row_index, target, cell)
            tally = rules.settle(params.rules, row_index[:, None], params.agent_mask, tally)
        cell = cell.reshape(spec.height, spec.width)
        return dataclasses.replace(state, position=position, heading=heading, cell=cell), tally

    def _beam(self, draws, params, state, present, action, tally):
        """Fire: change the items struck, remove, freeze and fine the agents struck."""
        spec, law = self.spec, params.beams
        fires = present & (action >= NUM_MOVES)
        beam = jnp.maximum(action - NUM_MOVES, 0)
        cell = state.cell.reshape(-1)
        reach = (spec.beam_length, spec.beam_half_width)
        shape = (spec.height, spec.width)
        rays = beams.cast(shape, reach, law, beam, fires, state.position, state.heading, present, cell)

        if spec.has("strike"):
            trigger = jnp.broadcast_to((rules.STRUCK + beam)[:, None, None], rays.item.shape)
            role = jnp.broadcast_to(params.role[:, None, None], rays.item.shape)
            hit = rules.lookup(params.rules, trigger, role, rays.item, rays.struck)
            own = beams.first_claims(rays.cell, hit > 0, draws.priority, cell.size)
            hit = jnp.where(own, hit, 0)
            cell = rules.replace_cells(params.rules, hit, rays.cell, cell)
            tally = rules.settle(params.rules, hit.reshape(self.num_agents, -1), params.agent_mask, tally)

        reached = jnp.where(rays.struck, rays.cell, -1).reshape(self.num_agents, -1, 1)
        stands = jnp.where(present, state.position, -2)
        struck = (reached == stands[None, None]).any(1) & law.strikes_agents[beam][:, None]
        times = struck.sum(1, dtype=jnp.int32)
        suffered = jnp.where(struck, law.fine[beam][:, None], 0.0).sum(0)
        paid = jnp.where(times > 0, law.reward[beam] * times.astype(jnp.float32), 0.0)
        tally = dataclasses.replace(tally, payoff=tally.payoff + suffered + paid).count(law.event[beam], times)
        removed = jnp.where(struck, law.removes_for[beam][:, None], 0).max(0)
        frozen = jnp.where(struck, law.freezes_for[beam][:, None], 0).max(0)
        shot = fires[:, None] & (beam[:, None] == jnp.arange(len(spec.beams), dtype=jnp.int32)[None])
        state = dataclasses.replace(
            state,
            cell=cell.reshape(spec.height, spec.width),
            removed=jnp.maximum(state.removed, removed),
            frozen=jnp.maximum(state.frozen, frozen),
            cooldown=jnp.where(shot, jnp.maximum(law.cooldown - 1, 0)[None], state.cooldown),
        )
        return state, tally

    def _respawn(self, draws, params, state, was_removed):
        """Bring back those whose time off the map is over, on free cells, looking anywhere."""
        returns = params.agent_mask & was_removed & (state.removed == 0)
        held = jnp.where(params.agent_mask & (state.removed == 0) & ~was_removed, state.position, -1)
        layout = params.layout
        position = place(draws.place, layout.spawn, layout.respawn_mask, held, returns)
        # With no free cell left an agent waits off the map for the next step.
        waits = returns & (position < 0)
        returns = returns & ~waits
        return dataclasses.replace(
            state,
            position=jnp.where(returns, position, state.position),
            heading=jnp.where(returns, (draws.turn & 3).astype(jnp.int32), state.heading),
            removed=jnp.where(waits, 1, state.removed),
        )

    def _nature(self, draws, params, state):
        """Let things grow and emerge where no agent stands, and decay anywhere."""
        spec, cell, site = self.spec, state.cell, params.layout.site
        if spec.has("grow") or spec.has("emerge"):
            present = params.agent_mask & (state.removed == 0)
            held = jnp.where(present, state.position, cell.size)
            free = jnp.ones(cell.size, bool).at[held].set(False, mode="drop").reshape(cell.shape)
        if spec.has("grow"):
            num_crowds = spec.num_crowds if spec.has("crowd") else 0
            cell = growth.grow(
                params.growth, site, cell, free, draws.grow, num_crowds, spec.neighbours, spec.has("slow")
            )
        if spec.has("emerge"):
            cell = growth.emerge(params.emergence, site, cell, free, draws.emerge, state.step)
        if spec.has("decay"):
            cell = growth.decay(params.decay, cell, draws.decay)
        return dataclasses.replace(state, cell=cell)

    def _action_mask(self, params, state) -> Array:
        """[A, K] bool: those who can act may do anything but fire a beam that is missing or not ready."""
        acts = params.agent_mask & (state.removed == 0) & (state.frozen == 0)
        moves = jnp.ones((self.num_agents, NUM_MOVES - 1), bool)
        ready = params.beams.exists[None] & (state.cooldown == 0)
        noop = jnp.ones((self.num_agents, 1), bool)
        return jnp.concatenate([noop, acts[:, None] & jnp.concatenate([moves, ready], 1)], 1)

    def _timestep(self, params, state, reward, tally, discount, first, last) -> Timestep:
        spec = self.spec
        present = params.agent_mask & (state.removed == 0)
        shape = (spec.height, spec.width)
        window = look(
            spec.view, shape, state.cell.reshape(-1), state.position, state.heading, present, params.show_identity
        )
        status = jnp.stack([state.frozen > 0, state.removed > 0, reward], -1, dtype=jnp.float32)
        role = params.role[:, None] == jnp.arange(spec.num_roles, dtype=jnp.int32)[None]
        pause = jnp.maximum(params.beams.cooldown - 1, 1).astype(jnp.float32)
        ready = jnp.where(params.beams.exists[None], 1.0 - state.cooldown.astype(jnp.float32) / pause[None], 0.0)
        body = jnp.concatenate([status, role.astype(jnp.float32), ready], 1)
        return Timestep(
            observation=Observation(window, jnp.where(params.agent_mask[:, None], body, 0.0)),
            reward=reward,
            payoff=jnp.where(params.agent_mask, tally.payoff, 0.0),
            discount=jnp.where(params.agent_mask, discount, 0.0),
            agent_mask=params.agent_mask,
            action_mask=self._action_mask(params, state),
            first=first,
            last=last,
            events=jnp.where(params.agent_mask[:, None], tally.events, 0),
        )


def place(seed: Array, spawn: Array, allowed: Array, held: Array, wanted: Array) -> Array:
    """Give each agent that wants one its own random spawn cell.

    Args:
        seed: [2] uint32.
        spawn: [X] int32 cells, distinct where allowed; allowed: [X] bool.
        held: [A] int32 cells already taken, -1 for none; wanted: [A] bool.

    Returns:
        [A] int32 cell, or -1 where the agent wants none or none is left. Each free cell is equally likely.
    """
    num_agents, num_spawns = held.shape[0], spawn.shape[0]
    free = allowed & ~(spawn[:, None] == held[None]).any(1)
    index = jnp.arange(num_spawns, dtype=jnp.uint32)
    keep = ~jnp.uint32((1 << num_spawns.bit_length()) - 1)
    ticket = (noise.bits(seed, (num_agents, num_spawns)) & keep) | (index + 1)[None]

    def choose(free, agent):
        ticket, wanted = agent
        best = jnp.where(free & wanted, ticket, jnp.uint32(0)).max() & ~keep
        return free & (index + 1 != best), jnp.where(best > 0, spawn[best.astype(jnp.int32) - 1], -1)

    return jax.lax.scan(choose, free, (ticket, wanted))[1]
