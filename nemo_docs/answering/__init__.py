"""Ask: packing, prompts, the reading plan, quotes, and the events that every face renders."""
