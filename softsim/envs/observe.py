"""Egocentric symbol windows: what lies in each cell in view, who stands there, and what they have about them."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from softsim.envs.movement import apart, direction, wrap
from softsim.envs.params import EnvParams, EnvState, Layout
from softsim.envs.skipping import for_agents, where_needed
from softsim.envs.spec import View, WorldSpec
from softsim.envs.vocabulary import DARK, NUM_SYMBOLS, OTHER, SELF, WALL
from softsim.machine import on_accelerator
from softsim.types import Array, struct


@struct
class Observation:
    """What the agents of a grid world see.

    `window[..., 0]` is the item (`vocabulary.ITEMS`), `window[..., 1]` who stands there: 0 nobody, 1 the observer,
    else `2 + 4 * identity + heading`, heading relative to the observer's, identity the relative slot of the other
    (1 for the next agent, and so on), or 0 throughout where the situation hides identities. Where games have traits,
    `window[..., 2]` is, of who stands there, `hand + 4 * colour + 32 * role + 128 * marked` (role 0 where it is
    hidden), and of an empty cell 1 where the observer has a stake in it, 2 where only others have.
    """

    window: Array  # [A, rows, columns, 2 or 3] uint8   row 0 is farthest ahead, column 0 leftmost
    body: Array  # [A, ...] float32   what an agent knows of itself: see `body.feel`


def window(view: View, world: Array, row: Array, column: Array, heading: Array) -> Array:
    """Cut an agent's window out of the world and turn it so that ahead is up.

    Args:
        world: [H, W] any dtype, already padded by `margin(view)` on every side.
        row, column, heading: [] int32, of the agent, before padding.

    Returns:
        [rows, columns] of the world's dtype.
    """
    rows, columns = view.shape
    size, pad, ahead, side = max(rows, columns), margin(view), view.ahead, view.side
    # The square whose upper left part is the window once turned, by its lowest row and column in the world.
    corners = (-ahead, -side), (-side, ahead - size + 1), (ahead - size + 1, side - size + 1), (side - size + 1, -ahead)
    low = jnp.array(corners, jnp.int32)[heading]
    square = jax.lax.dynamic_slice(world, (row + pad + low[0], column + pad + low[1]), (size, size))

    def turn(square):
        half = jnp.where(heading >= 2, square[::-1, ::-1], square)
        return jnp.where(heading & 1 == 1, half[:, ::-1].T, half)

    # Not fused with what comes before and after, which would look every cell up several times.
    return where_needed(heading != 0, turn, square)[:rows, :columns]


def margin(view: View) -> int:
    """Cells of padding that keep every window, and the square it is cut from, inside the world."""
    size = max(view.shape)
    return max(view.ahead, view.side, size - 1 - view.ahead, size - 1 - view.side)


def frame(spec: WorldSpec, layout: Layout, world: Array) -> Array:
    """Surround a world [H, W] by `margin` cells of wall, or of its other side where its edges meet."""
    pad = margin(spec.view)
    walled = jnp.pad(world, pad, constant_values=WALL)
    if not spec.has("torus"):
        return walled

    def join_edges(walled):
        row = wrap(jnp.arange(-pad, spec.height + pad, dtype=jnp.int32), layout.height)
        column = wrap(jnp.arange(-pad, spec.width + pad, dtype=jnp.int32), layout.width)
        wrapped = world.reshape(-1)[row[:, None] * spec.width + column[None]]
        return jnp.where(layout.torus, wrapped, walled)

    return where_needed(layout.torus, join_edges, walled)


def in_view(spec: WorldSpec, params: EnvParams, state: EnvState, cell: Array) -> Array:
    """[A, N] bool: which of the flat cells [N] lie in each agent's window. Nothing hides what is behind it."""
    down, across = apart(spec, params.layout, state.position[:, None], cell[None])
    (row_ahead, column_ahead), (row_right, column_right) = direction(state.heading), direction(state.heading + 1)
    ahead = down * row_ahead[:, None] + across * column_ahead[:, None]
    right = down * row_right[:, None] + across * column_right[:, None]
    sight = params.sight
    return (ahead <= sight.ahead) & (ahead >= -sight.behind) & (jnp.abs(right) <= sight.side)


def traits(spec: WorldSpec, params: EnvParams, state: EnvState) -> Array:
    """What can be seen of agents themselves, [A] uint32: see `Observation`."""
    seen = jnp.where(params.sight.show_role, params.role.astype(jnp.uint32) << 5, jnp.uint32(0))
    if spec.has("hand"):
        seen = seen | (state.hand.astype(jnp.uint32) & 3)
    if spec.has("paint"):
        seen = seen | ((state.paint.astype(jnp.uint32) & 7) << 2)
    if spec.has("mark"):
        seen = seen | (state.mark > 0).astype(jnp.uint32) << 7
    return seen


def paint(spec: WorldSpec, params: EnvParams, state: EnvState, present: Array, pad: int = 0) -> Array:
    """The world as symbols, [pad + H + pad, pad + W + pad] with wall around it.

    The item is in the lowest byte, then who stands there as 1 + 4 * slot + heading, then traits. Traits of a cell
    without an agent are 1 + the first slot that has a stake in it.
    """
    kind = jnp.uint32 if spec.has("trait") else jnp.uint16
    slot = jnp.arange(spec.num_agents, dtype=jnp.int32)
    who = ((1 + 4 * slot + state.heading) << 8).astype(kind)
    framed = jnp.pad(state.cell.astype(kind), pad, constant_values=WALL)
    if spec.has("stake"):
        lowest = state.stake & (~state.stake + 1)
        owner = jnp.where(state.stake == 0, lowest, jax.lax.population_count(lowest - 1) + 1)
        framed = framed | jnp.pad(owner.reshape(state.cell.shape).astype(kind) << 16, pad)
    row = jnp.where(present, state.position // spec.width + pad, framed.shape[0])
    at = framed.at[row, state.position % spec.width + pad]
    if not spec.has("trait"):
        return at.add(who, mode="drop")
    stood = at.get(mode="clip") & 255
    return at.set(stood | who | (traits(spec, params, state) << 16), mode="drop")


def look(spec: WorldSpec, params: EnvParams, state: EnvState, present: Array, sees: Array) -> Array:
    """See the world, with those `present`, as each agent that `sees` sees it; the others see darkness.

    Returns:
        [A, rows, columns, 2 or 3] uint8.
    """
    seen = (by_lookup if on_accelerator() else by_slices)(spec, params, state, present, sees)
    # The channels are the bytes of one word each: a word is written at once, and read as bytes for nothing.
    channels = jax.lax.bitcast_convert_type(seen, jnp.uint8)[..., :3]
    return channels.reshape(spec.num_agents, *spec.view.shape, channels.shape[-1])


def by_slices(spec: WorldSpec, params: EnvParams, state: EnvState, present: Array, sees: Array) -> Array:
    """What agents see, [A, rows * columns] words: squares are cut out of the world and turned.

    Fastest where copies are cheap and work is done piece after piece: on a CPU.
    """
    world = frame(spec, params.layout, paint(spec, params, state, present))

    def view_of(agent):
        row, column = state.position[agent] // spec.width, state.position[agent] % spec.width
        seen = window(spec.view, world, row, column, state.heading[agent]).reshape(-1)
        dark = jnp.full_like(seen, DARK)
        return where_needed(sees[agent], lambda _: read(spec, params, state, seen, agent, sees[agent]), dark)

    return for_agents(sees, view_of, DARK)


def by_lookup(spec: WorldSpec, params: EnvParams, state: EnvState, present: Array, sees: Array) -> Array:
    """What `by_slices` returns, each cell in view looked up by itself: one kernel, fastest on an accelerator."""
    columns, index = spec.view.shape[1], np.arange(math.prod(spec.view.shape))
    ahead, right = spec.view.ahead - index // columns, index % columns - spec.view.side
    world = paint(spec, params, state, present, 1)  # whatever is farther out is wall as well

    def view_of(agent):
        position, heading = state.position[agent], state.heading[agent]
        (down_ahead, across_ahead), (down_right, across_right) = direction(heading), direction(heading + 1)
        row = position // spec.width + ahead * down_ahead + right * down_right
        column = position % spec.width + ahead * across_ahead + right * across_right
        if spec.has("torus"):
            row = jnp.where(params.layout.torus, wrap(row, params.layout.height), row)
            column = jnp.where(params.layout.torus, wrap(column, params.layout.width), column)
        row, column = jnp.clip(row, -1, spec.height) + 1, jnp.clip(column, -1, spec.width) + 1
        cell = row * world.shape[1] + column
        seen = world.reshape(-1).at[cell].get(mode="promise_in_bounds", wrap_negative_indices=False)
        return read(spec, params, state, seen, agent, sees[agent])

    return jax.vmap(view_of)(jnp.arange(spec.num_agents, dtype=jnp.int32))


def read(spec: WorldSpec, params: EnvParams, state: EnvState, seen: Array, agent: Array, sees: Array) -> Array:
    """What cells in view, [rows * columns] as painted, are to an agent, [] int32, if it `sees`; else darkness."""
    kind, heading, role = seen.dtype, state.heading[agent], params.role[agent]
    item, who, own_slot = seen & 255, (seen >> 8) & 255, agent.astype(kind)
    if spec.has("guise"):
        guise = params.sight.guise[role].astype(kind)
        item = where_needed((guise[:, 0] != guise[:, 1]).any(), lambda item: disguise(guise, item), item)
    stander, facing = (who - 1) >> 2, (who - 1 - heading.astype(kind)) & 3
    identity = jnp.where(stander > own_slot, stander - own_slot, stander + kind.type(spec.num_agents) - own_slot)
    identity = jnp.where(params.show_identity, identity, kind.type(0))
    symbol = jnp.where(stander == own_slot, kind.type(SELF), OTHER + 4 * identity + facing)
    word = item | jnp.where(who == 0, kind.type(0), symbol) << 8
    if spec.has("trait"):
        word = word | read_trait(spec, params, seen >> 16, who > 0, role, own_slot) << 16
    return jnp.where(sees & in_sight(spec, params), word, kind.type(DARK))


def read_trait(spec: WorldSpec, params: EnvParams, trait: Array, stands: Array, role: Array, own_slot: Array) -> Array:
    """What an agent sees of those who stand there, or of who has a stake in an empty cell: [rows * columns]."""
    kind = trait.dtype
    if spec.has("guise") and spec.has("hand"):
        hand = params.sight.hand[role].astype(kind)
        changed = (hand != jnp.arange(hand.size, dtype=kind)).any()
        trait = where_needed(changed, lambda trait: disguise_hand(hand, trait, stands), trait)
    owner = jnp.where(trait == own_slot + 1, kind.type(1), jnp.where(trait == 0, kind.type(0), kind.type(2)))
    return jnp.where(stands, trait, owner)


def in_sight(spec: WorldSpec, params: EnvParams) -> Array:
    """Which cells of the spec's window a situation lets agents see: [rows * columns] bool, or one for all."""
    if not spec.has("crop"):
        return jnp.bool_(True)
    (rows, columns), sight = spec.view.shape, params.sight
    index = np.arange(rows * columns)
    ahead, right = spec.view.ahead - index // columns, np.abs(index % columns - spec.view.side)
    return (sight.ahead >= ahead) & (sight.behind >= -ahead) & (sight.side >= right)


def disguise(guise: Array, item: Array) -> Array:
    """Show an agent, for what lies there, what it looks like to it: `guise` [pairs, 2] from which item to which."""
    shown = item
    for before, after in guise:
        shown = jnp.where((item == before) & (before != after), after, shown)
    return shown


def disguise_hand(hand: Array, trait: Array, stands: Array) -> Array:
    """Show an agent, for what a hand holds, what that looks like to it: `hand` [4] by state of the hand."""
    shown, held = trait, trait & 3
    for state in range(1, hand.size):
        shown = jnp.where(stands & (held == state), (trait & ~trait.dtype.type(3)) | hand[state], shown)
    return shown


MOST_UNIT_VECTORS = 16
"""Items that have a direction of their own; a network's first layer grows with their number."""

BITS = {"hand": (0, 1), "stake": (0, 1), "paint": (2, 3, 4), "role": (5, 6), "mark": (7,)}
"""Which bits of a trait tell what: see `Observation`."""


def symbol_codes(spec: WorldSpec) -> tuple[np.ndarray, ...]:
    """Give every symbol a short vector, so that a linear layer can tell symbols apart.

    Items: nothing is zero, those after it are unit vectors, and fixed random directions where a world has more than
    `MOST_UNIT_VECTORS`. Others: presence, heading as cosine and sine, and identity as signs of its binary digits (zero
    where it is hidden). Traits: those of their bits that can be other than zero in this world.

    Returns:
        [NUM_SYMBOLS, items], [2 + 4 A, 3 + digits] and, where there are traits, [256, bits] float32: one per channel
        of a window.
    """
    width = min(spec.num_items - 1, MOST_UNIT_VECTORS)
    items = np.random.default_rng(0).normal(size=(NUM_SYMBOLS, width))
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    items[: width + 1] = np.eye(width + 1, width, -1)
    digits = max(spec.num_agents - 1, 1).bit_length()
    who = np.zeros((OTHER + 4 * spec.num_agents, 3 + digits))
    for symbol in range(OTHER, len(who)):
        identity, heading = divmod(symbol - OTHER, 4)
        who[symbol, :3] = 1.0, np.cos(heading * np.pi / 2), np.sin(heading * np.pi / 2)
        if identity:
            who[symbol, 3:] = [1.0 if identity >> d & 1 else -1.0 for d in range(digits)]
    codes = items, who.round(6)
    if spec.has("trait"):
        bits = sorted({bit for phase, bits in BITS.items() if spec.has(phase) for bit in bits})
        codes += ((np.arange(256)[:, None] >> np.array(bits, int)) & 1,)
    return tuple(code.astype(np.float32) for code in codes)
