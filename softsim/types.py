"""The shapes everything agrees on: axis letters, the timestep, and the three protocols.

Axis letters, used in every shape comment of the library:

    N populations    P members of a population    E environments    S seats of a member    T time
    A agent slots    K actions                    V view            H W grid height, width

Everything that advances has one form, written for one and mapped on axis 0 for many:

    (key, params, state, input) -> (state, output)

`params` is always an argument and always data, so a batch may hold a different situation in every row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol, TypeVar, dataclass_transform, runtime_checkable

import jax

Array = jax.Array
PyTree = Any
T = TypeVar("T")


class UserError(ValueError):
    """A mistake of the caller's, said in one sentence: the field, the value, and what is allowed."""


@dataclass_transform(frozen_default=True)
def struct(cls: type[T]) -> type[T]:
    """Make a frozen dataclass whose fields are all pytree leaves or subtrees; `dataclasses.replace` updates it."""
    return jax.tree_util.register_dataclass(dataclasses.dataclass(frozen=True)(cls))


@struct
class Timestep:
    """What one environment shows its agents after a reset or a step.

    `discount` and `last` are two facts, not one: a time limit sets `last` and leaves `discount` at 1, so that
    learners bootstrap from the final observation; a death or a true end sets `discount` to 0.
    """

    observation: PyTree  # leaves [A, ...]
    reward: Array  # [A] float32   what learners maximise: the payoff after sharing
    payoff: Array  # [A] float32   the material outcome, before sharing
    discount: Array  # [A] float32   0 where this agent's future ends here, else 1
    agent_mask: Array  # [A] bool   slots in play
    action_mask: Array  # [A, K] bool   actions that may change the state; always at least one per agent
    first: Array  # [] bool   this timestep comes from a reset
    last: Array  # [] bool   the episode is over: the next call resets
    events: Array  # [A, B] int32   counts of named events in this step, per agent that caused them


@runtime_checkable
class Environment(Protocol):
    """A world for `num_agents` agents: unbatched, pure, and never resetting itself.

    `reset` and `step` consume their key and return a state that holds no key.

    A world may also tell opponent models in training what no agent observes:

        labels:  name -> (how many such labels an agent has, of how many classes)
        hidden:  (params, state) -> {name: [A, ...] integers}
        sees:    (params, state) -> [A, A] bool, whom each agent, by row, has in sight; without it all count

    and how many steps every episode has at least, so that a run that needs several in a round is refused in time:

        shortest: (params) -> [] int32
    """

    @property
    def num_agents(self) -> int: ...

    @property
    def num_actions(self) -> int: ...

    def reset(self, key: Array, params: PyTree) -> tuple[PyTree, Timestep]: ...

    def step(self, key: Array, params: PyTree, state: PyTree, action: Array) -> tuple[PyTree, Timestep]: ...


@struct
class Percept:
    """What one seat perceives: one agent's row of a timestep. Policies see nothing else."""

    observation: PyTree  # leaves [...]
    reward: Array  # [] float32   reward that came with this observation
    action_mask: Array  # [K] bool
    first: Array  # [] bool   memory from before this percept belongs to another episode
    others: PyTree = ()  # leaves [A-1, ...]   what the others observe, in relative slots, for a critic while learning


@struct
class Output:
    """What a policy says about one percept."""

    logits: Array  # [K] float32   of its own next action, before masking
    value: Array  # [] float32   expected discounted reward from here
    opponent: Array  # [A-1, K] float32   logits of the next action of each other agent, in relative slots
    hidden: PyTree = ()  # [A-1, ...] float32   what its opponent model says of what is hidden: see `Asks`


class Asks(NamedTuple):
    """What a policy's opponent model wants to be told of the others in training, which no agent observes."""

    label: str = ""  # "observation", "member" (0 a learner, else 1 + which scripted), or one that the world knows
    sketch: Callable[[PyTree], Array] = lambda value: value  # (it, of one agent) -> what the model is to say
    seen_only: bool = False  # others out of sight count neither in training nor in scores, where the world knows


SEATS = "seats"
"""Name of the axis of a member's seats while its policy is applied in play."""


Told = Literal["own", "average", "another's"]
"""What a policy that is conditioned on its opponent model reads: the model's output in this seat; or, in ablations, its
average over seats, which tells nothing in particular, or its output in another seat (a permutation of the batch)."""


class Policy(NamedTuple):
    """A mind for one seat. Relative slot j of agent i is agent `(i + 1 + j) % A`.

    init:   (key) -> params
    start:  () -> carry                                   memory at the start of an episode
    apply:  (params, carry, percept) -> (carry, output)   forgets by itself where `percept.first` is set
    unroll: (params, carry, percepts [T, ...]) -> outputs [T, ...], or None to scan `apply`;
            a policy gives one when a whole sequence is cheaper than its steps one by one.
    wake:   (key) -> carry of one seat when play begins, for policies with a chance of their own, whose memory then
            holds what they draw from; or None to begin with `start`.
    asks:   what trajectories note down for its opponent model.
    retold: (told, seats) -> this policy with something else told to it, in the first `seats` of a member's seats only;
            None where it is not conditioned on an opponent model.
    """

    init: Callable[[Array], PyTree]
    start: Callable[[], PyTree]
    apply: Callable[[PyTree, PyTree, Percept], tuple[PyTree, Output]]
    unroll: Callable[[PyTree, PyTree, Percept], Output] | None = None
    wake: Callable[[Array], PyTree] | None = None
    asks: Asks = Asks()
    retold: Callable[[Told, int], Policy] | None = None


@struct
class Hidden:
    """What only the simulator knows of the others, in relative slots."""

    value: Array  # [S, T, A-1, ...] int32 labels or float32 numbers: what `Asks.sketch` made of it
    mask: Array  # [S, T, A-1] bool   others in play


@struct
class Trajectory:
    """The experience of one member over T steps in its S seats."""

    percept: Percept  # leaves [S, T, ...]
    carry: PyTree  # leaves [S, ...]   memory before the first percept
    action: Array  # [S, T] int32
    log_prob: Array  # [S, T] float32   of the action when it was taken
    reward: Array  # [S, T] float32   that action t led to
    discount: Array  # [S, T] float32   after action t
    value: Array  # [S, T + 1] float32   of each percept, and of the one after the last action
    last: Array  # [S, T + 1] bool   percepts whose action is not played, because the next call resets
    agent_mask: Array  # [S, T] bool   seats in play
    others_action: Array  # [S, T, A-1] int32   what the others did at the same time, in relative slots
    others_mask: Array  # [S, T, A-1] bool   others in play who had a choice
    others_seen: Array | None = None  # [S, T, A-1] bool   others in sight; None where the policy does not ask
    hidden: Hidden | None = None  # what else the policy asks for
    others_advantage: Array | None = None  # [S, T] float32   summed over the other learners, for learners that shape


class Learner(NamedTuple):
    """How one member improves, as a pair of pure functions (an optax transformation with experience for gradients).

    init:   (params) -> learner state
    update: (key, hyper, params, state, trajectory) -> (params, state, metrics: dict of scalars)
    """

    init: Callable[[PyTree], PyTree]
    update: Callable[[Array, PyTree, PyTree, PyTree, Trajectory], tuple[PyTree, PyTree, dict[str, Array]]]
