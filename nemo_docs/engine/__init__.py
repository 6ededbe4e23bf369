"""Everything that crosses the engine's door is token ids and numbers."""
