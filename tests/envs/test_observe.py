"""Windows cut out of the world and windows looked up cell by cell are the same."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from choosing import few
from playing import compiled

from softsim.envs import make, observe

GAMES = ("coins", "allelopathic_harvest+cooking_cramped_room", "hidden_agenda+territory_rooms")


@pytest.mark.parametrize("games", few(GAMES))
def test_looking_up_sees_what_slices_show(games):
    """In small worlds and large, on a torus, with disguises, traits and stakes, and with some in the dark."""
    world, params = make(games.split("+"))

    def both(key, params):
        key_reset, key_see, key_play = jax.random.split(key, 3)

        def step(state, seed):
            key_act, key_step = jax.random.split(jax.random.key(seed))
            action = jax.random.randint(key_act, (world.num_agents,), 0, world.num_actions)
            return world.step(key_step, params, state, action)[0], None

        state = jax.lax.scan(step, world.reset(key_reset, params)[0], jax.random.bits(key_play, (4,)))[0]
        present = params.agent_mask & (state.removed == 0)
        sees = present & jax.random.bernoulli(key_see, 0.8, present.shape)
        given = world.spec, params, state, present, sees
        return observe.by_slices(*given), observe.by_lookup(*given)

    params = jax.tree.map(lambda leaf: jnp.repeat(leaf, 8, 0), params)
    count = params.agent_mask.shape[0]
    slices, lookup = compiled(jax.vmap(both))(jax.random.split(jax.random.key(0), count), params)
    np.testing.assert_array_equal(slices, lookup)
    assert len(np.unique(slices)) >= 4
