"""Egocentric symbol windows: what lies in each cell in view, and who stands there."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from softsim.envs.spec import View
from softsim.envs.vocabulary import DARK, NUM_SYMBOLS, OTHER, SELF, WALL
from softsim.types import Array, struct


@struct
class Observation:
    """What the agents of a grid world see.

    `window[..., 0]` is the item (`vocabulary.ITEMS`), `window[..., 1]` who stands there: 0 nobody, 1 the observer,
    else `2 + 4 * identity + heading`, heading relative to the observer's, identity the relative slot of the other
    (1 for the next agent, and so on), or 0 throughout where the situation hides identities.
    """

    window: Array  # [A, rows, columns, 2] uint8   row 0 is farthest ahead, column 0 leftmost
    body: Array  # [A, 3 + R + B] float32   frozen, removed, reward, one-hot role, readiness of each beam in [0, 1]


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


def look(
    view: View,
    shape: tuple[int, int],
    cell: Array,
    position: Array,
    heading: Array,
    present: Array,
    show_identity: Array,
) -> Array:
    """See the world as each agent sees it.

    Args:
        shape: height and width of the grid.
        cell: [H * W] uint8; position, heading: [A] int32; present: [A] bool. The absent see darkness.

    Returns:
        [A, rows, columns, 2] uint8.
    """
    height, width = shape
    num_agents = position.shape[0]
    slot = jnp.arange(num_agents, dtype=jnp.int32)
    # Both channels travel in one uint16: who in the upper byte as 1 + 4 * slot + heading, the item in the lower.
    who = ((1 + 4 * slot + heading) << 8).astype(jnp.uint16)
    world = cell.astype(jnp.uint16).at[jnp.where(present, position, cell.size)].add(who, mode="drop")
    world = jnp.pad(world.reshape(height, width), margin(view), constant_values=WALL)
    seen = windows(view, world, (position // width, position % width), heading)

    item, who = (seen & 255).astype(jnp.uint8), (seen >> 8).astype(jnp.uint8)
    own_slot, own_heading = slot.astype(jnp.uint8)[:, None, None], heading.astype(jnp.uint8)[:, None, None]
    stander, facing = (who - 1) >> 2, (who - 1 - own_heading) & 3
    identity = jnp.where(stander > own_slot, stander - own_slot, stander + jnp.uint8(num_agents) - own_slot)
    identity = jnp.where(show_identity, identity, jnp.uint8(0))
    symbol = jnp.where(stander == own_slot, jnp.uint8(SELF), OTHER + 4 * identity + facing)
    symbol = jnp.where(who == 0, jnp.uint8(0), symbol)
    seen = jnp.stack([item, symbol], -1)
    return jnp.where(present[:, None, None, None], seen, jnp.array([DARK, 0], jnp.uint8))


def symbol_codes(num_agents: int, item_width: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Give every symbol a short vector, so that a linear layer can tell symbols apart.

    Items: nothing is zero, the next `item_width` items are unit vectors, later ones fixed random directions. Others:
    presence, heading as cosine and sine, and identity as signs of its binary digits (zero where it is hidden).

    Returns:
        [NUM_SYMBOLS, item_width] and [2 + 4 A, 3 + digits] float32.
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
    return items.astype(np.float32), who.round(6).astype(np.float32)
