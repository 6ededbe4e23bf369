"""What runs beside the interface."""
