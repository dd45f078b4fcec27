"""Measuring what grew."""
