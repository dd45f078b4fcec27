"""Windows cut out of the world and windows looked up cell by cell are the same."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from choosing import few
from playing import compiled

from softsim.envs import make, observe
from softsim.envs.vocabulary import SELF

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
    for channel, code in enumerate(world.symbol_codes):
        seen = np.unique(np.asarray(slices) >> 8 * channel & 255)
        seen = seen[(channel != 1) | (seen != SELF)]  # oneself is always at the same place
        assert len(np.unique(code[seen], axis=0)) == len(seen), f"symbols of channel {channel} look the same"


def test_a_network_reads_no_more_numbers_than_a_world_has_to_tell():
    """Nothing is zero. Of traits cooks have hands, prey hands and a role, and claims an owner and a mark of damage."""
    widths = {
        "coins": [7, 4],
        "cooking_cramped_room": [16, 4, 2],
        "predator_prey_open": [16, 7, 2 + 2],
        "territory_open": [16, 7, 2 + 1],
    }
    assert {name: [code.shape[1] for code in make([name])[0].symbol_codes] for name in widths} == widths
