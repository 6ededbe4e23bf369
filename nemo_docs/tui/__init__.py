"""The terminal app. Importing this package loads nothing: `nemo_docs.tui.app` is the door."""
