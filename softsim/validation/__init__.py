"""Does it learn what it should, and is selection right? Experiments whose answers are known, one per file."""
