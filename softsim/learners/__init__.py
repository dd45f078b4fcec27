"""Minds and how they improve: networks, opponent models, learners, scripted partners. Nothing here knows a world."""
