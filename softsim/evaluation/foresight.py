"""How well minds foresee each other, how sure of it they rightly are, and what their foresight is worth to them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from softsim.evaluation.cross_play import all_pairs
from softsim.evaluation.outcomes import play_out
from softsim.learners import ppo
from softsim.rollout import Table
from softsim.train import Program, TrainState
from softsim.types import SEATS, Array, Policy, PyTree, Trajectory, struct

BINS = 15
"""Bins of confidence, of equal width (Guo et al. 2017, arXiv 1706.04599)."""


@struct
class Reliability:
    """Sums over predictions by confidence, the probability of the action held likeliest; leaves [..., BINS]."""

    count: Array  # float32   predictions
    confidence: Array  # float32
    hits: Array  # float32   how often that action was taken


@struct
class Scores:
    """Sums over predictions, leaves [N, P, M]: of each learner, sitting alone of its kind among each member."""

    cross_entropy: Array  # float32 nats   of the model on the actions taken
    frequency: Array  # float32 nats   of the others' running action frequency, with add-one smoothing
    divergence: Array  # float32 nats   from the others' true action distribution to the model
    count: Array  # float32   predictions
    reward: Array  # float32   of the learner
    episodes: Array  # float32
    reliability: Reliability  # leaves [N, P, M, BINS]


def predictions(policy: Policy, mind: PyTree, trajectory: Trajectory) -> Array:
    """What one member said of the others' next actions: log-probabilities [S, T, A-1, K]."""
    replay = jax.vmap(lambda carry, percepts: ppo.unroll(policy, mind, carry, percepts).opponent, axis_name=SEATS)
    return jax.nn.log_softmax(replay(trajectory.carry, trajectory.percept))


def counted(trajectory: Trajectory) -> Array:
    """Which predictions count, [S, T, A-1] bool: both had a choice, and the other was in sight if only such count."""
    chooses = trajectory.agent_mask & (trajectory.percept.action_mask.sum(-1) > 1) & ~trajectory.last[:, :-1]
    seen = True if trajectory.others_seen is None else trajectory.others_seen
    return trajectory.others_mask & chooses[..., None] & seen


def reliability(model: Array, action: Array, mask: Array, num_axes: int) -> Reliability:
    """Sort predictions into bins.

    Args:
        model: [..., K] log-probabilities. action, mask: [...]. num_axes: leading axes that are kept apart.
    """
    confidence = jnp.exp(model.max(-1))
    hit = (jnp.argmax(model, -1) == action).astype(jnp.float32)
    index = jnp.minimum((confidence * BINS).astype(jnp.int32), BINS - 1)
    inside = jax.nn.one_hot(index, BINS) * mask[..., None]
    axes = tuple(range(num_axes, action.ndim))
    return Reliability(*((inside * value[..., None]).sum(axes) for value in (jnp.ones_like(hit), confidence, hit)))


def calibration_error(found: Reliability) -> Array:
    """Mean distance between confidence and accuracy over predictions, [...]: the expected calibration error."""
    return jnp.abs(found.hits - found.confidence).sum(-1) / jnp.maximum(found.count.sum(-1), 1.0)


def skill(cross_entropy: Any, frequency: Any, best: Any) -> Any:
    """Say how much of what can be foreseen is, from cross-entropies: 0 is as good as the running frequency, 1 as the
    best predictor, which is Bayes where that is known."""
    return (frequency - cross_entropy) / (frequency - best)


@functools.partial(jax.jit, static_argnums=(0, 1))
def score(table: Table, num_steps: int, key: Array, situations: PyTree, minds: PyTree, place: Array) -> Scores:
    """Play from fresh episodes and score what each learner foresees in its focal seats.

    Args:
        key: [N] keys. situations: leaves [G, ...]. minds: leaves [N, P + guests, ...]. place: as from `focal_first`.
    """
    everywhere = jnp.broadcast_to(place, (table.num_populations, *place.shape))
    seating, experience = play_out(table, num_steps, key, situations, minds, everywhere)
    trajectory, foresight = experience.trajectory, experience.foresight
    learners = jax.tree.map(lambda leaf: leaf[:, : table.num_learners], minds)
    model = jax.vmap(jax.vmap(functools.partial(predictions, table.policy)))(learners, trajectory)
    mask = jax.vmap(jax.vmap(counted))(trajectory)
    ledger, own = experience.ledger, seating.place[:, : table.num_learners]
    of_seats = Scores(
        **{field.name: getattr(foresight, field.name) for field in dataclasses.fields(foresight)},
        reward=jax.vmap(lambda values, own: values.reshape(-1)[own])(ledger.reward, own),
        episodes=jax.vmap(lambda values, own: values.reshape(-1)[own])(ledger.episodes, own),
        reliability=reliability(model, trajectory.others_action, mask, 3),
    )

    def by_other(leaf: Array) -> Array:
        focal = leaf[:, :, : focal_seats(table)]
        return focal.reshape(*leaf.shape[:2], table.num_members, -1, *leaf.shape[3:]).sum(3)

    return jax.tree.map(by_other, of_seats)


def measures(scores: Scores, members: slice | np.ndarray = slice(None)) -> dict[str, Any]:
    """Reduce scores to means over predictions among some of the members, [N, P] each.

    Returns:
        `cross_entropy`, `frequency` and `divergence` in nats per prediction; `skill` against who knows the others' true
        distributions; `calibration_error`, and the `reliability` it comes from, leaves [N, P, BINS]; `return` per
        episode.
    """
    total = jax.tree.map(lambda leaf: np.asarray(leaf)[:, :, members].sum(2), scores)
    count = np.maximum(total.count, 1.0)
    model, frequency, divergence = total.cross_entropy / count, total.frequency / count, total.divergence / count
    return {
        "cross_entropy": model,
        "frequency": frequency,
        "divergence": divergence,
        "skill": skill(model, frequency, model - divergence),
        "calibration_error": np.asarray(calibration_error(total.reliability)),
        "reliability": total.reliability,
        "return": total.reward / np.maximum(total.episodes, 1.0),
    }


def foresight(
    program: Program,
    state: TrainState,
    key: Array,
    past: PyTree | None = None,
    held_out: Sequence[Policy] = (),
    repeats: int = 8,
) -> dict[str, dict[str, Any]]:
    """Score the learners among the current pool, a frozen past pool, and a held-out pool.

    Each learner plays as the only one of its kind among copies of each member of each pool. Where its policy is
    conditioned on its model, it also plays with the model's average output instead, and with that of another seat; the
    others, learners or not, keep theirs.

    Args:
        key: [] random key.
        past: weights of earlier members, leaves [N, Q, ...]; the league's guests if none are given.
        held_out: players that nobody has met in training.
        repeats: environments of each pair and situation at the least.

    Returns:
        By pool, `current`, `past` and `held_out` as far as they have members, what `measures` says; `usefulness`, how
        much return falls when the learner's policy reads the average prediction; and `causal_use`, how much it falls
        when it reads that of another seat, [N, P] each.
    """
    config, learners = program.config, program.config.num_members
    minds = program.minds(state)
    if past is not None:
        minds = jax.tree.map(lambda mind, old: jnp.concatenate([mind[:, :learners], old], 1), minds, past)
    guests = jax.tree.leaves(minds)[0].shape[1] - learners
    known = learners + guests + len(program.table.scripted)
    table = dataclasses.replace(program.table, scripted=(*program.table.scripted, *held_out), num_guests=guests)
    kinds = jax.tree.leaves(program.situations)[0].shape[0]
    table, place, slot = all_pairs(table, kinds, repeats)
    place = focal_first(table, kinds, place, slot)
    steps, keys = config.num_steps * config.updates_per_round, jax.random.split(key, table.num_populations)

    def play(policy: Policy) -> Scores:
        same = dataclasses.replace(table, policy=policy)
        luck = jax.random.clone(keys)  # the same for all, so that they differ by what they are told alone
        return score(same, steps, luck, program.situations, minds, place)

    own, retold = play(table.policy), table.policy.retold
    changed = {}
    if retold is not None:
        seats = focal_seats(table)
        changed = {"usefulness": play(retold("average", seats)), "causal_use": play(retold("another's", seats))}
    pools = {
        "current": np.r_[:learners, learners + guests : known],
        "past": np.r_[learners : learners + guests],
        "held_out": np.r_[known : table.num_members],
    }
    found = {pool: measures(own, members) for pool, members in pools.items() if len(members)}
    for pool in found:
        for name, scores in changed.items():
            found[pool][name] = found[pool]["return"] - measures(scores, pools[pool])["return"]
    return found


def focal_seats(table: Table) -> int:
    """How many seats each member has in which it is alone of its kind."""
    return table.num_envs // table.num_members


def focal_first(table: Table, kinds: int, place: np.ndarray, slot: np.ndarray) -> np.ndarray:
    """Order the places of each member, [M, S] int32: first those where it is alone of its kind, by whom it is among."""
    members = table.num_members
    focal = (np.arange(len(slot)) * table.world.num_agents + slot).reshape(kinds, members, members, -1)
    focal = np.moveaxis(focal, 0, 2).reshape(members, -1)
    rest = [np.setdiff1d(all_of_it, own) for all_of_it, own in zip(place, focal, strict=True)]
    return np.concatenate([focal, np.stack(rest)], 1).astype(np.int32)


def draw_reliability(found: Reliability, path: Path) -> Path:
    """Draw accuracy against confidence, leaves [BINS], and how many predictions are so sure, into a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count, confidence, hits = (np.asarray(leaf, np.float64) for leaf in (found.count, found.confidence, found.hits))
    some = count > 0
    figure = Figure(figsize=(5, 6), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color="#6B6B6B", linestyle="--", label="as sure as right")
    above.plot(confidence[some] / count[some], hits[some] / count[some], "o-", color="#0072B2", label="opponent model")
    above.set_ylabel("how often the likeliest action was taken")
    above.set_title(f"expected calibration error {float(calibration_error(found)):.3f}")
    above.legend(frameon=False)
    below.bar((np.arange(BINS) + 0.5) / BINS, count / max(count.sum(), 1.0), 1 / BINS, color="#0072B2")
    below.set_ylabel("share of predictions")
    below.set_xlabel("probability of the likeliest action")
    figure.savefig(path, dpi=110)
    return path
