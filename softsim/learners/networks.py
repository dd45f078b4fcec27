"""A mind: perceive, remember, act, judge, and predict the others.

Everything is a matrix product, so that stacking members turns it into batched products. Convolutions are avoided on
purpose: XLA runs them member by member. A whole sequence is perceived and judged at once; only the memory may step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from softsim.learners.memory import GatedRecurrentUnit, LastingMemory, LinearRecurrence, Memory, NoMemory
from softsim.learners.opponent import NOTHING, OpponentConfig, OpponentModel, Target, check, past_of
from softsim.learners.transformer import TransformerWindow
from softsim.learners.weights import orthogonal
from softsim.types import SEATS, Array, Asks, Output, Percept, Policy, PyTree, Told

SKETCH = 32
"""Numbers that stand for an observation that has more of them."""


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the default mind."""

    hidden: int = 64  # width of perception
    memory: int = 64  # width of what is remembered
    precision: Literal["float32", "bfloat16"] = "float32"  # of matrix products; weights, memory and outputs are float32
    recurrence: Literal["gru", "linear", "transformer", "none"] = "gru"  # what keeps the memory
    window: int = 64  # of a transformer: percepts it looks back on, the present one included
    heads: int = 4  # of a transformer
    episodes_per_memory: int = 1  # after so many episodes everything is forgotten
    opponent: OpponentConfig = OpponentConfig()


def memory_of(config: NetworkConfig) -> Memory:
    """The memory that a config asks for."""
    sizes = config.memory, jnp.dtype(config.precision)
    if config.recurrence == "transformer":
        memory = TransformerWindow(*sizes, config.window, config.heads)
    else:
        memory = {"none": NoMemory, "gru": GatedRecurrentUnit, "linear": LinearRecurrence}[config.recurrence](*sizes)
    if config.episodes_per_memory > 1:
        memory = LastingMemory(*sizes, memory, config.episodes_per_memory)
    return memory


Codes = tuple[tuple[tuple[float, ...], ...], ...]
"""Per channel of a window [symbols, width] numbers, hashable: what is read for each symbol."""


class Mind(nn.Module):
    """Perception -> memory -> heads for policy and value, and a model of the others.

    Where `codes` are given, observation leaves of dtype uint8 hold symbols, [..., C], and those of channel c are read
    as rows of `codes[c]`. The codes are fixed: the first layer learns what each means at each place, and neither a
    one-hot tensor nor a scatter of gradients is ever made. All other leaves are numbers.
    """

    config: NetworkConfig
    num_actions: int
    num_others: int
    codes: Codes = ()
    target: Target = NOTHING
    told: Told = "own"
    seats: int = 0  # in which it is told something else than its own

    def setup(self):
        config = self.config
        kind = jnp.dtype(config.precision)
        self.perceive_symbols = nn.Dense(config.hidden, dtype=kind)
        self.perceive = nn.Dense(config.hidden, dtype=kind)
        self.remember = memory_of(config)
        nn.share_scope(self, self.remember)  # its weights have the names that they have by themselves
        self.policy = nn.Dense(self.num_actions, kernel_init=orthogonal(0.01), dtype=kind)
        self.value = nn.Dense(1, kernel_init=orthogonal(1.0), dtype=kind)
        width = max(config.hidden // 2, 1)  # twice as wide, models of others cost twice as much
        self.opponent = OpponentModel(
            config.opponent, self.target, self.num_actions, self.num_others, width, config.memory, kind
        )

    def encode(self, observation: PyTree, batch: tuple[int, ...]) -> Array:
        """Turn observations with leading axes `batch` into what is to be remembered, [*batch, hidden]."""
        parts = []
        for leaf in jax.tree.leaves(observation):
            if self.codes and leaf.dtype == jnp.uint8:
                coded = read(self.codes, leaf, jnp.dtype(self.config.precision))
                parts.append(nn.relu(self.perceive_symbols(coded.reshape(*batch, -1))))
            else:
                parts.append(leaf.astype(jnp.float32).reshape(*batch, -1))
        return nn.relu(self.perceive(jnp.concatenate(parts, -1)))

    def judge(self, past: PyTree, recalled: Array, first: Array) -> tuple[PyTree, Any]:
        """Read policy, value and predictions off what is recalled, [T, memory]; critics read something else."""
        config = self.config.opponent
        source = recalled if config.shapes_memory else jax.lax.stop_gradient(recalled)
        past, known = self.opponent.recall(past, source, first)
        guess = self.opponent(source, known)
        ground = recalled
        if config.condition:
            ground = jnp.concatenate([recalled, tell(jax.lax.stop_gradient(guess.told), self.told, self.seats)], -1)
        logits, value = self.policy(ground), self.value(recalled)[..., 0]
        return past, Output(logits.astype(jnp.float32), value.astype(jnp.float32), guess.action, guess.hidden)

    def __call__(self, carry: PyTree, percept: Percept) -> tuple[PyTree, Output]:
        kept, past = carry if self.config.opponent.keeps_past else (carry, ())
        seen = self.encode(percept.observation, percept.first.shape)
        kept, recalled = self.remember(kept, seen, percept.first)
        past, output = self.judge(past, recalled[None], percept.first[None])
        carry = (kept, past) if self.config.opponent.keeps_past else kept
        return carry, jax.tree.map(lambda leaf: leaf[0], output)

    def unroll(self, carry: PyTree, percepts: Percept) -> Output:
        """Read a sequence of percepts, leading axis T."""
        kept, past = carry if self.config.opponent.keeps_past else (carry, ())
        seen = self.encode(percepts.observation, percepts.first.shape)
        return self.judge(past, self.remember.sequence(kept, seen, percepts.first), percepts.first)[1]


def frozen_codes(codes: Sequence[np.ndarray]) -> Codes:
    """Make codes hashable."""
    return tuple(tuple(tuple(map(float, row)) for row in code) for code in codes)


def read(codes: Codes, symbols: Array, kind: Any = jnp.float32) -> Array:
    """Read [..., C] symbols as their codes, [..., total width]."""
    channels = [jnp.array(code, kind)[symbols[..., c].astype(jnp.int32)] for c, code in enumerate(codes)]
    return jnp.concatenate(channels, -1)


def sketch(codes: Codes, observation: PyTree) -> Array:
    """Numbers [at most SKETCH] that stand for what one agent observes.

    Where there are more, random projections of them: of unit weight, so that the mean squared error is, on average
    over projections, that of the observation itself (Johnson and Lindenstrauss 1984).
    """
    parts = [
        (read(codes, leaf) if codes and leaf.dtype == jnp.uint8 else leaf.astype(jnp.float32)).reshape(-1)
        for leaf in jax.tree.leaves(observation)
    ]
    seen = jnp.concatenate(parts)
    if seen.size <= SKETCH:
        return seen
    directions = np.random.default_rng(0).normal(size=(seen.size, SKETCH)) / np.sqrt(seen.size)
    return seen @ directions.astype(np.float32)


def tell(said: Array, told: Told, seats: int) -> Array:
    """Change what a policy is told, [T, W] of one seat, in the ways of `Told`; in the first `seats` and among them."""
    if told == "own":
        return said
    among, seat = jax.lax.all_gather(said, SEATS)[:seats], jax.lax.axis_index(SEATS)
    if told == "average":
        other = among.mean(0)
    else:
        order = np.random.default_rng(0).permutation(seats)
        before = np.roll(order, 1)[np.argsort(order)]  # a cycle through all of them: no seat is told its own
        other = among[jnp.asarray(before)[jnp.minimum(seat, seats - 1)]]
    return jnp.where(seat < seats, other, said)


def recurrent_policy(
    config: NetworkConfig,
    num_actions: int,
    num_agents: int,
    observation: Any,
    codes: Sequence[np.ndarray] = (),
    target: Target = NOTHING,
    told: Told = "own",
    seats: int = 0,
) -> Policy:
    """Make the default policy for one seat.

    Args:
        observation: what one agent observes, as arrays or `jax.ShapeDtypeStruct`s.
        codes: per channel of its uint8 leaves, [symbols, width] float32: what the network reads for each symbol.
        target: what the opponent model says besides next actions (`opponent.target_of`).
        told, seats: as for `Policy.retold`.

    Raises:
        UserError: the policy is to see a model that it does not have.
    """
    check(config.opponent, target)
    hashable = frozen_codes(codes)
    if target.label == "observation":
        target = dataclasses.replace(target, size=jax.eval_shape(lambda seen: sketch(hashable, seen), observation).size)
    mind = Mind(config, num_actions, num_agents - 1, hashable, target, told, seats)
    run: Any = mind.apply

    def start() -> PyTree:
        empty = memory_of(config).start()
        past = past_of(config.opponent, num_agents - 1, config.memory)
        return (empty, past) if config.opponent.keeps_past else empty

    def init(key: Array) -> PyTree:
        empty = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), observation)
        percept = Percept(empty, jnp.float32(0.0), jnp.ones(num_actions, bool), jnp.bool_(True))
        return mind.init(key, start(), percept)

    def apply(params: PyTree, carry: PyTree, percept: Percept) -> tuple[PyTree, Output]:
        return run(params, carry, percept)

    def unroll(params: PyTree, carry: PyTree, percepts: Percept) -> Output:
        return run(params, carry, percepts, method=mind.unroll)

    def note(value: PyTree) -> Array:
        if target.label == "observation":
            return sketch(hashable, value)
        return value.astype(jnp.int32).reshape(target.size)

    def retold(told: Told, seats: int) -> Policy:
        return recurrent_policy(config, num_actions, num_agents, observation, codes, target, told, seats)

    return Policy(
        init,
        start,
        apply,
        unroll,
        asks=Asks(target.label, note, config.opponent.seen_only),
        retold=retold if config.opponent.condition else None,
    )
