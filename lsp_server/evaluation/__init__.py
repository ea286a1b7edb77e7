"""How good suggestions are: holes cut from real files, filled through the product, and scored."""
