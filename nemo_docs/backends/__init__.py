"""Who generates text: token ids become text here, and text becomes token ids."""
