"""What one can do with a flow: one module an operation."""
