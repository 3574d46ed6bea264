"""How clouds are reached: plain Python, no Django, usable from a shell."""
