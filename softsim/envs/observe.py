"""Egocentric symbol windows: what lies in each cell in view, who stands there, and what they have about them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from softsim.envs.movement import apart, direction, wrap
from softsim.envs.params import EnvParams, EnvState, Layout
from softsim.envs.spec import View, WorldSpec
from softsim.envs.vocabulary import DARK, NUM_SYMBOLS, OTHER, SELF, WALL
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


def windows(view: View, world: Array, position: tuple[Array, Array], heading: Array) -> Array:
    """Cut each agent's window out of the world and turn it so that ahead is up.

    Args:
        world: [H, W] any dtype, already padded by `margin(view)` on every side.
        position: rows and columns, each [A] int32, before padding; heading: [A] int32.

    Returns:
        [A, rows, columns] of the world's dtype.
    """
    rows, columns = view.shape
    size, pad, ahead, side = max(rows, columns), margin(view), view.ahead, view.side

    # The square whose upper left part is the window once turned, by its lowest row and column in the world.
    low = jnp.array(
        [(-ahead, -side), (-side, ahead - size + 1), (ahead - size + 1, side - size + 1), (side - size + 1, -ahead)],
        jnp.int32,
    )[heading]
    start_row, start_column = position[0] + pad + low[:, 0], position[1] + pad + low[:, 1]

    def one(row, column, heading):
        square = jax.lax.dynamic_slice(world, (row, column), (size, size))
        vertical = jnp.where(heading == 0, square, square[::-1, ::-1])
        horizontal = jnp.where(heading == 1, square[:, ::-1].T, square[::-1].T)
        return jnp.where(heading & 1 == 0, vertical, horizontal)[:rows, :columns]

    return jax.vmap(one)(start_row, start_column, heading)


def margin(view: View) -> int:
    """Cells of padding that keep every window, and the square it is cut from, inside the world."""
    size = max(view.shape)
    return max(view.ahead, view.side, size - 1 - view.ahead, size - 1 - view.side)


def frame(spec: WorldSpec, layout: Layout, world: Array) -> Array:
    """Surround a world [H, W] by `margin` cells of wall, or of its other side where its edges meet."""
    pad = margin(spec.view)
    if not spec.has("torus"):
        return jnp.pad(world, pad, constant_values=WALL)
    row = jnp.arange(-pad, spec.height + pad, dtype=jnp.int32)
    column = jnp.arange(-pad, spec.width + pad, dtype=jnp.int32)
    row = jnp.where(layout.torus, wrap(row, layout.height), row)
    column = jnp.where(layout.torus, wrap(column, layout.width), column)
    inside = ((row >= 0) & (row < spec.height))[:, None] & ((column >= 0) & (column < spec.width))[None]
    index = jnp.where(inside, row[:, None] * spec.width + column[None], world.size)
    return jnp.append(world.reshape(-1), jnp.asarray(WALL, world.dtype))[index]


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


def paint(spec: WorldSpec, params: EnvParams, state: EnvState, present: Array) -> Array:
    """The world as symbols, [H * W]: the item in the lowest byte, then who as 1 + 4 * slot + heading, then traits.

    Traits of a cell without an agent are 1 + the first slot that has a stake in it.
    """
    kind = jnp.uint32 if spec.has("trait") else jnp.uint16
    slot = jnp.arange(spec.num_agents, dtype=jnp.int32)
    who = ((1 + 4 * slot + state.heading) << 8).astype(kind)
    world = state.cell.reshape(-1).astype(kind)
    cell = jnp.where(present, state.position, world.size)
    if not spec.has("trait"):
        return world.at[cell].add(who, mode="drop")
    if spec.has("stake"):
        lowest = state.stake & (~state.stake + 1)
        owner = jnp.where(state.stake == 0, jnp.uint32(0), jax.lax.population_count(lowest - 1) + 1)
        world = world | (owner << 16)
    stood = world.at[cell].get(mode="clip") & 255
    return world.at[cell].set(stood | who | (traits(spec, params, state) << 16), mode="drop")


def look(spec: WorldSpec, params: EnvParams, state: EnvState, present: Array, sees: Array) -> Array:
    """See the world, with those `present`, as each agent that `sees` sees it; the others see darkness.

    Returns:
        [A, rows, columns, 2 or 3] uint8.
    """
    num_agents, position = spec.num_agents, state.position
    world = paint(spec, params, state, present).reshape(spec.height, spec.width)
    place = (position // spec.width, position % spec.width)
    seen = windows(spec.view, frame(spec, params.layout, world), place, state.heading)
    kind = seen.dtype

    item, who = seen & 255, (seen >> 8) & 255
    if spec.has("guise"):
        item = disguise(params.sight.guise.astype(kind)[params.role], item)
    own_slot = jnp.arange(num_agents, dtype=kind)[:, None, None]
    own_heading = state.heading.astype(kind)[:, None, None]
    stander, facing = (who - 1) >> 2, (who - 1 - own_heading) & 3
    identity = jnp.where(stander > own_slot, stander - own_slot, stander + kind.type(num_agents) - own_slot)
    identity = jnp.where(params.show_identity, identity, kind.type(0))
    symbol = jnp.where(stander == own_slot, kind.type(SELF), OTHER + 4 * identity + facing)
    # The channels are the bytes of one word each: a word is written at once, and read as bytes for nothing.
    word = item | jnp.where(who == 0, kind.type(0), symbol) << 8
    if spec.has("trait"):
        trait = seen >> 16
        if spec.has("guise") and spec.has("hand"):
            trait = disguise_hand(params.sight.hand.astype(kind)[params.role], trait, who > 0)
        owner = jnp.where(trait == own_slot + 1, kind.type(1), jnp.where(trait == 0, kind.type(0), kind.type(2)))
        word = word | jnp.where(who == 0, owner, trait) << 16
    sees = sees[:, None, None]
    if spec.has("crop"):
        row, column = (jnp.arange(size, dtype=jnp.int32) for size in spec.view.shape)
        ahead, right = spec.view.ahead - row[:, None], jnp.abs(column - spec.view.side)[None]
        sight = params.sight
        sees = sees & ((ahead <= sight.ahead) & (ahead >= -sight.behind) & (right <= sight.side))[None]
    seen = jax.lax.bitcast_convert_type(jnp.where(sees, word, kind.type(DARK)), jnp.uint8)
    return seen[..., :3]


def disguise(guise: Array, item: Array) -> Array:
    """Show agents, for what lies there, what it looks like to them: `guise` [A, pairs, 2] from which item to which."""
    shown = item
    for pair in range(guise.shape[1]):
        before, after = guise[:, pair, 0, None, None], guise[:, pair, 1, None, None]
        shown = jnp.where((item == before) & (before != after), after, shown)
    return shown


def disguise_hand(hand: Array, trait: Array, stands: Array) -> Array:
    """Show agents, for what a hand holds, what that looks like to them: `hand` [A, 4] by state of the hand."""
    shown, held = trait, trait & 3
    for state in range(1, hand.shape[1]):
        seen = (trait & ~trait.dtype.type(3)) | hand[:, state, None, None]
        shown = jnp.where(stands & (held == state), seen, shown)
    return shown


def symbol_codes(num_agents: int, item_width: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give every symbol a short vector, so that a linear layer can tell symbols apart.

    Items: nothing is zero, the next `item_width` items are unit vectors, later ones fixed random directions. Others:
    presence, heading as cosine and sine, and identity as signs of its binary digits (zero where it is hidden).
    Traits: their bits.

    Returns:
        [NUM_SYMBOLS, item_width], [2 + 4 A, 3 + digits] and [256, 8] float32, one per channel of a window.
    """
    items = np.random.default_rng(0).normal(size=(NUM_SYMBOLS, item_width))
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    items[: item_width + 1] = np.eye(item_width + 1, item_width, -1)
    digits = max(num_agents - 1, 1).bit_length()
    who = np.zeros((OTHER + 4 * num_agents, 3 + digits))
    for symbol in range(OTHER, len(who)):
        identity, heading = divmod(symbol - OTHER, 4)
        who[symbol, :3] = 1.0, np.cos(heading * np.pi / 2), np.sin(heading * np.pi / 2)
        if identity:
            who[symbol, 3:] = [1.0 if identity >> d & 1 else -1.0 for d in range(digits)]
    trait = (np.arange(256)[:, None] >> np.arange(8)[None]) & 1
    return items.astype(np.float32), who.round(6).astype(np.float32), trait.astype(np.float32)
