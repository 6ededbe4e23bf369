"""Matrix products, whatever their weights are stored as: one protocol, one file a form."""
