"""The commands, one module a noun. Each parses, calls one thing below, and prints what comes out."""
