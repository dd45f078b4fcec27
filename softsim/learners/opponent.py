"""Opponent models: what a mind makes of each other agent, from nothing but its own memory.

All speak in relative slots, are trained in the same update as the policy, and predict next actions:

    policy      by reading them off memory (policy reconstruction)
    embedding   by way of a code of the other, from which its observation is decoded too, in training only
                (LIAM: Papoudakis et al. 2021, arXiv 2006.09447)
    character   from memory, and a sum over past episodes with the same others (ToMnet: Rabinowitz et al. 2018,
                arXiv 1802.07740)
    type        and say of which known kind the other is
    belief      and say what the other believes, where the world keeps track of that

No model is told who sits in which slot. What a memory holds at a step came before the actions of that step, so what is
predicted is never what is read.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from softsim.learners import categorical
from softsim.learners.weights import orthogonal
from softsim.types import Array, Environment, Output, PyTree, Trajectory, UserError, struct


@dataclasses.dataclass(frozen=True)
class OpponentConfig:
    """Which model of the others a mind has, and what it is for."""

    model: Literal["policy", "embedding", "character", "type", "belief", "none"] = "policy"
    condition: bool = True  # the policy sees what the model says
    shapes_memory: bool = True  # the model's gradient reaches perception and memory
    seen_only: bool = True  # others out of sight count neither in training nor in scores, whatever they come to believe
    width: int = 8  # numbers of an embedding or a character, of each other
    label: str = "member"  # of a type: which scripted partner it is, if any; or what the world knows, as "role"

    @property
    def keeps_past(self) -> bool:
        """Whether something is remembered beyond the episode."""
        return self.model == "character"


@dataclasses.dataclass(frozen=True)
class Target:
    """What a model is to say of each other agent, besides its next action."""

    label: str = ""  # what play notes down: "observation", "member" or a label of the world; nothing if empty
    size: int = 0  # labels, or numbers; of an observation, as many as its sketch has
    classes: int = 0  # of each label; 0 for numbers


NOTHING = Target()


def check(config: OpponentConfig, target: Target) -> None:
    """Refuse a model that lacks what it needs, or is told what it does not need.

    Raises:
        UserError: the policy is to see a model that it does not have, a target is missing, or a label is idle.
    """
    if config.model == "none" and config.condition:
        raise UserError("network.opponent.condition: True, but the model is 'none'; it must be False without a model.")
    if config.model in ("embedding", "type", "belief") and not target.label:
        raise UserError(f"network.opponent.model: {config.model!r} needs a target, and none is given.")
    if config.model != "type" and config.label != OpponentConfig.label:
        raise UserError(f"network.opponent.label: {config.label!r}; it is for model 'type', which is {config.model!r}.")


def target_of(config: OpponentConfig, world: Environment, num_scripted: int) -> Target:
    """What a model is trained to say in a world with so many scripted partners.

    Raises:
        UserError: nobody knows the label.
    """
    if config.model == "embedding":
        return Target("observation")
    if config.model not in ("type", "belief"):
        return NOTHING
    label = config.label if config.model == "type" else "belief"
    if label == "member":
        if num_scripted == 0:
            raise UserError("network.opponent.model: 'type' tells scripted partners apart, and there are none.")
        return Target(label, 1, 1 + num_scripted)
    known: dict[str, tuple[int, int]] = getattr(world, "labels", {})
    if label not in known:
        if config.model == "belief":
            raise UserError("network.opponent.model: 'belief', and this world does not keep track of beliefs.")
        allowed = ", ".join(map(repr, ("member", *known)))
        raise UserError(f"network.opponent.label: {label!r}; in this world allowed are {allowed}.")
    return Target(label, *known[label])


@struct
class Guess:
    """What a model says."""

    action: Array  # [..., A-1, K] float32   logits of next actions
    hidden: PyTree  # [..., A-1, size (, classes)] float32   numbers, or logits of labels; () if there is no target
    told: Array  # [..., W] float32   what of it the policy may see


@struct
class Past:
    """Episodes with the same others: what a character is made of."""

    total: Array  # [(A-1) * width] float32   sum over finished episodes
    episodes: Array  # [] float32   finished episodes; -1 before the first begins
    latest: Array  # [memory] float32   what was recalled last


def past_of(config: OpponentConfig, num_others: int, memory: int) -> PyTree:
    """A past without episodes, of a mind with a memory of that width."""
    size = max(num_others, 1) * config.width
    return Past(jnp.zeros(size, jnp.float32), jnp.float32(-1.0), jnp.zeros(memory, jnp.float32))


class OpponentModel(nn.Module):
    """One of the models. Axes of members and seats are `vmap`'s."""

    config: OpponentConfig
    target: Target
    num_actions: int
    num_others: int
    hidden: int  # width of its layer
    memory: int  # width of what it reads
    kind: Any  # dtype of matrix products

    def setup(self):
        config, target = self.config, self.target
        slots = max(self.num_others, 1)
        layer = lambda size, **how: nn.Dense(size, dtype=self.kind, **how)  # noqa: E731
        self.think = layer(self.hidden)
        if config.model == "embedding":
            self.embed = layer(slots * config.width)
            self.decode = layer(self.hidden)
            self.act = layer(self.num_actions, kernel_init=orthogonal(0.01))
            self.observe = layer(target.size)
        else:
            self.act = layer(slots * self.num_actions, kernel_init=orthogonal(0.01))
        if config.model == "character":
            self.summarise = layer(slots * config.width, use_bias=False)
        if target.classes:
            self.infer = layer(slots * target.size * target.classes, kernel_init=orthogonal(0.01))

    def recall(self, past: PyTree, recalled: Array, first: Array) -> tuple[PyTree, Array]:
        """Add up the episodes that end in a sequence.

        Args:
            past: before it. recalled: [T, memory] float32. first: [T] bool   episodes that begin.

        Returns:
            The past after it, and [T, ...] float32 what is known at each step: the mean over finished episodes and
            the logarithm of one more than their number, which is the sum and the number on a scale that stays small.
        """
        if not self.config.keeps_past:
            return past, recalled[:, :0]
        begins = first.astype(jnp.float32)
        before = jnp.concatenate([past.latest[None], recalled[:-1]])
        finished = past.episodes + jnp.cumsum(begins)
        ends = begins * (finished > 0)
        total = past.total[None] + jnp.cumsum(ends[:, None] * jnp.tanh(self.summarise(before).astype(jnp.float32)), 0)
        count = jnp.maximum(finished, 0.0)[:, None]
        known = jnp.concatenate([total / jnp.maximum(count, 1.0), jnp.log1p(count)], 1)
        return Past(total[-1], finished[-1], recalled[-1]), known

    def __call__(self, recalled: Array, known: Array) -> Guess:
        """Say what the others will do.

        Args:
            recalled: [..., memory] float32. known: [..., C] float32 of past episodes.
        """
        if self.config.model == "none":
            action = jnp.zeros((*recalled.shape[:-1], self.num_others, self.num_actions), jnp.float32)
            return Guess(action, (), recalled[..., :0])
        read = levelled(recalled) if self.target.classes else recalled
        thought = nn.relu(self.think(jnp.concatenate([read, known], -1)))
        if self.config.model == "embedding":
            return self.decoded(self.each(self.embed(thought), self.config.width))
        action = self.each(self.act(thought), self.num_actions)
        if not self.target.classes:
            return Guess(action, (), jnp.concatenate([jax.lax.collapse(nn.softmax(action), -2), known], -1))
        hidden = self.each(self.infer(thought), self.target.size, self.target.classes)
        return Guess(action, hidden, jax.lax.collapse(nn.softmax(hidden), -3))

    def decoded(self, code: Array) -> Guess:
        """Decode embeddings, [..., A-1, width], all by the same layers."""
        thought = nn.relu(self.decode(code))
        action, seen = self.act(thought).astype(jnp.float32), self.observe(thought).astype(jnp.float32)
        return Guess(action, seen, jax.lax.collapse(code, -2))

    def each(self, values: Array, *shape: int) -> Array:
        """Give every other its own, [..., A-1, *shape] float32."""
        size = math.prod(shape)
        values = values.astype(jnp.float32)[..., : self.num_others * size]
        return values.reshape(*values.shape[:-1], self.num_others, *shape)


def levelled(recalled: Array) -> Array:
    """Scale what is recalled, [..., memory], to a root mean square of 1 (Zhang and Sennrich 2019, arXiv 1910.07467).

    Before a model learns what tells cases apart it learns what they have in common, such as which of many labels ever
    occur. That goes fastest by memories that grow, all alike, until a recurrent one's units are saturated and learn
    nothing more. Of memories that are scaled, growing ones say no more.
    """
    return recalled * jax.lax.rsqrt((recalled**2).mean(-1, keepdims=True) + 1e-6)


def prediction_loss(output: Output, batch: Trajectory, played: Array) -> tuple[Array, dict[str, Array]]:
    """Average the loss of predictions: of next actions, and of what is hidden.

    Actions and labels are scored by cross-entropy in nats, numbers by half the squared error. LIAM sums that over the
    numbers of an observation; here it is their mean relative to their size, so that one weight suits all observations.

    Args:
        output: leaves [S, T, ...]. played: [S, T] bool.

    Returns:
        [] their sum, and both by name.
    """
    model = jax.nn.log_softmax(output.opponent)
    seen = played[..., None] & (True if batch.others_seen is None else batch.others_seen)
    of_action = categorical.masked_mean(-categorical.pick(model, batch.others_action), batch.others_mask & seen)
    if batch.hidden is None:
        return of_action, {"opponent_loss": of_action}
    target = batch.hidden.value
    if jnp.issubdtype(target.dtype, jnp.integer):
        error = -categorical.pick(jax.nn.log_softmax(output.hidden), target).mean(-1)
    else:
        size = categorical.masked_mean((target**2).mean(-1), batch.hidden.mask & seen) + 1e-3
        error = 0.5 * ((output.hidden - target) ** 2).mean(-1) / size
    of_hidden = categorical.masked_mean(error, batch.hidden.mask & seen)
    return of_action + of_hidden, {"opponent_loss": of_action, "hidden_loss": of_hidden}
