"""Answers known on paper: pure functions, in float32, or in float64 where `jax.enable_x64` allows it."""
