"""Learners of memory-one strategies that know the game and each other: exact baselines of opponent shaping.

A mind is [5] logits to cooperate after CC, CD, DC, DD and at the start, one's own move first. Games are symmetric and
given as [4]: R, S, T, P. Values are exact (`theory.memory_one.value`), per round; gradients are of the discounted sum
of payoffs, 1 / (1 - discount) times as large, as in the papers. `discount` is below 1.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from softsim.learners import categorical
from softsim.learners.shaping import align
from softsim.theory import memory_one
from softsim.theory.equations import solve
from softsim.types import Array, PyTree

Step = Callable[[Array, Array], Array]
"""(own mind, other's mind) -> own mind after one step of learning."""


def values(payoff: Array, discount: Array, own: Array, other: Array) -> Array:
    """What two minds get per round, [2]."""
    return memory_one.value(memory_one.symmetric(payoff), jax.nn.sigmoid(own), jax.nn.sigmoid(other), discount)


def naive_step(payoff: Array, discount: Array, rate: Array, own: Array, other: Array) -> Array:
    """Learn as if the other never did: one step of `rate` up the gradient of one's own value."""
    return own + rate * jax.grad(lambda own: values(payoff, discount, own, other)[0] / (1.0 - discount))(own)


def lola_step(payoff: Array, discount: Array, rate: Array, lookahead: Array, own: Array, other: Array) -> Array:
    """Learn with opponent-learning awareness (Foerster et al. 2018, arXiv 1709.04326, equation 4.4).

    The other is taken to learn naively at rate `lookahead`; what one's own mind changes about that step counts by what
    the step is worth to oneself, to first order.
    """

    def total(own: Array, other: Array) -> Array:
        return values(payoff, discount, own, other) / (1.0 - discount)

    gain = jax.grad(lambda own: total(own, other)[0])(own)
    worth = jax.grad(lambda other: total(own, other)[0])(other)

    def lesson(own: Array) -> Array:
        return jnp.sum(jax.grad(lambda other: total(own, other)[1])(other) * worth)

    return own + rate * (gain + lookahead * jax.grad(lesson)(own))


def learn_together(step: Step, first: Array, second: Array, num_steps: int) -> tuple[Array, Array]:
    """Let two minds learn from each other at the same time, in the same way."""

    def both(pair, _):
        return (step(*pair), step(*pair[::-1])), None

    return jax.lax.scan(both, (first, second), None, num_steps)[0]


def teach(step: Step, payoff: Array, discount: Array, teacher: Array, pupil: Array, num_steps: int) -> Array:
    """What a teacher that stays as it is and a pupil that learns get per round before each of its steps, [T, 2]."""

    def lesson(pupil: Array, _: None) -> tuple[Array, Array]:
        return step(pupil, teacher), values(payoff, discount, teacher, pupil)

    return jax.lax.scan(lesson, pupil, None, num_steps)[1]


@dataclasses.dataclass(frozen=True)
class TeacherConfig:
    """How a static teacher is found."""

    num_lessons: int = 100  # steps of a pupil
    num_pupils: int = 32  # drawn from N(0, 1) anew for every update
    num_updates: int = 400
    learning_rate: float = 0.05  # of Adam


def raise_teacher(key: Array, step: Step, payoff: Array, discount: Array, config: TeacherConfig) -> Array:
    """Find a static shaper: the mind that gains most while pupils learn, by the gradient through all of their steps.

    Balaguer et al. 2022 (The Good Shepherd, arXiv 2202.10135), with a teacher that never changes. It begins undecided.
    """
    optimizer = optax.adam(config.learning_rate)

    def loss(teacher: Array, pupils: Array) -> Array:
        lessons = jax.vmap(lambda pupil: teach(step, payoff, discount, teacher, pupil, config.num_lessons))(pupils)
        return -lessons[..., 0].mean()

    def update(running: PyTree, key: Array) -> tuple[PyTree, None]:
        teacher, state = running
        gradient = jax.grad(loss)(teacher, jax.random.normal(key, (config.num_pupils, 5)))
        change, state = optimizer.update(gradient, state)
        return (optax.apply_updates(teacher, change), state), None

    undecided = jnp.zeros(5, jnp.float32)
    begin = undecided, optimizer.init(undecided)
    return jax.lax.scan(update, begin, jax.random.split(key, config.num_updates))[0][0]


@dataclasses.dataclass(frozen=True)
class AlignmentConfig:
    """How two minds learn from matches that they play, with exact advantages."""

    num_matches: int = 128  # per update
    num_rounds: int = 50  # of a match
    num_updates: int = 500
    learning_rate: float = 0.1  # of plain gradient ascent


def learn_aligned(
    key: Array, config: AlignmentConfig, payoff: Array, discount: Array, weight: Array, first: Array, second: Array
) -> tuple[Array, Array]:
    """Let two minds learn by policy gradients with advantages aligned as in the formula of `softsim.learners.shaping`.

    A `weight` of 0 gives plain policy gradients. Advantages are exact, and those of round t count discount**t.
    """

    # Loops that are mapped take their keys as words: debugging of keys knows no better.
    remake = functools.partial(jax.random.wrap_key_data, impl=jax.random.key_impl(key))

    def update(minds: Array, word: Array) -> tuple[Array, None]:
        matches = jax.random.split(remake(word), config.num_matches)
        gradient = jax.vmap(lambda key: match_gradient(key, config, payoff, discount, weight, minds))(matches)
        return minds + config.learning_rate * gradient.mean(0), None

    words = jax.random.key_data(jax.random.split(key, config.num_updates))
    minds = jax.lax.scan(update, jnp.stack([first, second]), words)[0]
    return minds[0], minds[1]


def match_gradient(
    key: Array, config: AlignmentConfig, payoff: Array, discount: Array, weight: Array, minds: Array
) -> Array:
    """Play one match and estimate the policy gradient of both minds, [2, 5]."""
    moves = memory_one.joint_moves(*jax.nn.sigmoid(minds))
    before, after = play_match(key, moves, config.num_rounds)
    gained = joint_advantages(payoff, discount, moves)[:, before, after]
    never = jnp.zeros(config.num_rounds, bool)
    counts = discount ** jnp.arange(config.num_rounds)

    def of_player(mind: Array, own: Array, others: Array, state: Array, cooperated: Array) -> Array:
        worth = counts * align("advantage_alignment", own, others, never, discount, weight)
        return jnp.zeros_like(mind).at[state].add(worth * (cooperated - jax.nn.sigmoid(mind)[state]))

    state = jnp.stack([before, jnp.array(memory_one.SWAP, jnp.int32)[before]])
    cooperated = jnp.stack([after < 2, after % 2 == 0]).astype(jnp.float32)
    return jax.vmap(of_player)(minds, gained, gained[::-1], state, cooperated)


def play_match(key: Array, moves: Array, num_rounds: int) -> tuple[Array, Array]:
    """Play by the probabilities [5, 4] of joint moves: each round's predecessor, 0 to 4, and itself, [T] int32."""
    log_prob = jnp.log(moves)

    def play_round(before: Array, chance: Array) -> tuple[Array, tuple[Array, Array]]:
        after = categorical.sample(chance, log_prob[before])
        return after, (before, after)

    return jax.lax.scan(play_round, jnp.int32(4), jax.random.uniform(key, (num_rounds,)))[1]


def joint_advantages(payoff: Array, discount: Array, moves: Array) -> Array:
    """Exact advantages [2, 5, 4] of both players after each joint move, and at the start, at each next joint move."""
    game = memory_one.symmetric(payoff)
    worth = solve(jnp.eye(4) - discount * moves[:4], moves[:4] @ game.T)  # [4, 2]
    gains = game.T + discount * worth  # [4, 2]   of a joint move, with all that follows
    expected = jnp.concatenate([worth, moves[4:] @ gains])
    return (gains[None] - expected[:, None]).transpose(2, 0, 1)
