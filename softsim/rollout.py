"""Play: populations of members in one flat batch of environments. The one place where resets happen.

Members keep their weights and observations travel: a `Seating` says which of a population's E * A places each of its M
members fills. Learners come first among the members, scripted players after them.

Environments of all populations are stepped as one flat batch, [N * E], so that "does any episode end?" is one scalar
question, and resets are only computed when the answer is yes.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from softsim.keys import fold_each, of_members, split_each
from softsim.learners import categorical
from softsim.types import (
    SEATS,
    Array,
    Environment,
    Hidden,
    Output,
    Percept,
    Policy,
    PyTree,
    Timestep,
    Trajectory,
    struct,
)


@dataclasses.dataclass(frozen=True)
class Table:
    """Who plays what with whom: everything static about a rollout."""

    world: Environment
    policy: Policy  # of the learners and guests
    num_learners: int
    scripted: tuple[Policy, ...]
    num_populations: int
    num_envs: int  # of one population
    num_guests: int = 0  # members that have minds as learners have, and do not learn; they come after the learners
    central: bool = False  # percepts hold what the others observe

    @property
    def num_minds(self) -> int:
        """Members that play by the policy: learners, then guests."""
        return self.num_learners + self.num_guests

    @property
    def num_members(self) -> int:
        return self.num_minds + len(self.scripted)

    @property
    def num_places(self) -> int:
        """Places in one population's environments."""
        return self.num_envs * self.world.num_agents


@struct
class Seating:
    """Who sits where: two permutations, each the other's inverse."""

    place: Array  # [N, M, S] int32   place, e * A + a, of each seat of each member
    seat: Array  # [N, E * A] int32   seat, m * S + s, at each place


def seating_of(place: Array) -> Seating:
    """Complete a seating from the places of its seats, [N, M, S] int32."""
    return Seating(place, jnp.argsort(place.reshape(place.shape[0], -1), axis=1).astype(jnp.int32))


@struct
class Play:
    """Where the games of all populations stand."""

    state: PyTree  # leaves [N * E, ...]
    timestep: Timestep  # leaves [N * E, ...]
    memory: tuple[PyTree, ...]  # of all minds, leaves [N, P + guests, S, ...]; then, per scripted member, [N, S, ...]
    seen: Array  # [N, E, A, K] float32   actions of each agent in this episode so far, plus one of each


@struct
class Ledger:
    """Sums over the steps of a rollout, per place."""

    reward: Array  # [N, E, A] float32
    payoff: Array  # [N, E, A] float32
    episodes: Array  # [N, E, A] float32   episodes begun while the slot was in play
    events: Array  # [N, E, A, B] float32


@struct
class Foresight:
    """How well the learners predicted the others: sums over steps and others, per seat [N, P, S] float32, in nats."""

    cross_entropy: Array  # of the model on the actions taken
    frequency: Array  # of the other's running action frequency in this episode, with add-one smoothing
    divergence: Array  # from the other's true action distribution to the model
    count: Array  # predictions made


@struct
class Experience:
    trajectory: Trajectory  # leaves [N, P, S, T, ...]; carry [N, P, S, ...]
    ledger: Ledger
    foresight: Foresight


def fold(leaf: Array, num_populations: int) -> Array:
    """[N * E, ...] -> [N, E, ...]."""
    return leaf.reshape(num_populations, leaf.shape[0] // num_populations, *leaf.shape[1:])


def to_seats(values: Array, place: Array) -> Array:
    """Carry values of places [N, E, A, ...] to seats [N, M, S, ...]."""
    places = jax.lax.collapse(values, 1, 3)
    return jax.vmap(lambda places, place: places[place])(places, place)


def to_places(values: Array, seat: Array, num_agents: int) -> Array:
    """Carry values of seats [N, M, S, ...] to places [N, E, A, ...]."""
    seats = jax.lax.collapse(values, 1, 3)
    places = jax.vmap(lambda seats, seat: seats[seat])(seats, seat)
    return places.reshape(values.shape[0], places.shape[1] // num_agents, num_agents, *values.shape[3:])


def relative(num_agents: int) -> Array:
    """Which agent sits in each relative slot: [A, A-1] int32, slot j of agent i is i + 1 + j."""
    slot = jnp.arange(num_agents, dtype=jnp.int32)
    return (slot[:, None] + 1 + slot[None, : num_agents - 1]) % num_agents


def of_others(values: Array) -> Array:
    """[N, E, A, ...] -> [N, E, A, A-1, ...]: the others' values in relative slots."""
    return values[:, :, relative(values.shape[2])]


def of_environments(table: Table, key: Array) -> Array:
    """Keys [N * E] of all environments from keys [N]."""
    return jax.vmap(lambda key: jax.random.split(key, table.num_envs))(key).reshape(-1)


def begin(table: Table, key: Array, params: PyTree) -> Play:
    """Reset all environments and memories. `key` is [N]; `params` has leaves [N * E, ...]."""
    # The environments have the first keys that a key splits into; this is the next.
    key_reset, key_wake = key, fold_each(key, jnp.int32(table.num_envs))
    state, timestep = jax.vmap(table.world.reset)(of_environments(table, key_reset), params)
    key_member = of_members(key_wake, table.num_members)
    key_seat = jax.vmap(jax.vmap(lambda key: jax.random.split(key, table.num_places // table.num_members)))(key_member)
    memory = [wake(table.policy, key_seat[:, : table.num_minds])]
    memory += [wake(policy, key_seat[:, table.num_minds + i]) for i, policy in enumerate(table.scripted)]
    seen = fold(timestep.action_mask, table.num_populations).astype(jnp.float32)
    return Play(state, timestep, tuple(memory), seen)


def wake(policy: Policy, key: Array) -> PyTree:
    """Memory of seats when play begins, leaves [*key.shape, ...], from a key of each."""
    if policy.wake is None:
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, key.shape + leaf.shape), policy.start())
    carry = jax.vmap(policy.wake)(key.reshape(-1))
    return jax.tree.map(lambda leaf: leaf.reshape(key.shape + leaf.shape[1:]), carry)


def perceive(table: Table, timestep: Timestep, seating: Seating) -> Percept:
    """What each seat perceives, leaves [N, M, S, ...]."""
    num_agents = table.world.num_agents
    first = jnp.broadcast_to(timestep.first[:, None], (timestep.first.shape[0], num_agents))
    percept = Percept(timestep.observation, timestep.reward, timestep.action_mask, first)
    percept = jax.tree.map(lambda leaf: fold(leaf, table.num_populations), percept)
    if table.central:
        percept = dataclasses.replace(percept, others=jax.tree.map(of_others, percept.observation))
    return jax.tree.map(lambda leaf: to_seats(leaf, seating.place), percept)


def think(
    table: Table, minds: PyTree, memory: tuple[PyTree, ...], percept: Percept
) -> tuple[tuple[PyTree, ...], Output]:
    """Let every member look at its percepts; `minds` has leaves [N, P + guests, ...], outputs have [N, M, S, ...]."""
    of_seats = jax.vmap(table.policy.apply, in_axes=(None, 0, 0), axis_name=SEATS)
    minded = jax.tree.map(lambda leaf: leaf[:, : table.num_minds], percept)
    kept, output = jax.vmap(jax.vmap(of_seats))(minds, memory[0], minded)
    memories, outputs = [kept], [dataclasses.replace(output, hidden=())]  # which only the learner reads
    for index, policy in enumerate(table.scripted):
        own = jax.tree.map(lambda leaf, m=table.num_minds + index: leaf[:, m], percept)
        kept, output = jax.vmap(jax.vmap(lambda memory, percept, p=policy: p.apply((), memory, percept)))(
            memory[1 + index], own
        )
        memories.append(kept)
        outputs.append(jax.tree.map(lambda leaf: leaf[:, None], output))
    return tuple(memories), jax.tree.map(lambda *leaves: jnp.concatenate(leaves, 1), *outputs)


def in_sight(table: Table, params: PyTree, state: PyTree) -> Array | None:
    """Whom each agent has in sight, [N, E, A, A-1] bool; None where the policy does not ask, or no world could tell."""
    sees = getattr(table.world, "sees", None)
    if sees is None or not table.policy.asks.seen_only:
        return None
    seen = fold(jax.vmap(sees)(params, state), table.num_populations)
    return jnp.take_along_axis(seen, relative(seen.shape[2])[None, None], 3)


def reveal(table: Table, params: PyTree, play: Play, seating: Seating) -> Array | None:
    """What the learners' opponent models are to say of each agent, [N, E, A, ...]; None if it is nothing."""
    label, timestep = table.policy.asks.label, play.timestep
    if not label:
        return None
    if label == "observation":
        known = timestep.observation
    elif label == "member":
        sitting = seating.seat // seating.place.shape[2]
        known = jnp.maximum(sitting - table.num_minds + 1, 0).reshape(timestep.agent_mask.shape)
    else:
        hidden: Any = getattr(table.world, "hidden")  # noqa: B009
        known = jax.vmap(hidden)(params, play.state)[label]
    return fold(jax.vmap(jax.vmap(table.policy.asks.sketch))(known), table.num_populations)


def happens_anywhere(where: Array) -> Array:
    """Whether any of [E] bools is true. A product, since XLA unrolls `any` over many into its largest kernel."""
    times = where.astype(jnp.float32)
    return jnp.dot(times, times) > 0


RESETS, LEAST_RESETS = 16, 16
"""Few episodes end at the same time: one part in so many of the environments is reset at a time, at least so many."""


def advance(table: Table, key: Array, params: PyTree, play: Play, action: Array) -> tuple[PyTree, Timestep]:
    """Step every environment, and reset those whose episode is over instead. `key` is [N * E], `action` [N, E, A]."""
    given = key, params, action.reshape(-1, table.world.num_agents), play.state, play.timestep
    size, block = play.timestep.last.size, block_size(table)
    if block == size:
        return advance_all(table.world, *given)
    blocks = jax.tree.map(lambda leaf: leaf.reshape(size // block, block, *leaf.shape[1:]), given)
    after = jax.lax.map(lambda part: advance_all(table.world, *part), blocks)
    return jax.tree.map(lambda leaf: leaf.reshape(size, *leaf.shape[2:]), after)


def block_size(table: Table) -> int:
    """How many environments to step at a time: all, unless the world asks for blocks and they divide into such."""
    size = table.num_populations * table.num_envs
    most = getattr(table.world, "block", None) or size
    divisor = next(d for d in range(min(most, size), 0, -1) if size % d == 0)
    return divisor if 2 * divisor > most else size


def advance_all(
    world: Environment, key: Array, params: PyTree, action: Array, state: PyTree, timestep: Timestep
) -> tuple[PyTree, Timestep]:
    """Advance environments together, leaves [E, ...]."""
    over = timestep.last
    stepped = jax.vmap(world.step)(key, params, state, action)
    size, words = over.size, jax.random.key_data(key)
    few = min(size, max(size // RESETS, LEAST_RESETS))

    def restart(running):
        waiting, now = running
        turn = jnp.where(waiting, jnp.cumsum(waiting, dtype=jnp.int32) - 1, few)
        chosen = jnp.full(few, size, jnp.int32).at[turn].set(jnp.arange(size, dtype=jnp.int32), mode="drop")
        # Of the step and the reset of one environment only one is kept, so one key serves either.
        word, situation = jax.tree.map(lambda leaf: leaf.at[chosen].get(mode="clip"), (words, params))
        fresh = jax.vmap(world.reset)(jax.random.wrap_key_data(word, impl=jax.random.key_impl(key)), situation)
        now = jax.tree.map(lambda leaf, new: leaf.at[chosen].set(new, mode="drop"), now, fresh)
        return waiting.at[chosen].set(False, mode="drop"), now

    return jax.lax.while_loop(lambda running: happens_anywhere(running[0]), restart, (over, stepped))[1]


def unroll(
    table: Table, num_steps: int, key: Array, params: PyTree, minds: PyTree, seating: Seating, play: Play
) -> tuple[Play, Experience]:
    """Play `num_steps` steps with fixed seats.

    Args:
        key: [N] keys. params: leaves [N * E, ...]. minds: weights of learners and guests, leaves [N, P + guests, ...].
    """
    num_agents, num_learners = table.world.num_agents, table.num_learners
    learners = seating.place[:, :num_learners]
    fold_all = lambda leaf: fold(leaf, table.num_populations)  # noqa: E731
    per_seat = lambda leaf: to_seats(leaf, learners)  # noqa: E731

    def draw(t):
        key_act, key_world = split_each(fold_each(key, t), 2)
        return draw_uniform(key_act, seating.place.shape[1:]), of_environments(table, key_world)

    def step(running, drawn):
        (play, ledger, foresight), (uniform, key_world) = running, drawn
        timestep = play.timestep
        percept = perceive(table, timestep, seating)
        memory, output = think(table, minds, play.memory, percept)
        log_prob = categorical.log_probs(output.logits, percept.action_mask)
        action = categorical.sample(uniform, log_prob)

        actions = to_places(action, seating.seat, num_agents)
        truths = to_places(log_prob, seating.seat, num_agents)
        last = fold_all(timestep.last)
        chooses = fold_all(timestep.agent_mask & (timestep.action_mask.sum(-1) > 1)) & ~last[..., None]
        others_action, others_mask = per_seat(of_others(actions)), per_seat(of_others(chooses))
        sight, revealed = in_sight(table, params, play.state), reveal(table, params, play, seating)
        others_seen = None if sight is None else per_seat(sight)
        counts = others_mask & per_seat(chooses)[..., None] & (True if others_seen is None else others_seen)
        foresight = predict(
            foresight, output.opponent[:, :num_learners], others_action, counts,
            per_seat(of_others(truths)), per_seat(of_others(frequency(play.seen, actions))),
        )  # fmt: skip

        state, following = advance(table, key_world, params, play, actions)
        mask = fold_all(following.action_mask).astype(jnp.float32)
        taken = jax.nn.one_hot(actions, mask.shape[-1]) * chooses[..., None]
        seen = jnp.where(fold_all(following.first)[..., None, None], mask, play.seen + taken)
        ledger = record(ledger, fold_tree(timestep, table), fold_tree(following, table))
        in_last = jnp.broadcast_to(last[..., None], chooses.shape)
        there = fold_all(timestep.agent_mask)
        row = {
            "percept": jax.tree.map(lambda leaf: leaf[:, :num_learners], percept),
            "action": action[:, :num_learners],
            "log_prob": categorical.pick(log_prob, action)[:, :num_learners],
            "reward": per_seat(fold_all(following.reward)),
            "discount": per_seat(fold_all(following.discount)),
            "value": output.value[:, :num_learners],
            "last": per_seat(in_last),
            "agent_mask": per_seat(there),
            "others_action": others_action,
            "others_mask": others_mask,
            "others_seen": others_seen,
            "hidden": None if revealed is None else Hidden(per_seat(of_others(revealed)), per_seat(of_others(there))),
        }
        return (Play(state, following, memory, seen), ledger, foresight), row

    carry = jax.tree.map(lambda leaf: leaf[:, :num_learners], play.memory[0])
    running = (play, *empty_sums(table, learners.shape, play.timestep))
    # For all steps at once: for a few environments, a draw costs a CPU nearly what one for all steps does.
    drawn = jax.vmap(draw)(jnp.arange(num_steps))
    (play, ledger, foresight), rows = jax.lax.scan(step, running, drawn)

    # The percept after the last action is judged too: what follows it is bootstrapped from there.
    percept = perceive(table, play.timestep, seating)
    value = think(table, minds, play.memory, percept)[1].value[:, :num_learners]
    last = per_seat(jnp.broadcast_to(fold_all(play.timestep.last)[..., None], play.seen.shape[:3]))
    rows["value"] = jnp.concatenate([rows["value"], value[None]])
    rows["last"] = jnp.concatenate([rows["last"], last[None]])
    rows = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, 3), rows)
    return play, Experience(Trajectory(carry=carry, **rows), ledger, foresight)


def fold_tree(timestep: Timestep, table: Table) -> Timestep:
    """Give every leaf of a timestep its [N, E] axes."""
    return jax.tree.map(lambda leaf: fold(leaf, table.num_populations), timestep)


def draw_uniform(key: Array, shape: tuple[int, ...]) -> Array:
    """Uniforms [N, M, S] from keys [N]: each member draws from its own key, whoever else is there."""
    members, seats = shape
    return jax.vmap(jax.vmap(lambda key: jax.random.uniform(key, (seats,))))(of_members(key, members))


def empty_sums(table: Table, seats: tuple[int, ...], timestep: Timestep) -> tuple[Ledger, Foresight]:
    places = jnp.zeros((table.num_populations, table.num_envs, table.world.num_agents), jnp.float32)
    events = jnp.zeros(places.shape + timestep.events.shape[2:], jnp.float32)
    per_seat = jnp.zeros(seats, jnp.float32)
    return Ledger(places, places, places, events), Foresight(per_seat, per_seat, per_seat, per_seat)


def record(ledger: Ledger, now: Timestep, following: Timestep) -> Ledger:
    """Add one step; timesteps have leaves [N, E, ...]."""
    begun = (now.first[..., None] & now.agent_mask).astype(jnp.float32)
    return Ledger(
        ledger.reward + following.reward,
        ledger.payoff + following.payoff,
        ledger.episodes + begun,
        ledger.events + following.events.astype(jnp.float32),
    )


def frequency(seen: Array, action: Array) -> Array:
    """Log-probability [N, E, A] of the actions under each agent's running frequency."""
    return jnp.log(jnp.maximum(categorical.pick(seen, action), 1.0)) - jnp.log(seen.sum(-1))


def predict(
    foresight: Foresight, opponent: Array, action: Array, mask: Array, truth: Array, frequency: Array
) -> Foresight:
    """Score one step of predictions.

    Args:
        opponent: [N, P, S, A-1, K] logits. action, mask, frequency: [N, P, S, A-1].
        truth: [N, P, S, A-1, K] log-probabilities from which the others sampled.
    """
    model = jax.nn.log_softmax(opponent)
    weight = mask.astype(jnp.float32)
    return Foresight(
        foresight.cross_entropy - (weight * categorical.pick(model, action)).sum(-1),
        foresight.frequency - (weight * frequency).sum(-1),
        foresight.divergence + (weight * categorical.divergence(truth, model)).sum(-1),
        foresight.count + weight.sum(-1),
    )
