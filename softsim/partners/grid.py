"""Scripted partners for grid worlds, made of the situations' own tables: whatever has the same laws has the same bots.

`greedy`, anywhere, takes whatever pays. The rest depends on the laws of a world; of those it has the first counts:

law          cooperator                     defector                      conditional                punisher
encounters   gathers the class that is      gathers the other class       defects if met by one
             best if both do, and meets                                   with more of that
exchange     moves for the most together,   moves for the most for        defects after an unfair    refuses what
             shared most equally            itself                        offer or answer            is unfair
gifts        gives to whom it sees          keeps, and consumes           gives, but waits for
                                                                          something back
joint work   works on what needs several,   works on what it can do       joins whom it sees at
             and waits for them             alone                         what needs several
harm         takes what is best for         takes all that pays           defects after it lost by
             others, shuns the rest                                       what others did
commons      spares items that grow only    takes all                     defects if it sees one     zaps whom it
             beside others, where few                                     at what it spares          sees there
cleaning     removes what slows growth      takes what grows              defects if it sees one     zaps whom it
                                                                          at what grows              sees there
quarrels     takes what is nobody's,        takes what others own, zaps   defects after it was       zaps those
             plants for all, never fires    them and their property       struck                     who struck it

Where a field is empty there is none: nobody can be struck there, or, in exchanges without a veto, refusing is no other
move. Encounters of three classes, or between roles, have no cooperator, as which class is good depends on the other;
there `pure_1` and so on gather one class each. Where gifts cost payoff and one can go, the `leaver` gives, and goes
when it has nothing back. In worlds with a trick the `believer` goes to where it last saw the bait.

None of these is in kitchens, where a partner must plan; in signalling, where nothing means anything yet; nor in hunts,
hidden agenda and daycare, where what is good depends on whose side one is on, or on what cannot be seen.

Bots know little but what they see now. Who punishes others for work, or holds it against them, cannot tell it from
walking past; who strikes back takes all for culprits who faced it in reach when it was struck.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from softsim.envs import GridWorld
from softsim.envs.params import EnvParams
from softsim.envs.vocabulary import DARK, ITEMS
from softsim.learners import bots
from softsim.partners.encounters import gatherers
from softsim.partners.exchange import exchangers
from softsim.partners.gifts import givers
from softsim.partners.harvests import foragers
from softsim.partners.joint_work import workers
from softsim.partners.quarrels import settlers
from softsim.partners.tables import Made, body_of, pays

LAWS = exchangers, givers, workers, foragers, settlers


def partners(world: GridWorld, situations: EnvParams) -> Made:
    """All that this world has a place for; situations have leaves [G, ...]."""
    size = world.num_actions, world.num_agents
    made: Made = {"greedy": lambda: bots.forager(body_of(world), bots.items(jnp.asarray(pays(situations)[0].any(0))))}
    if world.spec.has("trick"):
        made["believer"] = lambda: bots.believer(*size, ITEMS.index("bait"), DARK, body_of(world).moves)
    if isinstance(situations, EnvParams):
        situations = jax.tree.map(np.asarray, situations)  # which is read here, not computed with
        laws = (gatherers,) if world.spec.has("encounter") else LAWS
        made |= next((found for law in laws if (found := law(world, situations))), {})
    return made
