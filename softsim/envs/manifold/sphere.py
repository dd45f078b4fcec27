"""The unit sphere on which one player's preferences live: uniform points, angles, and steps along great circles.

What is random here is a function of uniform numbers in [0, 1), so that one draw can make many points.
"""

from __future__ import annotations

import jax.numpy as jnp

from softsim.types import Array


def unit(vector: Array) -> Array:
    """Scale vectors [..., 3] to length 1; zero, which has no direction, stays zero."""
    length = jnp.linalg.norm(vector, axis=-1, keepdims=True)
    return jnp.where(length > 0, vector / jnp.where(length > 0, length, 1.0), 0.0)


def uniform(point: Array) -> Array:
    """Carry a point of the unit square, [2] float32 in [0, 1), to the sphere, [3]: uniform to uniform (Archimedes)."""
    height, turn = 2.0 * point[0] - 1.0, 2.0 * jnp.pi * point[1]
    radius = jnp.sqrt(jnp.maximum(1.0 - height**2, 0.0))
    return jnp.stack([radius * jnp.cos(turn), radius * jnp.sin(turn), height])


def angle(left: Array, right: Array) -> Array:
    """Measure the geodesic distance of unit vectors [..., 3] in radians, 0 to pi; precise near 0 and pi too."""
    apart, together = jnp.linalg.norm(left - right, axis=-1), jnp.linalg.norm(left + right, axis=-1)
    return 2.0 * jnp.arctan2(apart, together)


def move(vector: Array, bearing: Array, size: Array) -> Array:
    """Walk `size` radians from a unit vector [3] along the great circle of a bearing, an angle in radians.

    Bearings are counted from a tangent that depends on the vector: a uniform bearing is a uniform direction.
    """
    axis = jnp.eye(3, dtype=jnp.float32)[jnp.argmin(jnp.abs(vector))]
    ahead = unit(jnp.cross(vector, axis))
    aside = jnp.cross(vector, ahead)
    tangent = jnp.cos(bearing) * ahead + jnp.sin(bearing) * aside
    return unit(jnp.cos(size) * vector + jnp.sin(size) * tangent)


def near(point: Array, vector: Array, radius: float) -> Array:
    """Carry a point of the unit square, [2], to within `radius` radians (at most pi) of a vector [3], uniformly."""
    # The area within an angle t grows as sin(t / 2) ** 2.
    size = 2.0 * jnp.arcsin(jnp.sqrt(point[0]) * jnp.sin(radius / 2.0))
    return move(vector, 2.0 * jnp.pi * point[1], size)
