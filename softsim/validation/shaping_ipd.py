"""Naive learners defect in the repeated prisoner's dilemma; those that shape each other cooperate, or extort.

Payoffs -1, -3, 0, -2, discount 0.96 (Foerster et al. 2018, arXiv 1709.04326), minds drawn from N(0, 1), rewards per
round. A pair cooperates if both get more than -1.1.

naive: exact gradients, rate 1, 200 steps, 512 pairs, seed 0; defection gives -2.
lola: the same with `lola_step`, rate 1, lookahead 3. The paper has -1.06 (0.19) from other rates.
alignment: policy gradients from 128 matches of 50 rounds with exact advantages, aligned with weight 1, rate 0.1, 500
    updates, 64 pairs, seed 0 (Duque et al. 2025, arXiv 2406.14662), and the same with weight 0.
teacher: one that never changes, raised through the 100 naive steps of rate 1 of its pupils by 400 updates of Adam 0.05
    (Balaguer et al. 2022, arXiv 2202.10135), 3 seeds, on 2,048 new pupils; means over the 100 steps. The target is
    that of this budget: 1,000 updates at twice the rate get to -0.64. A pupil need never get less than -2, and what the
    two get lies within r_2 <= -3 - 2 r_1, so no teacher of pupils that learn well gets more than -0.5 for long.
shaper: one that sees both minds and remembers, raised by 100 generations of an evolution strategy with 64 trials of
    four pupils each (`learners.meta_shaping`), on 256 new pupils of the same kind. M-FOS got about -0.51. Naive steps
    of rate 1 are too small to learn well from one who moves on: pupils get less than -2, and the bound does not hold.
    Nothing is claimed.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from softsim.learners import exact_shaping, meta_shaping
from softsim.learners.exact_shaping import AlignmentConfig, Step, TeacherConfig, lola_step, naive_step
from softsim.learners.meta_shaping import MetaConfig, StrategyConfig
from softsim.theory import memory_one
from softsim.types import Array
from softsim.validation.figures import Figure, as_found, at_least, at_most, within
from softsim.validation.registry import Say

PAYOFF = (-1.0, -3.0, 0.0, -2.0)
DISCOUNT = 0.96
COOPERATIVE = -1.1
BOUND = -0.5


def run(small: bool, say: Say) -> dict[str, Figure]:
    """Measure all five."""
    payoff, discount = jnp.array(PAYOFF, jnp.float32), jnp.float32(DISCOUNT)
    rate, lookahead = jnp.float32(1.0), jnp.float32(3.0)
    naive = functools.partial(naive_step, payoff, discount, rate)
    lola = functools.partial(lola_step, payoff, discount, rate, lookahead)

    def together(step: Step, first: Array, second: Array) -> tuple[Array, Array]:
        return exact_shaping.learn_together(step, first, second, 100 if small else 200)

    pairs = draw_pairs(64 if small else 512)
    figures = outcome("naive", jax.jit(jax.vmap(functools.partial(together, naive)))(*pairs), -1.99, small, say)
    figures |= outcome("lola", jax.jit(jax.vmap(functools.partial(together, lola)))(*pairs), -1.02, small, say)

    pairs = draw_pairs(8 if small else 64)
    plan = AlignmentConfig(num_matches=32, num_updates=250) if small else AlignmentConfig()
    learn = jax.jit(jax.vmap(exact_shaping.learn_aligned, in_axes=(0, None, None, None, None, 0, 0)), static_argnums=1)
    for name, weight, target in (("unaligned", 0.0, -1.99), ("alignment", 1.0, -1.025)):
        keys = jax.random.split(jax.random.fold_in(jax.random.key(0), 2), pairs[0].shape[0])
        minds = learn(keys, plan, payoff, discount, jnp.float32(weight), *pairs)
        figures |= outcome(name, minds, target, small, say)
    return figures | teachers(naive, payoff, discount, small, say) | shaper(naive, payoff, discount, small, say)


def draw_pairs(number: int) -> tuple[Array, Array]:
    """Two minds each of so many pairs, [number, 5]."""
    key_first, key_second = jax.random.split(jax.random.fold_in(jax.random.key(0), 1))
    return jax.random.normal(key_first, (number, 5)), jax.random.normal(key_second, (number, 5))


def outcome(name: str, minds: tuple[Array, Array], target: float, small: bool, say: Say) -> dict[str, Figure]:
    """What pairs of minds, [B, 5] each, get from each other, and what the best response to them would get."""
    payoff, discount = jnp.array(PAYOFF, jnp.float32), jnp.float32(DISCOUNT)
    reward = jax.vmap(functools.partial(exact_shaping.values, payoff, discount))(*minds)
    cooperative = float((reward.min(1) > COOPERATIVE).mean())
    respond = jax.vmap(lambda mind: memory_one.best_response(jax.nn.sigmoid(mind), payoff, discount)[1])
    say(f"{name}: {float(reward.mean()):.3f} a round, {cooperative:.1%} of the pairs cooperate")
    claim = at_least(cooperative, 0.9) if target > COOPERATIVE else at_most(cooperative, 0.02)
    return {
        f"{name}_reward": within(float(reward.mean()), target, 0.1 if small else 0.03),
        f"{name}_cooperative": as_found(cooperative) if small else claim,
        f"{name}_best_response": as_found(float(respond(jnp.concatenate(minds)).mean())),
    }


def teachers(naive: Step, payoff: Array, discount: Array, small: bool, say: Say) -> dict[str, Figure]:
    """Raise static teachers, and let each teach new pupils."""
    plan = TeacherConfig(num_pupils=8, num_updates=150, learning_rate=0.1) if small else TeacherConfig()
    key_raise, key_pupils = jax.random.split(jax.random.fold_in(jax.random.key(0), 3))
    pupils = jax.random.normal(key_pupils, (256 if small else 2048, 5))

    @jax.jit
    def raised(key: Array) -> Array:
        return exact_shaping.raise_teacher(key, naive, payoff, discount, plan)

    @jax.jit
    @jax.vmap
    def taught(teacher: Array, pupil: Array) -> Array:
        return exact_shaping.teach(naive, payoff, discount, teacher, pupil, plan.num_lessons)

    rewards = []
    for key in jax.random.split(key_raise, 1 if small else 3):
        teacher = jnp.broadcast_to(raised(key), pupils.shape)
        rewards.append(taught(teacher, pupils).mean(0))
        say(f"teacher: {rewards[-1].mean(0)}")
    lessons = jnp.stack(rewards)  # [seed, lesson, who]
    return {
        "teacher_and_pupil_reward": within(lessons.mean((0, 1)).tolist(), (-0.667, -1.83), 0.1 if small else 0.01),
        "teacher_reward_of_each_seed": as_found(lessons[..., 0].mean(1).tolist()),
        "teacher_best_reward_of_a_lesson": at_most(float(lessons[..., 0].max()), BOUND),
    }


def shaper(naive: Step, payoff: Array, discount: Array, small: bool, say: Say) -> dict[str, Figure]:
    """Raise a shaper that remembers, and let it meet new pupils."""
    plan = MetaConfig(StrategyConfig(num_generations=20 if small else 100), num_pupils=2 if small else 4)
    key_raise, key_pupils = jax.random.split(jax.random.fold_in(jax.random.key(0), 4))
    raised = jax.jit(lambda key: meta_shaping.raise_shaper(key, naive, payoff, discount, plan))(key_raise)

    @jax.jit
    @jax.vmap
    def met(pupil: Array) -> Array:
        return meta_shaping.meta_episode(naive, payoff, discount, raised, pupil, plan.num_games)[0]

    reward = met(jax.random.normal(key_pupils, (256, 5))).mean((0, 1))
    say(f"shaper: {reward}")
    return {"shaper_and_pupil_reward": as_found(reward.tolist())}
