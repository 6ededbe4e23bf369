"""Key/value caches. Given numbers, never a model."""
