"""How the description of the API presents payments."""
